"""Forms of licences. A key that was typed is never written into a page again."""

from datetime import date, timedelta
from typing import Any, Final

from django import forms

from accounts.people_forms import EnvironmentsField
from environments.licence_key import LONGEST, LONGEST_HOLDER, Told, read_key
from environments.licence_models import console_day
from environments.licences import Terms
from environments.models import Environment, Licence
from environments.visible import visible

_TYPE_AGAIN: Final = "Paste the key once more too: it is not shown again."
_FIRST: Final = date(2000, 1, 1)
_LAST: Final = date(2200, 1, 1)


def last_day(told: Told) -> date | None:
    """Return the last day that a key covers, in the console's zone."""
    if told.ends_at is None:
        return None
    # One that ends as a day begins does not cover that day.
    return console_day(told.ends_at - timedelta(seconds=1))


class _KeyField(forms.CharField):
    def __init__(self, **kwargs: Any) -> None:
        shown = forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "off", "spellcheck": "false"}
        )
        super().__init__(max_length=LONGEST, widget=shown, **kwargs)

    def clean(self, value: Any) -> str:
        key = str(super().clean(value))
        if any(not " " < letter <= "~" for letter in key):
            raise forms.ValidationError(
                "A key has no blanks and no characters but those of ASCII. Nothing was saved. Copy "
                "it whole, and nothing beside it."
            )
        return key


class _EndForm(forms.Form):
    """The last day, or that there is none; a key that says its own is believed before both."""

    ends_on = forms.DateField(
        label="Last day",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    endless = forms.BooleanField(label="It has no end", required=False)

    def _told(self, data: dict[str, Any]) -> Told | None:
        return read_key(data["key"]) if data.get("key") else None

    def clean_ends_on(self) -> date | None:
        day: date | None = self.cleaned_data["ends_on"]
        if day is not None and not _FIRST <= day <= _LAST:
            raise forms.ValidationError(
                f"The day is not between {_FIRST.year} and {_LAST.year}. Nothing was saved."
            )
        return day

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "ends_on" not in data or ("key" in self.fields and "key" not in data):
            return data
        day, endless, told = data["ends_on"], data["endless"], self._told(data)
        if day is not None and endless:
            self.add_error("ends_on", "It has a last day, or none: not both. Nothing was saved.")
        elif told is not None:
            self._believe(data, told)
        elif day is None and not endless:
            self.add_error(
                "ends_on", "Give the last day, or say that it has none. Nothing was saved."
            )
        return data

    def _believe(self, data: dict[str, Any], told: Told) -> None:
        day, known = data["ends_on"], last_day(told)
        wrong = data["endless"] if known is not None else day is not None
        if wrong or (day is not None and day != known):
            says = f"ends on {known:%-d %B %Y}" if known is not None else "has no end"
            self.add_error(
                "ends_on",
                f"The key itself says that it {says}. Nothing was saved. Leave this empty, and the "
                "key is believed; or paste another key.",
            )
        data["ends_on"] = known

    @property
    def pastes_again(self) -> str:
        """What to say of a key that was typed in vain."""
        fine = self.is_bound and self.errors and "key" not in self.errors
        return _TYPE_AGAIN if fine and "key" in self.fields else ""


class LicenceForm(_EndForm):
    """What a licence says, but for its key."""

    holder = forms.CharField(
        label="Who holds it",
        max_length=LONGEST_HOLDER,
        help_text="The person or company that it was given to.",
    )
    environments = EnvironmentsField(
        help_text="Staging and production alike: one licence covers both."
    )
    note = forms.CharField(
        label="Note",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Such as where it was bought, and who renews it. Not the key.",
    )

    field_order = ("key", "holder", "ends_on", "endless", "environments", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen: Any = self.fields["environments"]
        chosen.queryset = Environment.objects.order_by("name")

    def clean_holder(self) -> str:
        return visible(" ".join(str(self.cleaned_data["holder"]).split()))[:LONGEST_HOLDER]

    @property
    def terms(self) -> Terms:
        data = self.cleaned_data
        return Terms(
            data["holder"], data["ends_on"], data["note"].strip(), list(data["environments"])
        )

    @classmethod
    def initial_of(cls, licence: Licence) -> dict[str, Any]:
        """Return what the form shows of a licence."""
        covered = licence.uses.values_list("environment", flat=True)
        return {
            "holder": licence.holder,
            "ends_on": licence.ends_on,
            "endless": licence.ends_on is None,
            "environments": list(covered),
            "note": licence.note,
        }


class NewLicenceForm(LicenceForm):
    """A licence with its key."""

    key = _KeyField(
        label="Key",
        help_text="What Tracardi gets as LICENSE. Kept encrypted, and shown to you alone when you "
        "ask for it. Where it says who holds it and until when, leave those empty.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The key may say it.
        self.fields["holder"].required = False

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        told = self._told(data)
        if "holder" in data and not data["holder"]:
            data["holder"] = told.holder if told is not None else ""
            if not data["holder"] and "key" in data:
                self.add_error("holder", "The key does not say who holds it. Nothing was saved.")
        return data


class RenewForm(_EndForm):
    """Another key, and until when."""

    key = _KeyField(
        label="New key",
        help_text="The present key is gone once this one is saved. Where it says until when, leave "
        "the day empty.",
    )

    field_order = ("key", "ends_on", "endless")

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        day = data.get("ends_on")
        if not self.errors and day is not None and day < console_day():
            self.add_error(
                "ends_on", f"{day:%-d %B %Y} is over already. Nothing was saved. Use the new key."
            )
        return data
