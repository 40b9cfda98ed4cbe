"""The form of a choice: what was ticked on this page, and on the pages before it.

The choice is in the form alone, so it survives paging and filtering without a script, and a page
that is never sent leaves nothing behind.
"""

import hashlib
import json
from functools import cached_property
from typing import Any, Final

from django import forms

from promotion.composing import Draft
from promotion.engine.compose import Choice
from promotion.engine.dependencies import Key

STEPS: Final = ("choose", "needs", "compose")
_LONGEST_STATE: Final = 2_000_000


def token_of(key: Key) -> str:
    """Return what names a document in a form: an id may hold what a form does not keep."""
    return hashlib.sha256("\0".join(key).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def state_of(choice: Choice) -> str:
    """Return a choice for a hidden field."""
    return json.dumps(
        [
            sorted(choice.whole),
            sorted(map(token_of, choice.documents)),
            sorted(map(token_of, choice.without)),
        ],
        separators=(",", ":"),
    )


class TokensField(forms.Field):
    """Any number of documents' names; what names none of the changes is left out."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> frozenset[str]:
        return frozenset(value or ())


class ChoiceForm(forms.Form):
    """A page of the choice. `shown` are the documents with a check box on it, `picked` the ticked.

    Of what such a choice needs, `needed` had a check box, and `kept` are the ticked.
    """

    base = forms.CharField(max_length=64)
    state = forms.CharField(max_length=_LONGEST_STATE)
    step = forms.ChoiceField(required=False, choices=[(step, step) for step in STEPS])
    page = forms.IntegerField(required=False, min_value=1)
    resource = forms.CharField(required=False, max_length=60)
    q = forms.CharField(required=False, max_length=100)
    listed = TokensField(required=False)
    whole = TokensField(required=False)
    shown = TokensField(required=False)
    picked = TokensField(required=False)
    needed = TokensField(required=False)
    kept = TokensField(required=False)

    def __init__(self, *args: Any, draft: Draft, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.draft = draft

    @cached_property
    def _keys(self) -> dict[str, Key]:
        return {token_of(key): key for key in self.draft.changes}

    def clean_state(self) -> Choice:
        """Return the choice as it was when the page was made."""
        try:
            whole, documents, without = json.loads(self.cleaned_data["state"])
            return Choice(
                frozenset(str(name) for name in whole),
                self._named(documents),
                self._named(without),
            ).known(self.draft.changes)
        except (ValueError, TypeError, RecursionError) as error:
            raise forms.ValidationError("It is no choice.") from error

    def _named(self, tokens: Any) -> frozenset[Key]:
        return frozenset(self._keys[str(token)] for token in tokens if str(token) in self._keys)

    def choice(self) -> Choice:
        """Return the choice with what was ticked, and unticked, on this page.

        Whole resources come first: a document whose box was not touched follows its resource's.
        """
        data = self.cleaned_data
        before: Choice = data["state"]
        documents, without = set(before.documents), set(before.without)
        whole = set(before.whole - data["listed"]) | (data["whole"] & data["listed"])
        for name in whole ^ before.whole:
            documents = {key for key in documents if key[0] != name}
            without = {key for key in without if key[0] != name}
        was = before.chosen(self.draft.changes)
        for key in self._named(data["shown"]):
            ticked = token_of(key) in data["picked"]
            if ticked != (key in was):
                (documents.add if ticked else documents.discard)(key)
                (without.discard if ticked else without.add)(key)
        for key in self._named(data["needed"]):
            (without.discard if token_of(key) in data["kept"] else without.add)(key)
        made = Choice(frozenset(whole), frozenset(documents), frozenset(without))
        return made.known(self.draft.changes)

    def changes_needs(self) -> bool:
        """Answer whether what comes along was unticked or ticked on this page."""
        before: Choice = self.cleaned_data["state"]
        return self.choice().without != before.without
