"""Characters that hide or mislead are written out, wherever a document's text is shown."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.documents import title
from environments.masking import shown
from environments.templatetags.visible import visible as filtered
from environments.visible import visible
from promotion.engine.fields import fields
from promotion.engine.words import sentences

TURNED = "invoice\u202egpj.exe"
WRITTEN = "invoice\\u202egpj.exe"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (TURNED, WRITTEN),
        ("a\0b\x07\x1b\x7f\x85", "a\\u0000b\\u0007\\u001b\\u007f\\u0085"),
        ("one\u2028two\ufeff", "one\\u2028two\\ufeff"),
        # White space, letters of any script, and joiners are text.
        ("a\tb\r\nc", "a\tb\r\nc"),
        ("\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05dc\u05d5\u05dd"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
    ],
)
def test_what_misleads_is_written_out_and_nothing_else(text: str, wanted: str) -> None:
    assert visible(text) == wanted
    assert filtered(text) == wanted


@given(st.text())
def test_a_json_text_stays_the_same_value(text: str) -> None:
    assert json.loads(visible(json.dumps(text, ensure_ascii=False))) == text


def test_names_ids_values_and_sentences_hide_nothing() -> None:
    assert title("id", {"name": TURNED}) == WRITTEN
    assert title(TURNED, {}) == WRITTEN
    assert shown(TURNED) == WRITTEN
    before, after = {"name": "Old", "x": {TURNED: 1}}, {"name": TURNED, "x": {TURNED: TURNED}}
    said = sentences("rule", before, after, fields("rule", "r", before, after))
    assert len(said) == 2
    assert all(WRITTEN in one.text for one in said)
    assert not any(TURNED in one.text for one in said)
