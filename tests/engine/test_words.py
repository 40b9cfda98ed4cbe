"""What a person is told of a change."""

import copy
from typing import Any

import pytest

from devtools.demo import flows, shop
from environments.documents import encode_field
from environments.masking import masked, tagged
from promotion.engine.fields import fields
from promotion.engine.words import label, sentences

HIDE = tagged(b"a key of this test")
ORDER = shop._described("flow")["flow-order"]


def said(resource: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    old, new = masked(resource, before, HIDE), masked(resource, after, HIDE)
    found = sentences(resource, old, new, fields(resource, "d1", old, new))
    return [f"({one.text})" if one.aside else one.text for one in found]


def described(**changes: Any) -> dict[str, Any]:
    return flows.document({**copy.deepcopy(ORDER), **changes})


RULE = {
    "id": "r1",
    "name": "Purchase",
    "enabled": False,
    "flow": {"id": "f1", "name": "Old"},
    "tags": ["a", "b"],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"enabled": True}, ["now enabled"]),
        ({"name": "Purchase → follow-up"}, ["renamed from “Purchase” to “Purchase → follow-up”"]),
        ({"flow": {"id": "f2", "name": "New"}}, ["flow: “Old” → “New”"]),
        ({"tags": ["b", "c"]}, ["tags: removed “a”, added “c”"]),
        ({"description": "x"}, ["description: “x” (new)"]),
        ({"timestamp": "later"}, []),
        ({"limit": {"per_day": 3}}, ['limit: {"per_day": 3} (new)']),
    ],
)
def test_a_rules_change(change: dict[str, Any], words: list[str]) -> None:
    assert said("rule", RULE, {**RULE, **change}) == words


def test_a_field_that_is_gone() -> None:
    assert said("rule", RULE, {k: v for k, v in RULE.items() if k != "tags"}) == [
        'tags removed (was ["a", "b"])'
    ]


def test_a_setting_of_a_destination_is_called_by_its_own_name() -> None:
    def destination(timeout: int) -> dict[str, Any]:
        return {"destination": encode_field({"package": "a.B", "init": {"timeout": timeout}})}

    assert said("destination", destination(10), destination(30)) == [
        "destination / timeout: 10 → 30"
    ]


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [("one", "two", "changed"), ("", "two", "set"), ("one", "", "cleared")],
)
def test_a_secret_is_told_to_have_changed_and_never_shown(
    before: str, after: str, what: str
) -> None:
    def resource(password: str) -> dict[str, Any]:
        return {"credentials": encode_field({"production": {"password": password}, "test": {}})}

    (sentence,) = said("resource", resource(before), resource(after))
    assert sentence == f"credentials / production / password: secret {what}"


def test_a_secret_in_a_condition_is_told_to_have_changed_and_never_shown() -> None:
    def segment(word: str) -> dict[str, Any]:
        return {"condition": f'profile@traits.a == "b" AND event@properties.token == "{word}"'}

    assert said("segment", segment("one"), segment("two")) == ["condition changed"]
    assert said("segment", segment("one"), segment("one")) == []


def test_a_setting_of_a_node_is_called_as_its_form_does() -> None:
    changed = copy.deepcopy(ORDER["nodes"])
    changed["letter"][3]["mail"]["message"]["content"] = "Thank you. We pack it tomorrow."
    words = said("flow", described(), described(nodes=changed))
    assert words[0] == (
        "“Send e-mail”: Message / content "
        "“Thank you. We pack it today.” → “Thank you. We pack it tomorrow.”"
    )
    assert words[-1] == "(the draft changed likewise)"


def test_nodes_that_came_and_went_are_told_with_what_leads_to_them() -> None:
    nodes = copy.deepcopy(ORDER["nodes"])
    first = list(nodes)[1]
    nodes["call"] = ["call", 0, 0, {"method": "get", "headers": {"X": "s3cret"}}]
    edges = [*ORDER["edges"], [first, "payload", "call"]]
    there = said("flow", described(), described(nodes=nodes, edges=edges))
    back = said("flow", described(nodes=nodes, edges=edges), described())
    name = flows.PLUGINS[nodes[first][0]].name
    assert f"node “Remote API call” added after “{name}”" in there
    assert f"node “Remote API call” removed (was after “{name}”)" in back
    assert "s3cret" not in " ".join([*there, *back])


def test_a_way_between_nodes_that_stay_is_told() -> None:
    source, port, target = ORDER["edges"][0]
    words = said("flow", described(), described(edges=ORDER["edges"][1:]))
    names = [flows.PLUGINS[ORDER["nodes"][key][0]].name for key in (source, target)]
    assert any(w.startswith(f"way “{names[0]}”") and w.endswith("removed") for w in words)
    assert port
    assert any(f"→ “{names[1]}”" in w for w in words)


def test_moving_nodes_says_nothing() -> None:
    nodes = {key: [name, x + 50, y, init] for key, (name, x, y, init) in ORDER["nodes"].items()}
    assert said("flow", described(), described(nodes=nodes)) == []


def test_of_long_texts_the_words_begin_where_they_differ() -> None:
    start = "The same beginning of a letter, which goes on for more than sixty letters: "
    (sentence,) = said("content", {"text": f"{start}one"}, {"text": f"{start}two"})
    assert sentence == "text: “…sixty letters: one” → “…sixty letters: two”"


def test_a_place_is_put_into_words() -> None:
    assert label(("settings", "[#ads]", "consent_needed")) == "settings “ads” / consent needed"
    assert label(("traits", "[2]", "value")) == "traits 3 / value"
    assert label(("properties",)) == "properties"
