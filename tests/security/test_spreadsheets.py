"""No spreadsheet takes what somebody wrote for a formula."""

import csv
import io
import re
import unicodedata

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from accounts.audit import record, system_actor
from accounts.roles import Role
from accounts.services import create_user
from accounts.spreadsheets import MARK, begins_formula, cell
from tests.factories import enter

STARTS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212"
STARTING = re.compile(f"[{re.escape(STARTS)}]")
BEFORE = " \t\r\n\v\f;,\"'`\u00a0\u200b\u2060\ufeff\u3000\u201c\u2018\u00ab\x00\x1f\uff07\uff02"
TEXTS = st.text(st.sampled_from(STARTS + BEFORE + "ab1(!|")) | st.text()


def bare(text: str) -> str:
    """Return what a spreadsheet may take a text for: without what it may leave out before it."""
    plain = unicodedata.normalize("NFKC", text)
    return plain.lstrip(' \t\r\n\v\f;"`\u200b\u2060\ufeff\u201c\u2018\u00ab\x00\x1f\x85')


@given(text=TEXTS)
def test_no_cell_begins_as_a_formula_does(text: str) -> None:
    made = cell(text)
    assert bare(made)[:1] not in {*"=+-@", "\u2212"}
    assert made[:1] not in {"\t", "\r", "\n", *STARTS}


@given(before=st.text(st.sampled_from(BEFORE)), start=st.sampled_from(STARTS), rest=st.text())
def test_what_stands_before_a_formula_does_not_hide_it(before: str, start: str, rest: str) -> None:
    made = cell(f"{before}{start}{rest}")
    if "," not in before:
        assert MARK in made.partition(start)[0]
        assert begins_formula(f"{before}{start}{rest}") or ";" in before


@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_a_spreadsheet_with_another_separator_finds_no_formula_either(texts: list[str]) -> None:
    held = io.StringIO()
    csv.writer(held).writerow([cell(one) for one in texts])
    for separator in ";\t":
        for line in held.getvalue().splitlines():
            # It knows nothing of quotes that stand inside: the worst that a reader can do.
            for part in line.split(separator)[1:]:
                assert not begins_formula(part) or MARK in STARTING.split(part)[0]


@given(text=TEXTS)
def test_nothing_is_left_out(text: str) -> None:
    assert cell(text).replace(MARK, "") == text.replace(MARK, "")


@given(text=st.text(st.characters(categories=["L"]), min_size=1))
def test_a_text_that_is_none_stays_as_it_is(text: str) -> None:
    assert cell(f"{text} = 1, {text}@example.com") == f"{text} = 1, {text}@example.com"


@pytest.mark.django_db
def test_the_audit_trail_as_a_file_has_no_formula(plain_static_files: None) -> None:
    admin = create_user(
        system_actor(), username="a", role=Role.ADMINISTRATOR, password="a long enough phrase 7"
    )
    hostile = ["=1+1", " =cmd|x", '"=1', "\uff1d1", "a\n=1", "a;=1", "\t=1"]
    hostile += ["+1", "-1", "@a", "\u200b=1"]
    for words in hostile:
        record(system_actor(), "a.b", reason=words, detail={words: words})
    answer = enter(admin).get(reverse("export-audit", args=["csv"]), secure=True)
    text = b"".join(answer).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    reasons = [row["reason"] for row in rows if row["action"] == "a.b"]
    assert [one.replace(MARK, "") for one in reasons] == hostile
    for row in rows:
        for value in row.values():
            assert not begins_formula(value) or value.startswith(MARK)
