"""Set-up of clusters and environments, for the administrator alone."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminURLInputWidget,
    UnfoldBooleanWidget,
)

from accounts.admin import PolicyAdmin
from environments.cluster_forms import ClusterForm as ClusterForm
from environments.connecting import SET_FIELDS, ConnectError, remove_problem
from environments.environment_forms import EnvironmentForm
from environments.health.models import HealthLook, HealthState
from environments.licence_offers import offer_for
from environments.models import (
    AccountsLook,
    Cluster,
    Environment,
    FunnelDay,
    SegmentLook,
    SegmentSize,
)
from environments.network.models import NetworkRun
from environments.rights import lacking_rights
from environments.ties import tie_of


class AdminClusterForm(ClusterForm):
    """The same form, as the other pages of the set-up look."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["url"].widget = UnfoldAdminURLInputWidget()
        self.fields["new_secret"].widget = UnfoldAdminPasswordWidget(render_value=False)


@admin.register(Cluster)
class ClusterAdmin(PolicyAdmin):
    form = AdminClusterForm
    list_display = ("name", "url", "authentication")
    fields = ("name", "url", "authentication", "username", "new_secret", "ca_certificate")
    list_before_template = "environments/cluster_list_top.html"
    change_form_outer_before_template = "environments/cluster_top.html"

    def save_model(self, request: HttpRequest, obj: Cluster, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        words = [f"{form.proof.engine} answers."]
        if change and form.changed_data:
            words.append(f"Changed: {form.changed_words()}.")
            if count := obj.environments.count():
                who = "1 environment uses" if count == 1 else f"{count} environments use"
                words.append(f"{who} it from the next request on.")
        if twins := form.twins():
            words.append(f"It is the same cluster as {', '.join(twins)}, reached another way.")
        messages.info(request, " ".join(words))
        namings = [one.naming for one in obj.environments.all()]
        if lacks := lacking_rights(obj, form.proof.engine, namings):
            messages.warning(request, lacks)

    def response_add(
        self, request: HttpRequest, obj: Cluster, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Go on with what is in it."""
        super().response_add(request, obj, post_url_continue)
        return HttpResponseRedirect(reverse("environments:connect-cluster", args=[obj.pk]))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        cluster = context.get("original")
        if cluster is not None:
            context["used_by"] = list(cluster.environments.all()[:20])
            context["used_by_count"] = cluster.environments.count()
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer


class AdminEnvironmentForm(EnvironmentForm):
    """The same form, as the other pages of the set-up look."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["not_installed"].widget = UnfoldBooleanWidget()


@admin.register(Environment)
class EnvironmentAdmin(PolicyAdmin):
    form = AdminEnvironmentForm
    list_display = ("name", "kind", "version", "tenant", "cluster", "promotes_to")
    fields = (
        "name",
        "slug",
        "kind",
        "cluster",
        "version",
        "tenant",
        "not_installed",
        "promotes_to",
        "api_url",
        "public_url",
        "smoke_after_promotion",
    )
    prepopulated_fields: ClassVar = {"slug": ("name",)}
    formfield_overrides: ClassVar = {models.URLField: {"assume_scheme": "https"}}
    list_before_template = "environments/cluster_list_top.html"
    change_form_outer_before_template = "environments/environment_top.html"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None and tie_of(obj):
            return [name for name in self.fields if name != "not_installed"]
        return self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        # Builds and generations belong to these indices; other ones are another environment.
        return ("slug", *SET_FIELDS) if tie_of(obj) else ("slug",)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.prepopulated_fields if obj is None else {}

    def save_model(self, request: HttpRequest, obj: Environment, form: Any, change: bool) -> None:
        """Save it and, where a licence is beside it, say that it covers this one too."""
        if change and any(name in form.changed_data for name in SET_FIELDS):
            held = Environment.objects.select_for_update().get(pk=obj.pk)
            if words := tie_of(held):
                # Captured or adopted since the form was read: the transaction is taken back.
                raise ConnectError(f"{words}. Nothing was saved.")
            # What was seen so far was of other indices.
            seen_of = (AccountsLook, HealthLook, HealthState, NetworkRun, SegmentLook, SegmentSize)
            for seen in seen_of:
                seen._base_manager.filter(environment=obj).delete()
            FunnelDay.objects.filter(funnel__environment=obj).delete()
        super().save_model(request, obj, form, change)
        if (offer := offer_for(obj)) is not None:
            messages.info(
                request,
                f"{offer.beside} has a licence, of {offer.licence.holder}, which covers {obj} too: "
                "no second one is needed. Say so on Licence, by one click.",
            )
        if form.warning:
            messages.warning(request, form.warning)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form again where it was captured or adopted meanwhile."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except ConnectError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.path)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        environment = context.get("original")
        if environment is not None:
            context["tie"] = tie_of(environment)
            context["stays"] = remove_problem(environment)
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer
