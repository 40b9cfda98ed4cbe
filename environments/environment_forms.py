"""The form of an environment, which looks whether its indices are there before it is saved."""

from typing import Any, ClassVar

from django import forms

from environments.catalogue import catalogue_for
from environments.connect_rows import gap_words
from environments.connecting import SET_FIELDS
from environments.elastic import ElasticError
from environments.installations import connected, set_in
from environments.models import Environment
from environments.naming import InvalidTenantError, Naming, Side

_TICK = "tick “It is not installed yet”"


class EnvironmentForm(forms.ModelForm):  # type: ignore[type-arg]
    """One set of indices; what its builds belong to cannot be changed once it has some.

    `warning` says what of the set is not as Tracardi makes it, once the form is valid.
    """

    not_installed = forms.BooleanField(
        required=False,
        label="It is not installed yet",
        help_text="Save it though the cluster has no such indices: Tracardi is to make them.",
    )
    warning = ""

    class Meta:
        model = Environment
        # The admin page names them.
        fields = "__all__"  # noqa: DJ007
        help_texts: ClassVar = {
            "tenant": "Of an index called 08x.acme.tracardi-flow it is acme; without one of your "
            "own it is 01506 for 0.8.1. Kind, cluster, version and tenant stay as they are once "
            "there is a build or a promotion.",
            "slug": "In addresses and commands. It stays as it is once saved.",
            "promotes_to": "Of a staging: the production that it feeds.",
        }

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors or not self._is_another_set():
            return data
        try:
            naming = Naming(catalogue_for(data["version"]), data["tenant"], Side(data["kind"]))
        except (InvalidTenantError, ValueError):
            # The model says so itself.
            return data
        self._check_others(naming)
        if not self.errors and not data.get("not_installed"):
            self._check_there(naming)
        return data

    def _is_another_set(self) -> bool:
        """Answer whether the form says of which indices it is, and says it anew."""
        if any(name not in self.fields for name in SET_FIELDS):
            return False
        return not self.instance.pk or any(name in self.changed_data for name in SET_FIELDS)

    def _check_others(self, naming: Naming) -> None:
        other = connected(self.cleaned_data["cluster"]).get(naming.key)
        if other is not None and other.pk != self.instance.pk:
            self.add_error(
                "tenant",
                f"These indices are those of {other} (cluster {other.cluster}). Nothing was saved.",
            )
        if self.instance.pk and "kind" in self.changed_data and self.instance.fed_by.exists():
            self.add_error(
                "kind",
                f"{self.instance.fed_by.all()[0]} promotes to it. Nothing was saved. Let that one "
                "promote elsewhere first.",
            )

    def _check_there(self, naming: Naming) -> None:
        try:
            there, instead = set_in(self.cleaned_data["cluster"], naming)
        except ElasticError as error:
            self.add_error(
                "cluster",
                f"{error} So nobody can say whether its indices are there. Nothing was saved. See "
                f"to the cluster, or {_TICK}.",
            )
            return
        if there is None:
            self.add_error(
                "tenant",
                f"{instead} Nothing was saved. Correct kind, cluster, version or tenant, or "
                f"{_TICK}.",
            )
        elif not there.working:
            self.add_error(
                "tenant",
                f"Indices are there, but none of their {len(naming.catalogue.promoted)} aliases "
                f"leads to them. {there.gaps[0].words} Nothing was saved. Correct version or "
                f"tenant, or {_TICK}.",
            )
        else:
            self.warning = gap_words(there)
