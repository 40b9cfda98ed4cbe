"""Forms of the promotion pages."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.http import QueryDict

from environments.findings import Finding
from promotion.batches import MOST_PARALLEL, PARALLEL
from promotion.checklists import checklist_problem
from promotion.comments import LONGEST as LONGEST_COMMENT
from promotion.models import Checklist

VERDICTS = [("approved", "Approve"), ("changes", "Request changes"), ("rejected", "Reject")]


class ReviewForm(forms.Form):
    """QA's verdict on what was shown."""

    content = forms.CharField(widget=forms.HiddenInput)
    verdict = forms.ChoiceField(choices=VERDICTS)
    comment = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What you tested. Needed unless you approve.",
    )
    acknowledged = forms.MultipleChoiceField(
        required=False,
        error_messages={
            "invalid_choice": "What stands against it is not what you were shown. Look again."
        },
    )

    # The version of the checklist that was shown, and the places of what was ticked.
    checklist = forms.IntegerField(required=False)
    ticked = forms.TypedMultipleChoiceField(required=False, coerce=int)

    def __init__(
        self,
        *args: Any,
        due: Sequence[Finding] = (),
        asked: Checklist | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.asked = asked if asked is not None and asked.items else None
        items = self.asked.items if self.asked is not None else []
        places = self.fields["ticked"]
        if isinstance(places, forms.MultipleChoiceField):
            places.choices = [(str(place), item["text"]) for place, item in enumerate(items)]
        self.due = {_shown(finding): finding for finding in due}
        field = self.fields["acknowledged"]
        if isinstance(field, forms.MultipleChoiceField):
            field.choices = [(name, finding.message) for name, finding in self.due.items()]

    def clean(self) -> dict[str, Any]:
        """Ask for each warning by itself; a rejection goes without."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        given = cleaned.get("acknowledged")
        if cleaned.get("verdict") == "approved" and given is not None and set(self.due) - {*given}:
            self.add_error("acknowledged", "Acknowledge each of these, or do not approve it.")
        if self.asked is not None and (verdict := cleaned.get("verdict")):
            ticked, version = cleaned.get("ticked", []), cleaned.get("checklist")
            if problem := checklist_problem(self.asked, verdict, version, ticked):
                self.add_error("ticked", problem)
        return cleaned

    def codes(self) -> list[str]:
        """Return the codes of what was acknowledged."""
        return [self.due[name].code for name in self.cleaned_data["acknowledged"]]

    def items(self) -> list[dict[str, Any]]:
        """Return a check box for each item of the checklist, for a page."""
        if self.asked is None:
            return []
        fresh = self.data.get("checklist") == str(self.asked.version)
        given = self.data.getlist("ticked") if fresh and isinstance(self.data, QueryDict) else []
        return self.asked.answers(
            [place for place in range(len(self.asked.items)) if str(place) in given]
        )

    def boxes(self) -> list[dict[str, Any]]:
        """Return a check box for each warning, for a page."""
        ticked = self.data.getlist("acknowledged") if isinstance(self.data, QueryDict) else []
        return [
            {"name": name, "finding": finding, "ticked": name in ticked}
            for name, finding in self.due.items()
        ]


class ChecklistForm(forms.Form):
    """The checklist as lines of text; `version` is the one that the page showed."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    lines = forms.CharField(
        label="Items",
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text="One a line. A question mark in front makes it optional. Empty, it asks nothing.",
    )


class CommentForm(forms.Form):
    """Something to say about a build, a document or a field."""

    text = forms.CharField(
        label="Your words",
        max_length=LONGEST_COMMENT,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Write something. Nothing was kept."},
    )


def _shown(finding: Finding) -> str:
    """Return what tells a finding as it was shown: in other words it is another one."""
    return hashlib.sha256(f"{finding.code}\0{finding.message}".encode()).hexdigest()[:16]


class ConsentForm(forms.Form):
    """A form with one check box for each finding that is to be agreed to by itself."""

    comment = forms.CharField(required=False, max_length=500, help_text="Kept with the record.")

    def __init__(self, *args: Any, due: Sequence[Mapping[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.consent_names = {f"consent-{number}": f["code"] for number, f in enumerate(due)}
        for number, finding in enumerate(due):
            self.fields[f"consent-{number}"] = forms.BooleanField(
                required=True,
                label=finding["message"],
                help_text=finding["remedy"],
                error_messages={"required": "Agree to this, or do not go on."},
            )

    def consents(self) -> list[str]:
        """Return the codes that were agreed to."""
        return [c for name, c in self.consent_names.items() if self.cleaned_data.get(name)]

    def consent_fields(self) -> list[forms.BoundField]:
        """Return the check boxes, for a page."""
        return [self[name] for name in self.consent_names]


class PromoteForm(ConsentForm):
    """Consent to one plan; each large deletion and each drift is agreed to by itself."""

    plan = forms.CharField(widget=forms.HiddenInput)


DURATIONS = [
    (15, "15 minutes"),
    (60, "1 hour"),
    (4 * 60, "4 hours"),
    (8 * 60, "8 hours"),
    (24 * 60, "24 hours"),
]


class DurationForm(forms.Form):
    """For how long an environment is unlocked."""

    minutes = forms.TypedChoiceField(
        label="For",
        choices=DURATIONS,
        coerce=int,
        initial=60,
        help_text="Then it is locked again by itself.",
    )


class UnlockForm(DurationForm):
    """Why an environment is unlocked, and for how long."""

    reason = forms.CharField(max_length=300, help_text="Everybody sees it while it is unlocked.")
    field_order = ("reason", "minutes")


class ProvisionForm(ConsentForm):
    """Consent to one plan for another environment's indices or documents."""

    other = forms.CharField(widget=forms.HiddenInput)
    plan = forms.CharField(widget=forms.HiddenInput)
    # The codes of what was to be agreed to by itself: the plan is not made anew to know them.
    asked = forms.CharField(required=False, max_length=300, widget=forms.HiddenInput)
    reason = forms.CharField(required=False, max_length=300, help_text="Kept in the audit trail.")
    agree = forms.BooleanField(label="I have read the plan")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The reason is it.
        del self.fields["comment"]
        self.initial["asked"] = " ".join(self.consent_names.values())


class DriftForm(forms.Form):
    """Settles the drift that a page showed: `content` is the digest of what was served then."""

    content = forms.CharField(widget=forms.HiddenInput)


class DiscardForm(DriftForm):
    """Consent to discarding an edit by hand."""

    comment = forms.CharField(required=False, max_length=500, help_text="Kept with the record.")
    agree = forms.BooleanField(label="I have read what will happen")


class CarryForm(DriftForm):
    """Which documents are written to staging although it changed them too."""

    overwrite = forms.MultipleChoiceField(required=False)

    def __init__(self, *args: Any, keys: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["overwrite"]
        if isinstance(field, forms.MultipleChoiceField):
            field.choices = [(key, key) for key in keys]


class ConfirmForm(ConsentForm):
    """Consent to what the page explains; `marker` is of the generation that it showed."""

    marker = forms.CharField(required=False, widget=forms.HiddenInput)
    agree = forms.BooleanField(label="I have read what will happen")


class ReconcileForm(ConfirmForm):
    """Consent to record what was found; removing leftovers is agreed to by itself."""

    leftovers = forms.BooleanField(
        required=False,
        label="Remove what attempts left behind",
        help_text="Only indices with a generation's number that nothing refers to.",
    )
    agree = forms.BooleanField(label="I have read what will be recorded")


class BatchForm(forms.Form):
    """How a batch is done as a whole."""

    parallel = forms.IntegerField(
        label="At a time",
        min_value=1,
        max_value=MOST_PARALLEL,
        initial=PARALLEL,
        help_text="So many targets are worked on side by side.",
    )
    comment = forms.CharField(required=False, max_length=500, help_text="Kept with each promotion.")


class BatchRowForm(ConsentForm):
    """One target of a batch: whether it takes part, under which plan, and what is agreed to."""

    plan = forms.CharField(widget=forms.HiddenInput)
    include = forms.BooleanField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # There is one for the whole batch.
        del self.fields["comment"]


class MomentForm(forms.Form):
    """A moment, in the time zone of the pages; one with an offset of its own is taken too."""

    at = forms.DateTimeField(
        label="Date and time",
        widget=forms.DateTimeInput(
            format="%Y-%m-%dT%H:%M:%S", attrs={"type": "datetime-local", "step": "1"}
        ),
    )
