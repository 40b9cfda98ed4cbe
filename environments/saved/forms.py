"""Forms of saved views. What was typed stays on the page when it cannot be so."""

from typing import Any, Final

from django import forms

from accounts.roles import Role
from environments.models import SavedView

# As people read them, those who look at dashboards most first.
ROLES: Final = (
    (Role.MARKETING.value, "Marketing"),
    (Role.QA.value, "QA"),
    (Role.ADMINISTRATOR.value, "Administrator"),
)
# Longer than what is kept of one: that is refused in words.
_LONGEST_QUERY: Final = 8000


def role_words(role: str) -> str:
    return dict(ROLES).get(role, role)


class ViewForm(forms.Form):
    """A view's name, and the roles that it is shared with."""

    name = forms.CharField(label="Name", max_length=80)
    roles = forms.MultipleChoiceField(
        label="Share with",
        choices=ROLES,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="People of these roles see it who may see this dashboard; only you change it.",
    )

    def shared(self) -> list[Role]:
        return [Role(one) for one in self.cleaned_data["roles"]]

    @classmethod
    def of(cls, view: SavedView, data: Any = None) -> "ViewForm":
        """Return the form that changes a view; the ids of its fields are its own."""
        held = {"name": view.name, "roles": view.roles}
        return cls(data, initial=held, auto_id=f"id_{view.pk}_%s")


class SaveForm(ViewForm):
    """What a dashboard's address asks for, under a name; `replace` takes one over that is there."""

    query = forms.CharField(
        max_length=_LONGEST_QUERY, required=False, widget=forms.HiddenInput, strip=False
    )
    replace = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "query" not in self.data:
            self.fields["query"].required = True


class SummaryForm(forms.Form):
    """What a weekly summary is about: the environment, or one of its views."""

    about = forms.TypedChoiceField(
        label="About", required=False, coerce=int, empty_value=None, choices=()
    )

    def __init__(self, data: Any, whole: str, views: list[SavedView]) -> None:
        super().__init__(data, auto_id="id_summary_%s")
        self.fields["about"].choices = [  # type: ignore[attr-defined]
            ("", whole),
            *((one.pk, one.name) for one in views),
        ]
