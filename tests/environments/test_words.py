"""A configuration in plain words: right of the real documents, and of any others."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.catalogue import catalogue_for
from environments.configuration import _FIELDS
from environments.documents import encode_field, parse, title
from environments.masking import MASK, masked
from environments.words.conditions import condition
from environments.words.configuration import KINDS, Configuration, Entry
from environments.words.flows import FlowFacts, flow_facts
from environments.words.names import Names
from environments.words.parts import Part, plain, sentence
from tests.data import configuration
from tests.environments.test_flowgraph import node, version

Sources = dict[str, dict[str, dict[str, Any]]]
CANARY = "canary-7f3a"


def real() -> Sources:
    return {
        resource.name: {doc_id: parse(raw) for doc_id, raw in configuration(resource.storage)}
        for resource in catalogue_for("0.8.1").promoted
        if resource.name in KINDS
    }


def told(sources: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Configuration:
    """Return documents in words, as the page does it."""
    flows = sources.get("flow", {})
    made = Configuration(
        {
            kind: {
                one: masked(kind, {k: v for k, v in held.items() if k not in GRAPHS})
                for one, held in documents.items()
            }
            for kind, documents in sources.items()
        },
        set(KINDS),
    )
    made.learn({one: flow_facts(held.get("production")) for one, held in flows.items()})
    return made


GRAPHS = ("production", "draft", "backup")


def words(entry: Entry) -> str:
    return " ".join(map(plain, entry.sentences))


def said(resource: str, source: dict[str, Any], **others: dict[str, Any]) -> str:
    """Return what is said of one document beside others, given by `resource__id`."""
    sources: Sources = {}
    for name, held in {f"{resource.replace('-', '_')}__one": source, **others}.items():
        kind, _, doc_id = name.partition("__")
        sources.setdefault(kind.replace("_", "-"), {})[doc_id] = held
    return words(told(sources).entry((resource, "one")))


REAL = told(real())
DOCUMENTS = [key for key in REAL.all_keys() if REAL.names.source(key) is not None]


@pytest.mark.parametrize("key", DOCUMENTS, ids=lambda key: "/".join(key))
def test_every_real_document_is_told_and_by_names_alone(key: tuple[str, str]) -> None:
    text = words(REAL.entry(key))
    assert re.fullmatch(r"[A-Z].*\.", text)
    named = {
        doc_id
        for kind, held in real().items()
        for doc_id, source in held.items()
        if kind != "event-tags" and title(doc_id, source) != doc_id
    }
    assert [one for one in named if re.search(rf"(?<![\w-]){re.escape(one)}(?![\w-])", text)] == []


@pytest.mark.parametrize(
    ("resource", "doc_id", "text"),
    [
        (
            "rule",
            "rule-purchase",
            "When Purchase-Completed comes from Web shop, and the visitor agreed to Marketing, "
            "run Purchase follow-up.",
        ),
        ("rule", "rule-page", "Switched off. When Sign-Up comes from Mobile app, run CRM sync."),
        ("rule", "rule-segment", "When a visitor is added to Big spender, run Purchase follow-up."),
        (
            "segment",
            "seg-big-spender",
            "A visitor belongs to Big spender when the visitor's stats.counters.total is more than "
            "1000 \N{EM DASH} looked at after Purchase-Completed.",
        ),
        (
            "flow",
            "flow-purchase",
            "Started by the rules Purchase -> follow-up and Segment -> follow-up. It has 5 steps, "
            "and adds the visitor to Big spender.",
        ),
        (
            "flow",
            "flow-crm-sync",
            "Started by the rule Page view -> CRM sync, which is switched off. It has 3 steps, and "
            "calls CRM REST API and Mail server.",
        ),
        (
            "destination",
            "dest-crm",
            "When a visitor's profile changes, send the profile to CRM REST API.",
        ),
        (
            "consent-data-compliance",
            "comp-email",
            "Of Sign-Up, the event's properties.email is removed unless the visitor agreed to "
            "Marketing.",
        ),
    ],
)
def test_a_real_document_says_what_it_does(resource: str, doc_id: str, text: str) -> None:
    assert words(REAL.entry((resource, doc_id))) == text


def test_a_type_that_only_others_name_is_told_without_a_document() -> None:
    entry = REAL.entry(("event-management", "promo-clicked"))
    assert entry.implied
    assert words(entry) == "No document describes it. It is named by Promo link."
    assert ("event-management", "promo-clicked") in REAL.all_keys()


def test_a_name_is_that_of_the_document_and_no_stale_copy() -> None:
    rule = {"source": {"id": "shop", "name": "Old shop"}, "event_type": {"id": "buy"}}
    text = said("rule", rule, event_source__shop={"name": "New shop"})
    assert "comes from New shop" in text
    assert "Old shop" not in text


def test_what_is_not_there_or_switched_off_is_said_where_it_is_named() -> None:
    rule = {
        "event_type": {"id": "buy"},
        "source": {"id": "shop"},
        "flow": {"id": "flow-x", "name": ""},
    }
    text = said("rule", rule, event_source__shop={"name": "Shop", "enabled": False})
    assert text == (
        "When buy comes from Shop, which is switched off, run flow-x, which is not there."
    )


def test_what_may_be_among_those_that_were_not_read_is_not_said_to_be_gone() -> None:
    rule = {"flow": {"id": "flow-x", "name": "Follow-up"}}
    made = Configuration({"rule": {"one": rule}}, {"rule"})
    text = words(made.entry(("rule", "one")))
    assert text.endswith("run Follow-up.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("profile@stats.visits > 3", "the visitor's number of visits is more than 3"),
        ("profile@a.b>=-1.5", "the visitor's a.b is at least -1.5"),
        ('event@type == "buy"', "the event's type is Purchase"),
        ('event@source.id != "gone"', "the event's source is not gone, which is not there"),
        ('profile@segments == "vip"', "the visitor's segments contain Very important"),
        ("session@x exists", "the session's x is there"),
        ("profile@consents.mail NOT EXISTS", "the visitor's consent mail is not there"),
        ("profile@a BETWEEN 1 AND 5", "the visitor's a is between 1 and 5"),
        ("profile@a == event@b", "the visitor's a is the event's b"),
        (
            'profile@a == "x" AND event@b STARTS WITH "y" AND profile@c IS NOT NULL',
            'the visitor\'s a is "x" and the event\'s b begins with "y" and '
            "the visitor's c is not empty",
        ),
        (
            "profile@a == true or profile@b < 2",
            "the visitor's a is true or the visitor's b is less than 2",
        ),
    ],
)
def test_a_simple_condition_is_translated(text: str, expected: str) -> None:
    names = Names(
        {
            "event-management": {"buy": {"name": "Purchase"}},
            "segment": {"s1": {"name": "Very important", "machine_name": "vip"}},
        },
        {"event-source"},
    )
    assert plain(sentence(condition(text, names))) == expected


@pytest.mark.parametrize(
    "text",
    [
        'profile@a == "x" AND profile@b == 1 OR profile@c == 2',
        '(profile@a == "x" OR profile@b == 1) AND profile@c == 2',
        "profile@a > now()",
        "datetime(profile@a) > datetime('2020')",
        'profile@a == "say \\"hi\\""',
        "profile@a => 3",
        "profile@a == 3 days",
        "profile@a == 1 AND",
        "profile@a == 5m",
        'profile@segments != "vip"',
        "memory@x == 1",
        "total > 100",
        "profile@a == NULL",
        "NOT profile@a EXISTS",
        "profile@a EXISTSprofile@b EXISTS",
    ],
)
def test_what_is_not_surely_understood_stays_as_it_is_written(text: str) -> None:
    assert condition(text, Names({}, ())) == [Part(text, is_code=True)]


def test_a_segment_that_a_flow_adds_or_takes_is_found_in_its_graph() -> None:
    graph = version(
        node("a", className="AddSegmentAction", init={"segment": "vip"}),
        node("b", className="DeleteSegmentAction", init={"segment": ["old", "older"]}),
        node("c", className="HasSegmentAction", init={"segment": "seen"}),
        node("d", className="AddSegmentAction", init={"segment": "profile@traits.segment"}),
    )
    facts = flow_facts(encode_field(graph))
    assert facts == FlowFacts(4, ("vip",), ("old", "older"), ("seen",))


def test_no_secret_is_told() -> None:
    secret = f"Bearer {CANARY}-0123456789abcdef"
    hidden = {
        "password": CANARY,
        "headers": {"X-Api-Key": CANARY},
        "init": {"body": CANARY},
        "credentials": {"production": {"token": CANARY}},
        "description": f"token = {CANARY}",
        "url": f"https://user:{CANARY}@shop.example/{CANARY}?token={CANARY}",
        "condition": f'event@properties.auth == "{secret}" OR profile@token != "{CANARY}"',
        "name": secret,
        "tags": [secret],
        "channel": f"password={CANARY}",
    }
    graph = version(
        node("a", className="AddSegmentAction", init={"segment": f"sk_live_{CANARY}"}),
        node("b", className="RemoteCallAction", init={"password": CANARY, "body": CANARY}),
    )
    sources: Sources = {kind: {"one": dict(hidden)} for kind in KINDS}
    sources["flow"]["one"]["production"] = encode_field(graph)
    sources["rule"]["two"] = {"flow": {"id": "one", "name": secret}, "type": secret}
    made = told(sources)
    assert [key for key in made.all_keys() if CANARY in made.entry(key).text] == []


def test_a_condition_with_a_secret_in_it_is_told_as_it_is_written_and_masked() -> None:
    condition = f'event@properties.token == "{CANARY}" AND profile@stats.visits > 3'
    text = said("segment", {"name": "Few", "condition": condition})
    assert f'event@properties.token == "{MASK}" AND profile@stats.visits > 3' in text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "name", "value", "consents", "required", "field", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def odd(kind: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Documents of a kind whose members are anything, or are not there."""
    names = ["name", "description", "enabled", "machine_name", *_FIELDS[kind], "production"]
    members = st.fixed_dictionaries({}, optional=dict.fromkeys(names, JSON))
    return st.tuples(st.just(kind), members)


@given(st.lists(st.sampled_from(list(KINDS)).flatmap(odd), max_size=4))
def test_an_odd_document_breaks_no_page(documents: list[tuple[str, dict[str, Any]]]) -> None:
    sources: Sources = {}
    for place, (kind, source) in enumerate(documents):
        sources.setdefault(kind, {})[f"{place}"] = source
    made = told(sources)
    for key in made.all_keys():
        entry = made.entry(key)
        assert entry.sentences
        assert entry.text
        assert made.names.title(key)


@given(st.text(max_size=60) | st.from_regex(r"(profile@a (==|>|IS) [\w\"]{1,5}( AND | OR )?){1,3}"))
def test_no_condition_is_lost(text: str) -> None:
    parts = condition(text, Names({}, ()))
    assert bool(parts) == bool(text.strip())
