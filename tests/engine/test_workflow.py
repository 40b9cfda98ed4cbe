"""Workflow tests as files, and what a visit did judged against them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promotion.engine.observed import Observation, edges_ran, flows_ran, judge
from promotion.engine.workflow import (
    BadWorkflowError,
    Event,
    Expectation,
    Kind,
    Profile,
    WorkflowTest,
)
from promotion.workflow_files import LARGEST, dump, load

FILE = """\
name: A purchase makes a big spender
source: src-web-shop
profile: new
events:
- type: page-view
  properties:
    url: /a
- type: purchase-completed
  properties:
    total: 250
expect:
  flows:
  - flow-purchase
  not-flows:
  - flow-crm-sync
  rules:
  - rule-purchase
  traits:
    last_total: 250
  segments:
  - big-spender
  events:
  - profile-created
  no-errors: true
"""


def event(kind: str, flows: list[str] | None = None, rules: list[str] | None = None) -> Any:
    """Return an event as staging's index has it: all of a call's events name all its flows."""
    processed = {"rules": rules or [], "flows": flows or [], "third_party": []}
    return {"type": kind, "metadata": {"processed_by": processed, "error": False}}


def log(message: str, kind: str = "info", flow: str = "flow-purchase") -> Any:
    return {"type": kind, "flow_id": flow, "message": message}


SEEN = Observation(
    answers=[{"response": {}}, {"response": {"discount": 10}}],
    events=[
        event("page-view"),
        event("purchase-completed", ["flow-purchase"], ["Purchase -> follow-up"]),
        event("profile-created", ["flow-purchase"]),
    ],
    profile={"traits": {"last_total": 250, "a.b": {"c": 1}}, "segments": ["big-spender"]},
    logs=[log("Node `If` edge flow-purchase-e0 executed without errors.")],
    rules={"rule-purchase": "Purchase -> follow-up"},
)


def outcome(kind: Kind, subject: str = "", value: Any = None, seen: Observation = SEEN) -> Any:
    test = WorkflowTest(
        "T",
        "s",
        (Event("page-view"), Event("purchase-completed")),
        (Expectation(kind, subject, value),),
    )
    [found] = judge(test, seen)
    return found


def test_a_file_is_a_test_and_the_test_is_that_file() -> None:
    test = load(FILE)
    assert test.events[1] == Event("purchase-completed", {"total": 250})
    assert Expectation(Kind.TRAIT, "last_total", 250) in test.expected
    assert dump(test) == FILE
    assert all(one.ok for one in judge(test, SEEN))


words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]),
    min_size=1,
    max_size=20,
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@given(
    name=words,
    events=st.lists(
        st.builds(Event, words, st.dictionaries(words, values, max_size=3)), min_size=1, max_size=3
    ),
    traits=st.dictionaries(words, values, min_size=1, max_size=3),
    flows=st.lists(words, unique=True, max_size=3),
    profile=st.sampled_from(Profile),
)
def test_every_test_survives_its_file(
    name: str, events: list[Event], traits: dict[str, Any], flows: list[str], profile: Profile
) -> None:
    expected = [Expectation(Kind.FLOW, one) for one in flows]
    expected += [Expectation(Kind.TRAIT, *one) for one in traits.items()]
    test = WorkflowTest(name, "src", tuple(events), tuple(expected), profile)
    assert load(dump(test)) == test


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "that is not a list of fields"),
        ("[1, 2]", "that is not a list of fields"),
        ("name: [", "that is no YAML"),
        ("name: !!python/object:os.system x", "that is no YAML"),
        (FILE.replace("source: src-web-shop\n", ""), "source: that is no text"),
        (FILE.replace("profile: new", "profile: somebody"), "neither new nor none"),
        (FILE.replace("source:", "sauce:"), "nothing is called 'sauce' here"),
        (FILE.replace("  no-errors: true", "  no-errors: perhaps"), "write true or false"),
        (FILE.replace("  - flow-crm-sync", "  - 7"), "not-flows: that is no text"),
        (FILE.replace("    url: /a", "    url: 2026-11-03"), "put it in quotes"),
        (FILE.replace("    url: /a", "    7: /a"), "put it in quotes"),
        (FILE.replace("    url: /a", "    url: .nan"), "no number that JSON holds"),
        (FILE.replace("    url: /a", "    url: /a\n    url: /b"), "'url' stands there twice"),
        (FILE.replace("source: src", "source: &a src") + "x: *a\n", "no file may refer"),
        ("name: a\nsource: s\nevents: []\nexpect: {flows: [a]}", "at least one event"),
        ("name: a\nsource: s\nevents: [{type: a}]\nexpect: {}", "at least one thing"),
        ("name: a\nsource: s\nevents: [{type: a}]\nexpect: {no-errors: false}", "at least one"),
        ("events: " + "[" * 5000, "no YAML|nested too deep"),
        ("# " + "x" * LARGEST, "larger than"),
        (f"name: {'n' * 200}\nsource: s\nevents: [{{type: a}}]\nexpect: {{flows: [a]}}", "longer"),
    ],
)
def test_what_is_no_test_is_said_with_its_place(text: str, words: str) -> None:
    with pytest.raises(BadWorkflowError, match=words):
        load(text)


@pytest.mark.parametrize(
    ("kind", "there", "absent"),
    [
        (Kind.FLOW, "flow-purchase", "flow-crm-sync"),
        (Kind.RULE, "rule-purchase", "rule-page"),
        (Kind.SEGMENT, "big-spender", "loyal"),
        (Kind.EVENT, "profile-created", "page-view"),
    ],
)
def test_what_is_there_and_what_is_not(kind: Kind, there: str, absent: str) -> None:
    assert outcome(kind, there).ok
    missed = outcome(kind, absent)
    assert not missed.ok
    assert missed.happened.startswith("there: ")
    negated = {Kind.FLOW: Kind.NOT_FLOW, Kind.RULE: Kind.NOT_RULE, Kind.SEGMENT: Kind.NOT_SEGMENT}
    if kind in negated:
        assert not outcome(negated[kind], there).ok
        assert outcome(negated[kind], absent).ok


def test_an_event_that_was_sent_is_not_one_that_was_raised_but_a_second_one_is() -> None:
    twice = Observation([], [event("page-view"), event("page-view")])
    assert not outcome(Kind.EVENT, "page-view").ok
    assert outcome(Kind.EVENT, "page-view", seen=twice).ok


def test_what_did_not_come_in_time_proves_that_nothing_is_absent() -> None:
    late = Observation([{}], missing=["the event page-view"])
    for kind in (Kind.NOT_FLOW, Kind.NOT_RULE, Kind.NOT_SEGMENT, Kind.NOT_CONSENT, Kind.NO_ERROR):
        found = outcome(kind, "any", seen=late)
        assert not found.ok
        assert found.happened == "not known: the event page-view did not come in time"
    found = outcome(Kind.FLOW, "flow-purchase", seen=late)
    assert found.happened == "there: none; the event page-view did not come in time"


@pytest.mark.parametrize(
    ("kind", "path", "value", "ok"),
    [
        (Kind.TRAIT, "last_total", 250, True),
        (Kind.TRAIT, "last_total", 250.0, True),
        (Kind.TRAIT, "last_total", "250", False),
        (Kind.TRAIT, "last_total", True, False),
        (Kind.TRAIT, "traits.last_total", 250, True),
        (Kind.TRAIT, "a.b.c", 1, True),
        (Kind.TRAIT, "a.b.c", True, False),
        (Kind.TRAIT, "nothing", None, False),
        (Kind.ANSWER, "response.discount", 10, True),
        (Kind.ANSWER, "response.discount", 11, False),
        (Kind.ANSWER, "response.nothing.deep", None, False),
    ],
)
def test_fields_equal_by_value(kind: Kind, path: str, value: Any, ok: bool) -> None:
    assert outcome(kind, path, value).ok is ok


def test_errors_are_told_in_their_words() -> None:
    assert outcome(Kind.NO_ERROR).ok
    logs = [log("Timed out", "error"), log("Refused", "error"), log("A hint", "warning")]
    found = outcome(Kind.NO_ERROR, seen=Observation([], logs=logs))
    assert (found.ok, found.happened) == (False, "Timed out, and 1 more")
    failed = event("page-view")
    failed["metadata"]["error"] = True
    assert not outcome(Kind.NO_ERROR, seen=Observation([], [failed])).ok


def test_consents_are_those_that_the_profile_has() -> None:
    seen = Observation([], profile={"consents": {"news": {"revoke": None}}})
    assert outcome(Kind.CONSENT, "news", seen=seen).ok
    assert outcome(Kind.NOT_CONSENT, "calls", seen=seen).ok


def test_the_edges_that_a_flow_went_along_are_in_its_logs() -> None:
    logs = [*SEEN.logs, log("Node `X` edge other-e1 executed without errors.", flow="other")]
    assert edges_ran(logs, "flow-purchase") == {"flow-purchase-e0"}


@pytest.mark.parametrize(
    "odd",
    [
        {"metadata": None},
        {"metadata": ["x"]},
        {"metadata": {"processed_by": ["x"]}},
        {"metadata": {"processed_by": {"flows": "flow-purchase", "rules": [{"a": 1}, 5]}}},
        {"type": None, "metadata": {"processed_by": {"flows": 5}}},
    ],
)
def test_documents_of_odd_shapes_prove_nothing(odd: dict[str, Any]) -> None:
    seen = Observation([{"response": 5}], [{"type": "page-view", **odd}], logs=[{"message": 5}])
    for kind in (Kind.FLOW, Kind.RULE, Kind.SEGMENT, Kind.CONSENT, Kind.ANSWER, Kind.TRAIT):
        assert not outcome(kind, "flow-purchase", 1, seen=seen).ok
    # A text is no list of its letters.
    assert "f, " not in outcome(Kind.FLOW, "f", seen=seen).happened
    assert flows_ran(seen) == {}


@pytest.mark.parametrize("profile", [None, {}, {"segments": "vip"}, {"segments": 5}])
def test_of_a_profile_that_does_not_say_nothing_is_absent(profile: Any) -> None:
    found = outcome(Kind.NOT_SEGMENT, "vip", seen=Observation([], profile=profile))
    assert (found.ok, found.happened) == (False, "not known: no profile that says so was seen")


@pytest.mark.parametrize(
    "value",
    [
        "2001-99-99",
        "2001-01-01T99:00:00Z",
        "0x_",
        "!!int x",
        "!!int ''",
        "!!timestamp x",
        "!!bool x",
        "9" * 5000,
        f"0x{'f' * 5000}",
        "{? [a, b] : 1}",
    ],
)
def test_what_yaml_trips_over_is_told(value: str) -> None:
    text = f"name: A\nsource: s\nevents: [{{type: e, properties: {{x: {value}}}}}]\n"
    with pytest.raises(BadWorkflowError):
        load(f"{text}expect: {{no-errors: true}}\n")
