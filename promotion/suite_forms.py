"""The forms of suites: to make one, to change what it is called and asks for, to import tests."""

from collections.abc import Sequence
from typing import Any, Final

from django import forms

from environments.models import Environment
from promotion.models import Suite
from promotion.suites import LONGEST_NAME
from promotion.workflow_files import LARGEST

# A folder of tests, one a file; reading the worst YAML takes ten seconds a MiB.
MOST_FILES: Final = 100
MOST_BYTES: Final = 1024 * 1024


class SuiteForm(forms.Form):
    """A new suite's staging, and its name."""

    environment = forms.ChoiceField(label="Staging environment")
    name = forms.CharField(max_length=LONGEST_NAME)

    def __init__(self, data: Any, environments: Sequence[Environment], initial: str = "") -> None:
        super().__init__(data, initial={"environment": initial})
        field = self.fields["environment"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(one.slug, one.name) for one in environments]


class RenameForm(forms.Form):
    name = forms.CharField(label="New name", max_length=LONGEST_NAME)


class VersionForm(forms.Form):
    """A change of the suite whose version the page showed."""

    version = forms.IntegerField(widget=forms.HiddenInput)


class RequirementForm(forms.Form):
    requirement = forms.ChoiceField(
        label="Asked of an approval",
        choices=[
            (Suite.Requirement.NOTHING.value, "Nothing"),
            (Suite.Requirement.REASON.value, "A green run, or a comment that says why not"),
            (Suite.Requirement.RUN.value, "A green run"),
        ],
    )


class ManyFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several files at once; bounded, so that nobody fills the memory."""

    widget = ManyFiles

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        given = data if isinstance(data, list | tuple) and data else [None]
        files = [super(FilesField, self).clean(one, initial) for one in given]
        if len(files) > MOST_FILES:
            raise forms.ValidationError(
                f"More than {MOST_FILES} files at once. Nothing was taken. Send fewer."
            )
        if large := [one.name for one in files if one.size > LARGEST]:
            raise forms.ValidationError(
                f"{large[0]} is larger than {LARGEST // 1024} KiB. Nothing was taken."
            )
        if sum(one.size for one in files) > MOST_BYTES:
            raise forms.ValidationError(
                f"The files are larger than {MOST_BYTES // 1024} KiB together. Nothing was taken. "
                "Send fewer at once."
            )
        return files


class ImportForm(VersionForm):
    """YAML files, one a test; each adds a test, or replaces the one of its name."""

    tests = FilesField(label="YAML files")
