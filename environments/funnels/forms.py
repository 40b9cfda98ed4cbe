"""The form of a funnel: a name, and a field for each step, in order. An empty field is no step."""

from collections.abc import Sequence
from typing import Any, Final

from django import forms

from environments.funnels.models import (
    LONGEST_NAME,
    LONGEST_STEP,
    MOST_STEPS,
    Funnel,
)

OFFERED: Final = "event-types"


class FunnelForm(forms.Form):
    """What a funnel is called, and its steps; `version` is that of the funnel on the page."""

    name = forms.CharField(
        label="Name",
        max_length=LONGEST_NAME,
        help_text="What the dashboard calls it, such as Purchase.",
    )
    version = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for number in range(1, MOST_STEPS + 1):
            self.fields[f"step_{number}"] = forms.CharField(
                label=f"Step {number}",
                required=False,
                max_length=LONGEST_STEP,
                widget=forms.TextInput(attrs={"list": OFFERED, "autocomplete": "off"}),
            )

    def clean_name(self) -> str:
        return " ".join(str(self.cleaned_data["name"]).split())

    @property
    def steps(self) -> list[str]:
        """Return the steps in order, without the fields that were left empty."""
        typed = (self.cleaned_data.get(f"step_{one}", "") for one in range(1, MOST_STEPS + 1))
        return [one for one in typed if one]

    @classmethod
    def initial_of(cls, name: str, steps: Sequence[str], version: int) -> dict[str, Any]:
        """Return what the form shows of a funnel."""
        fields = {f"step_{number}": step for number, step in enumerate(steps, 1)}
        return {"name": name, "version": version, **fields}

    @classmethod
    def of(cls, funnel: Funnel, data: Any) -> "FunnelForm":
        """Return the form of a funnel that is there."""
        return cls(data, initial=cls.initial_of(funnel.name, funnel.steps, funnel.version))
