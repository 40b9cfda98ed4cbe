"""Set-up of clusters and environments, for the administrator alone."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminURLInputWidget

from accounts.admin import PolicyAdmin
from environments.elastic import ElasticError, connect
from environments.engines import SUPPORTED_WORDS, engine_of
from environments.models import Cluster, Environment


class ClusterForm(forms.ModelForm):  # type: ignore[type-arg]
    """A cluster's address and credentials. The secret is never shown again."""

    url = forms.URLField(
        label="Address",
        assume_scheme="https",
        max_length=300,
        widget=UnfoldAdminURLInputWidget,
        help_text="For example https://search.example.com:9200",
    )
    new_secret = forms.CharField(
        required=False,
        label="Password or API key",
        widget=UnfoldAdminPasswordWidget(render_value=False),
        help_text="Kept encrypted and shown to nobody. Leave it empty to keep the present one.",
    )

    class Meta:
        model = Cluster
        fields = ("name", "url", "authentication", "username", "ca_certificate")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        trial = Cluster(
            name=data["name"],
            url=data["url"],
            authentication=data["authentication"],
            username=data["username"],
            secret=data["new_secret"] or self.instance.secret,
            ca_certificate=data["ca_certificate"],
        )
        try:
            found = connect(trial).request("GET", "/", timeout=10)
        except (ElasticError, ValueError, OSError) as error:
            raise forms.ValidationError(f"{error} Nothing was saved.") from error
        engine = engine_of(found)
        if not engine.is_supported:
            raise forms.ValidationError(
                f"Behind this address is {engine}, which the console was never tested with. "
                f"Nothing was saved. It works with {SUPPORTED_WORDS}."
            )
        pinned = self.instance.uuid
        if pinned and found["cluster_uuid"] != pinned:
            raise forms.ValidationError(
                "Behind this address is another cluster than before. Nothing was saved. Add it as "
                "a cluster of its own."
            )
        self.instance.uuid = found["cluster_uuid"]
        return data


@admin.register(Cluster)
class ClusterAdmin(PolicyAdmin):
    form = ClusterForm
    list_display = ("name", "url", "authentication")
    fields = ("name", "url", "authentication", "username", "new_secret", "ca_certificate")

    def save_model(self, request: HttpRequest, obj: Cluster, form: Any, change: bool) -> None:
        if form.cleaned_data["new_secret"]:
            obj.secret = form.cleaned_data["new_secret"]
        super().save_model(request, obj, form, change)


@admin.register(Environment)
class EnvironmentAdmin(PolicyAdmin):
    list_display = ("name", "kind", "version", "tenant", "cluster", "promotes_to")
    fields = (
        "name",
        "slug",
        "kind",
        "cluster",
        "version",
        "tenant",
        "promotes_to",
        "api_url",
        "smoke_after_promotion",
    )
    prepopulated_fields: ClassVar = {"slug": ("name",)}
    formfield_overrides: ClassVar = {models.URLField: {"assume_scheme": "https"}}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Builds and generations belong to these indices; other ones are another environment.
        return ("slug", "kind", "cluster", "version", "tenant") if obj is not None else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.prepopulated_fields if obj is None else {}
