"""The difference of two documents by field."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from devtools.demo import flows, shop
from environments.documents import canonical, decoded
from promotion.engine.diff import Change
from promotion.engine.fields import fields

FLOW = next(f for f in shop.configuration("staging")["flow"] if f[0] == "flow-order")
leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from([0.0, 1.0, "", "a", "b"])
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "name", "x", "y"]), inner, max_size=4)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(["name", "x", "y", "z"]), values, max_size=4)


def places(resource: str, before: Any, after: Any) -> dict[str, tuple[str, Any, Any]]:
    found = fields(resource, "d1", before, after)
    return {one.place: (one.kind.value, one.before, one.after) for one in found if not one.noise}


def flow(change: Any = None) -> dict[str, Any]:
    plain = decoded("flow", FLOW[1])
    found = copy.deepcopy(plain)
    if change is not None:
        change(found["production"]["flowGraph"])
    return found


@given(objects, objects)
def test_there_is_no_difference_just_where_two_are_equal(before: Any, after: Any) -> None:
    equal = canonical(before) == canonical(after)
    found = fields("rule", "d1", before, after)
    assert (not found) == equal
    assert len({one.path for one in found}) == len(found)


@given(objects, objects)
def test_what_came_one_way_goes_the_other(before: Any, after: Any) -> None:
    def more(one: Any, other: Any) -> int:
        # Of lists two ways may be as short: it is the balance that is the same.
        kinds = [change.kind for change in fields("rule", "d1", one, other)]
        return kinds.count(Change.ADDED) - kinds.count(Change.REMOVED)

    assert more(before, after) == -more(after, before)


def test_members_are_told_by_their_kind_and_place() -> None:
    before = {"a": 1, "b": {"c": "x"}, "d": [1, 2], "n": 1}
    after = {"a": 1.0, "b": {"c": "y", "e": None}, "d": [2, 3], "n": 1}
    assert places("rule", before, after) == {
        "a": ("changed", 1, 1.0),
        "b.c": ("changed", "x", "y"),
        "b.e": ("added", None, None),
        "d[was 0]": ("removed", 1, None),
        "d[1]": ("added", None, 3),
    }


def test_items_with_ids_are_matched_by_them_wherever_they_stand() -> None:
    before = {"consents": [{"id": "a", "on": True}, {"id": "b", "on": True}]}
    after = {"consents": [{"id": "b", "on": False}, {"id": "a", "on": True}]}
    assert places("rule", before, after) == {"consents[#b].on": ("changed", True, False)}


def test_a_link_that_leads_elsewhere_is_one_change() -> None:
    before, after = {"flow": {"id": "f1", "name": "A"}}, {"flow": {"id": "f2", "name": "B"}}
    assert list(places("rule", before, after)) == ["flow"]


def test_what_tracardi_writes_at_each_save_is_noise() -> None:
    before = {"timestamp": "1", "metadata": {"time": {"insert": 1}, "x": 1}, "n": 1}
    after = {"timestamp": "2", "metadata": {"time": {"insert": 2}, "x": 2}, "n": 1}
    assert list(places("rule", before, after)) == ["metadata.x"]
    assert len(fields("rule", "d1", before, after)) == 3
    # The source that each install rewrites is noise as a whole.
    assert not places("event-source", {"a": 1}, {"a": 1})
    assert all(one.noise for one in fields("event-source", "@@heartbeats-1", {"a": 1}, {"a": 2}))


def test_a_moved_node_is_noise_and_a_changed_one_is_not() -> None:
    def move(graph: Any) -> None:
        graph["nodes"][0]["position"]["x"] += 100

    def rename(graph: Any) -> None:
        graph["nodes"][0]["data"]["metadata"]["name"] = "Begin"

    moved = fields("flow", "flow-order", flow(), flow(move))
    assert [one.noise for one in moved] == [True]
    (changed,) = fields("flow", "flow-order", flow(), flow(rename))
    assert not changed.noise
    assert changed.place.endswith(".data.metadata.name")


def test_json_in_a_text_is_compared_by_what_it_holds() -> None:
    before = {"body": json.dumps({"a": 1, "b": [1]})}
    after = {"body": json.dumps({"b": [1, 2], "a": 1}, indent=1)}
    assert places("content", before, after) == {"body.b[1]": ("added", None, 2)}
    spaces = {"body": json.dumps({"a": 1, "b": [1]}, indent=1)}
    assert list(places("content", before, spaces)) == ["body"]


def test_a_new_document_is_all_its_members() -> None:
    assert set(places("rule", None, {"a": 1, "b": 2})) == {"a", "b"}
    assert {kind for kind, _, _ in places("rule", {"a": 1}, None).values()} == {"removed"}


def test_a_long_list_is_compared_in_time() -> None:
    before = {"ids": [f"a{n}" for n in range(5000)]}
    after = {"ids": [f"b{n}" for n in range(5000)]}
    assert len(fields("rule", "d1", before, after)) == 5000


def test_a_flow_of_the_demo_is_read_from_its_graph() -> None:
    document = flows.document(shop._described("flow")["flow-order"])
    assert decoded("flow", document)["production"]["flowGraph"]["nodes"]
