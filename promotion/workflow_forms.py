"""The form of a workflow test, with its events and expectations.

Rows are added by a button that sends the form and gets it back with one row more, so that nothing
depends on a script. A row that is left empty is no row.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django import forms
from django.http import QueryDict

from environments.masking import MASK
from promotion.engine.workflow import (
    LONGEST_NAME,
    LONGEST_TEXT,
    MOST_EVENTS,
    MOST_EXPECTED,
    RESOURCES,
    VALUED,
    BadWorkflowError,
    Kind,
    Profile,
    WorkflowTest,
)
from promotion.workflow_files import LARGEST

KIND_WORDS: Final[Mapping[Kind, str]] = {
    Kind.FLOW: "Flow runs",
    Kind.NOT_FLOW: "Flow does not run",
    Kind.RULE: "Rule fires",
    Kind.NOT_RULE: "Rule does not fire",
    Kind.ANSWER: "Field of the answer is",
    Kind.TRAIT: "Field of the profile is",
    Kind.SEGMENT: "Profile is in segment",
    Kind.NOT_SEGMENT: "Profile is not in segment",
    Kind.CONSENT: "Profile gave consent",
    Kind.NOT_CONSENT: "Profile gave no consent",
    Kind.EVENT: "Event is raised",
    Kind.NO_ERROR: "No error in the logs",
}
PROFILES: Final = [
    (Profile.NEW.value, "Somebody new"),
    (Profile.NONE.value, "Nobody: no profile is named"),
]
# The two lists of rows, by the prefix of their fields.
EVENTS, EXPECTED = "event", "expect"


def offer_list(resource: str) -> str:
    """Return the id of the list of a page that offers a resource's documents."""
    return f"offers-{resource}"


class EventRow(forms.Form):
    """One event of the visit."""

    type = forms.CharField(
        label="Event type",
        max_length=LONGEST_TEXT,
        widget=forms.TextInput(attrs={"list": offer_list("event-management")}),
    )
    properties = forms.CharField(
        required=False,
        max_length=LARGEST,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "tc-mono"}),
    )

    def has_changed(self) -> bool:
        # A place alone is no event.
        return bool(set(self.changed_data) - {"ORDER"})

    def clean_properties(self) -> dict[str, Any]:
        text = self.cleaned_data["properties"].strip()
        if not text:
            return {}
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            where = f" in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            raise forms.ValidationError(f"That is no JSON{where}.") from error
        if not isinstance(found, dict):
            raise forms.ValidationError('Write fields with their values: {"total": 250}.')
        return found


class ExpectationRow(forms.Form):
    """One thing that must be so afterwards."""

    kind = forms.ChoiceField(
        label="What", choices=[("", "—"), *((kind.value, KIND_WORDS[kind]) for kind in Kind)]
    )
    subject = forms.CharField(label="Which", required=False, max_length=LONGEST_TEXT)
    value = forms.CharField(
        label="Value",
        required=False,
        max_length=LARGEST,
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Each kind has a list of its own; the script changes it with the kind.
        if resource := RESOURCES.get(_kind(self["kind"].value())):  # type: ignore[arg-type]
            self.fields["subject"].widget.attrs["list"] = offer_list(resource)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        kind = _kind(data.get("kind"))
        if kind is None:
            return data
        if kind is not Kind.NO_ERROR and not data.get("subject", "").strip():
            self.add_error("subject", "Say which.")
        if kind in VALUED and not data.get("value", ""):
            self.add_error("value", "Say what it is.")
        return data


def _kind(value: object) -> Kind | None:
    try:
        return Kind(str(value))
    except ValueError:
        return None


def read_value(text: str) -> Any:
    """Return what a person wrote: a number, true, false, null or other JSON, else a text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def written_value(value: Any) -> str:
    """Return what `read_value` reads as that value."""
    # One that a field would not change, and that reads as itself.
    kept = isinstance(value, str) and value and value == " ".join(value.split())
    if kept and read_value(value) == value:
        return str(value)
    return json.dumps(value, ensure_ascii=False)


EventRows = forms.formset_factory(
    EventRow, extra=0, can_order=True, max_num=MOST_EVENTS, absolute_max=MOST_EVENTS + 1
)
ExpectationRows = forms.formset_factory(
    ExpectationRow, extra=0, max_num=MOST_EXPECTED, absolute_max=MOST_EXPECTED + 1
)


@dataclass(frozen=True)
class Draft:
    """What is written into a form before it is judged: its fields, and its two lists of rows."""

    facts: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    expected: Sequence[Mapping[str, Any]]

    def on(self, version: int) -> "Draft":
        """Return it for another version of the suite."""
        return replace(self, facts={**self.facts, "version": version})


def draft_of(test: Mapping[str, Any], version: int) -> Draft:
    """Return a form's content from a test, as `WorkflowTest.to_dict` has it; or an empty one."""
    events = [
        {
            "type": one["type"],
            "properties": json.dumps(one["properties"], indent=2, ensure_ascii=False)
            if one.get("properties")
            else "",
        }
        for one in test.get("events", ())
    ]
    expected: list[dict[str, Any]] = []
    for name, held in test.get("expect", {}).items():
        kind = Kind(name)
        if kind is Kind.NO_ERROR:
            expected.append({"kind": name})
        elif kind in VALUED:
            expected += [
                {"kind": name, "subject": path, "value": written_value(value)}
                for path, value in held.items()
            ]
        else:
            expected += [{"kind": name, "subject": one} for one in held]
    return Draft(
        {"version": version, "profile": Profile.NEW.value, **test},
        events or [{}],
        expected or [{}, {"kind": Kind.NO_ERROR.value}],
    )


def draft_sent(data: QueryDict, more: str) -> Draft:
    """Return what a form was sent with, and one row more of EVENTS or EXPECTED."""
    rows = {}
    for prefix, names, most in (
        (EVENTS, ("type", "properties"), MOST_EVENTS),
        (EXPECTED, ("kind", "subject", "value"), MOST_EXPECTED),
    ):
        total = data.get(f"{prefix}-TOTAL_FORMS", "")
        known = total.isascii() and total.isdigit() and len(total) < 6
        count = min(int(total), most) if known else 0
        places = sorted(range(count), key=lambda n: _place(data.get(f"{prefix}-{n}-ORDER", "")))
        found: list[dict[str, Any]] = [
            {name: data.get(f"{prefix}-{place}-{name}", "") for name in names} for place in places
        ]
        if prefix == more and count < most:
            found.append({})
        rows[prefix] = found
    facts = {name: data.get(name, "") for name in ("version", "name", "source", "profile")}
    return Draft(facts, rows[EVENTS], rows[EXPECTED])


class WorkflowTestForm(forms.Form):
    """A workflow test. `version` is the suite's that the page showed."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    name = forms.CharField(
        max_length=LONGEST_NAME, help_text="What it shows, such as: A purchase makes a big spender."
    )
    source = forms.CharField(
        max_length=LONGEST_TEXT,
        widget=forms.TextInput(attrs={"list": offer_list("event-source")}),
        help_text="The id of an event source, which is offered as you type.",
    )
    profile = forms.ChoiceField(label="Who visits", choices=PROFILES, widget=forms.RadioSelect)

    def __init__(self, data: QueryDict | None, *, draft: Draft) -> None:
        """Take what was sent for good, or None; and what was written so far, which is unjudged."""
        super().__init__(data, initial=dict(draft.facts))
        rows = (None, None) if data is not None else (draft.events, draft.expected)
        self.events = EventRows(data, prefix=EVENTS, initial=rows[0])
        self.expected = ExpectationRows(data, prefix=EXPECTED, initial=rows[1])
        for row in (*self.events, *self.expected):
            # One that is left empty is no row.
            row.empty_permitted = True

    def test(self) -> WorkflowTest | None:
        """Return the test that was written, or None where it is none: the form then says why."""
        parts = (self.is_valid(), self.events.is_valid(), self.expected.is_valid())
        if not all(parts):
            return None
        data = self.cleaned_data
        events = [row.cleaned_data for row in self.events if row.cleaned_data.get("type")]
        # One without a place keeps the place that it stands at.
        events.sort(key=lambda row: MOST_EVENTS if row.get("ORDER") is None else row["ORDER"])
        try:
            made = WorkflowTest.from_dict(
                {
                    "name": data["name"],
                    "source": data["source"],
                    "profile": data["profile"],
                    "events": [
                        {"type": row["type"], "properties": row["properties"]} for row in events
                    ],
                    "expect": _expect([row.cleaned_data for row in self.expected]),
                }
            )
        except BadWorkflowError as error:
            self.add_error(None, str(error))
            return None
        # Only now: what is nested deeper than a stack was refused above.
        if any(_holds_mask(one.properties) for one in made.events):
            self.add_error(
                None, "A recorded property is still masked. Fill it in, or leave it out."
            )
            return None
        return made


def _holds_mask(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_mask, value.values()))
    if isinstance(value, list):
        return any(map(_holds_mask, value))
    # Of a condition only what it compares with is masked.
    return isinstance(value, str) and MASK in value


def _place(written: str) -> int:
    """Return the place that a row was given; one without stays behind those that have one."""
    known = written.isascii() and written.isdigit() and len(written) < 6
    return int(written) if known else MOST_EVENTS


def _expect(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in rows:
        kind = _kind(row.get("kind"))
        if kind is None:
            continue
        subject = row["subject"].strip()
        if kind is Kind.NO_ERROR:
            found[kind.value] = True
        elif kind in VALUED:
            if subject in found.setdefault(kind.value, {}):
                raise BadWorkflowError(f"{KIND_WORDS[kind]}: {subject} stands there twice.")
            found[kind.value][subject] = read_value(row["value"])
        elif subject not in found.setdefault(kind.value, []):
            found[kind.value].append(subject)
    return found
