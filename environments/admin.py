"""Set-up of clusters and environments, for the administrator alone."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminURLInputWidget

from accounts.admin import PolicyAdmin
from environments.addresses import BadAddressError
from environments.elastic import Connection, ElasticError, Refused
from environments.engines import SUPPORTED_WORDS, engine_of
from environments.licence_offers import offer_for
from environments.models import Cluster, Environment
from environments.targets import check_url

# What is behind an address that somebody typed is not known yet: it gets few seconds, and little of
# its answer is read.
_TRIAL_SECONDS = 10
_TRIAL_BYTES = 64 * 1024


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 40


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
        labels: ClassVar = {"ca_certificate": "CA certificate"}

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            check_url(url)
        except BadAddressError as error:
            raise forms.ValidationError(error.in_a_form) from error
        return url

    def _leads_elsewhere(self, data: dict[str, Any]) -> bool:
        """Answer whether the stored secret would be sent another way than it was given for."""
        before = self.initial
        if not self.instance.pk or not self.instance.secret:
            return False
        same = all(
            (data[name] or "") == (before.get(name) or "")
            for name in ("authentication", "username", "ca_certificate")
        )
        return not same or data["url"].rstrip("/") != str(before.get("url")).rstrip("/")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        if not data["new_secret"] and self._leads_elsewhere(data):
            # Whoever answers there would be sent the stored one.
            self.add_error(
                "new_secret",
                "Type the password or API key again: the address, the certificate or the way to "
                "sign in is another one than before. Nothing was saved.",
            )
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
            # One of its own: what was typed is not kept among the shared connections.
            found = Connection(trial, _TRIAL_BYTES).request("GET", "/", timeout=_TRIAL_SECONDS)
        except Refused as error:
            # Not in its own words: they may be a page that this person could not read otherwise.
            raise forms.ValidationError(
                f"What is behind this address answered HTTP {error.status}, as no "
                "Elasticsearch does that can be used. Nothing was saved. Correct the address."
            ) from error
        except ElasticError as error:
            raise forms.ValidationError(f"{error} Nothing was saved.") from error
        except (ValueError, OSError) as error:
            raise forms.ValidationError(
                "The certificate or the credentials cannot be used. Nothing was saved. Give the "
                "authority's certificate as PEM, and an API key as id:key."
            ) from error
        if not isinstance(found, dict) or not _is_uuid(found.get("cluster_uuid")):
            raise forms.ValidationError(
                "What is behind this address is no Elasticsearch and no OpenSearch. Nothing was "
                "saved. Correct the address."
            )
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


class EnvironmentForm(forms.ModelForm):  # type: ignore[type-arg]
    """One set of indices; what its builds belong to cannot be changed afterwards."""

    class Meta:
        model = Environment
        # The admin page names them.
        fields = "__all__"  # noqa: DJ007
        help_texts: ClassVar = {
            "tenant": "Of an index called 08x.acme.tracardi-flow it is acme; without one of your "
            "own it is 01506 for 0.8.1. Slug, kind, cluster, version and tenant stay as they are "
            "once saved.",
            "promotes_to": "Of a staging: the production that it feeds.",
        }


@admin.register(Environment)
class EnvironmentAdmin(PolicyAdmin):
    form = EnvironmentForm
    change_form_outer_before_template = "environments/licence_note.html"
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
        "public_url",
        "smoke_after_promotion",
    )
    prepopulated_fields: ClassVar = {"slug": ("name",)}
    formfield_overrides: ClassVar = {models.URLField: {"assume_scheme": "https"}}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Builds and generations belong to these indices; other ones are another environment.
        return ("slug", "kind", "cluster", "version", "tenant") if obj is not None else ()

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.prepopulated_fields if obj is None else {}

    def save_model(self, request: HttpRequest, obj: Environment, form: Any, change: bool) -> None:
        """Save it and, where a licence is beside it, say that it covers this one too."""
        super().save_model(request, obj, form, change)
        if (offer := offer_for(obj)) is not None:
            messages.info(
                request,
                f"{offer.beside} has a licence, of {offer.licence.holder}, which covers {obj} too: "
                "no second one is needed. Say so on Licence, by one click.",
            )
