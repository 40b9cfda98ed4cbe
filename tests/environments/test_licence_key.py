"""What a key of Tracardi's licence says of itself, whatever it is."""

import gzip
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.licence_key import Told, read_key
from tests.environments.licences import tracardi_key

ENDS = datetime(2027, 3, 1, 22, 59, 59, tzinfo=UTC)
FACTS: dict[str, Any] = {"u": "ACME  Ltd", "e": int(ENDS.timestamp()), "s": {"x": {"i": "1"}}}


@pytest.mark.parametrize("packed", [True, False])
def test_a_key_says_who_holds_it_and_until_when(packed: bool) -> None:
    assert read_key(tracardi_key(FACTS, packed=packed)) == Told("ACME Ltd", ENDS)


def test_zero_is_without_end() -> None:
    assert read_key(tracardi_key({**FACTS, "e": 0})) == Told("ACME Ltd", None)


def test_what_hides_in_a_holders_name_is_written_out() -> None:
    told = read_key(tracardi_key({**FACTS, "u": "ACME\u202eLtd"}))
    assert told == Told("ACME\\u202eLtd", ENDS)


@pytest.mark.parametrize("change", ["first", "last", "short", "empty"])
def test_a_key_that_was_not_copied_whole_says_nothing(change: str) -> None:
    key = tracardi_key(FACTS)
    changed = {"first": key[1:], "last": key[:-1], "short": key[-60:], "empty": ""}
    assert read_key(changed[change]) is None


@pytest.mark.parametrize(
    "facts",
    [
        "text that is long enough to be a key of sorts",
        ["a list"] * 9,
        {"u": "no end" * 9},
        {**FACTS, "e": True},
        {**FACTS, "e": "tomorrow"},
        {**FACTS, "e": 10**30},
    ],
)
def test_a_key_of_another_content_says_nothing(facts: Any) -> None:
    assert read_key(tracardi_key(facts)) is None


def test_a_holder_that_is_no_text_is_nobody() -> None:
    assert read_key(tracardi_key({**FACTS, "u": {"name": "ACME"}})) == Told("", ENDS)


def test_a_key_that_unpacks_to_much_is_not_read_to_its_end() -> None:
    facts = {**FACTS, "s": {"x": "0" * 5_000_000}}
    assert len(gzip.compress(b"0" * 5_000_000)) < 20_000
    assert read_key(tracardi_key(facts)) is None


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert read_key(text) is None
