"""Forms of the wizard that connects installations, and of what is removed."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from environments.connecting import Wanted
from environments.discovery import IndexSet
from environments.naming import Side
from environments.suggesting import Suggestion

# So many at once: a page of the table, both sides of each.
MOST_AT_ONCE = 50


class NewEnvironmentForm(forms.Form):
    """What one set is called, and the other end of its pipeline."""

    name = forms.CharField(max_length=100, label="Name")
    slug = forms.SlugField(
        max_length=60, label="Short name", help_text="In addresses and commands. It stays."
    )
    other = forms.ChoiceField(required=False)

    def __init__(self, data: Any, found: IndexSet, suggestion: Suggestion) -> None:
        initial = {
            "name": suggestion.name,
            "slug": suggestion.slug,
            "other": suggestion.other,
        }
        super().__init__(data, prefix=found.key, initial=initial)
        self.found = found
        other: Any = self.fields["other"]
        if found.naming.side is Side.STAGING:
            other.label, none = "Promotes to", "nothing yet"
        else:
            other.label, none = "Also fed by", "nothing else"
            if not suggestion.choices:
                # Nothing to choose from.
                del self.fields["other"]
                return
        other.choices = [("", none), *suggestion.choices]

    def wanted(self) -> Wanted:
        data = self.cleaned_data
        return Wanted(self.found.naming, data["name"], data["slug"], data.get("other", ""))

    def blame(self, problems: Mapping[str, Sequence[str]]) -> None:
        """Say what the service found wrong with it."""
        for field, messages in problems.items():
            known = field if field in self.fields else None
            for message in messages:
                self.add_error(known, message)


class RemoveForm(forms.Form):
    """A tick that something is meant."""

    sure = forms.BooleanField(label="Yes, remove it from the console")
