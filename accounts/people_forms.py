"""Forms about people."""

from typing import Any, ClassVar

from django import forms
from django.core.validators import RegexValidator

from accounts.models import User
from accounts.people import environments
from accounts.roles import GIVEN, Role

# More digits than the key of a row has in any database.
LONGEST_KEY = 18
ROLES = [(role.value, role.value if role is Role.MARKETING else "QA") for role in GIVEN]


# What hides or turns what is read: a line break, a mark of direction, nothing at all.
_MISLEADING = RegexValidator(
    "[\\x00-\\x1f\\x7f-\\x9f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff]",
    "Leave characters out that cannot be seen.",
    inverse_match=True,
)


def _plain(form: forms.ModelForm[User]) -> None:
    for name in ("first_name", "last_name"):
        form.fields[name].validators.append(_MISLEADING)


def _own_address(address: str, pk: int | None) -> str:
    """Return an address that no other account has: links go to it, and a sign-on goes by it."""
    others = User.objects.filter(email__iexact=address)
    if pk is not None:
        others = others.exclude(pk=pk)
    if address and others.exists():
        raise forms.ValidationError("Another account has this address.")
    return address


class EnvironmentsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """A tick for each environment, of those that there are when the form is made."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            queryset=User.objects.none(),
            required=False,
            widget=forms.CheckboxSelectMultiple,
            label="Environments",
            **kwargs,
        )

    def clean(self, value: Any) -> Any:
        """Return the environments; a key that no database holds names none."""
        if any(len(str(one)) > LONGEST_KEY for one in value or ()):
            message = self.error_messages["invalid_pk_value"] % {"pk": "That"}
            raise forms.ValidationError(message, code="invalid_pk_value")
        return super().clean(value)


class NamesForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a person is called, and where their mail goes."""

    class Meta:
        model = User
        fields = ("first_name", "last_name", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self)

    def clean_email(self) -> str:
        return _own_address(str(self.cleaned_data["email"]), self.instance.pk)


class InviteForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new person: name, address, role and environments; no password, which they set."""

    role = forms.ChoiceField(choices=ROLES, widget=forms.RadioSelect, label="Role")
    environments = EnvironmentsField()

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email", "role")
        labels: ClassVar = {"email": "E-mail address"}
        help_texts: ClassVar = {
            "username": "What the person signs in with: letters, digits and @ . + - _",
            "email": "Where the invitation goes, and links to set a new password.",
        }

    field_order = ("username", "first_name", "last_name", "email", "role", "environments")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        granted: Any = self.fields["environments"]
        granted.queryset = environments()
        self.fields["email"].required = True
        _plain(self)

    def clean_email(self) -> str:
        return _own_address(str(self.cleaned_data["email"]), None)


class RightsForm(forms.Form):
    """A person's role and environments."""

    role = forms.ChoiceField(choices=ROLES, widget=forms.RadioSelect, label="Role")
    environments = EnvironmentsField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        granted: Any = self.fields["environments"]
        granted.queryset = environments()


class ReasonForm(forms.Form):
    """Why something is done to a person; kept in the audit trail."""

    reason = forms.CharField(max_length=300, required=False, label="Reason")


class OfferForm(forms.Form):
    """To whom the administration is offered, and what the one who offers it is afterwards."""

    person = forms.ModelChoiceField(queryset=User.objects.none(), label="Offer to")
    afterwards = forms.ChoiceField(
        choices=[*ROLES, ("off", "switched off: I leave the console")],
        widget=forms.RadioSelect,
        label="What you are afterwards",
    )
    reason = forms.CharField(max_length=300, required=False, label="Reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        person: Any = self.fields["person"]
        others = User.objects.filter(is_active=True).exclude(role=Role.ADMINISTRATOR.value)
        person.queryset = others.order_by("username")
        person.label_from_instance = lambda one: f"{one.label} ({one.role})"
