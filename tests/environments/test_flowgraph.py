"""A flow as a graph: what is read of a document, and what counts as a change."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from devtools.demo import shop
from environments.documents import decoded, parse
from environments.flowgraph import Mark, compare, read
from environments.flowsettings import Row, rows
from environments.masking import MASK, masked
from tests.data import configuration

REAL = [masked("flow", parse(raw)) for _doc_id, raw in configuration("tracardi-flow")]
DEMO = [masked("flow", source) for _doc_id, source in shop.configuration("staging")["flow"]]
VERSIONS = [
    flow[side]
    for flow in (*REAL, *DEMO)
    for side in ("production", "draft", "backup")
    if isinstance(flow.get(side), dict)
]
JOINT = " \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} "
texts = st.text(max_size=5) | st.sampled_from(["a", "b", "payload", "error", "\ud800"])
rubbish: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def _members(*names: str, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Anything, or a mapping whose members are missing, sound or anything."""
    optional = {**dict.fromkeys(names, rubbish), **{k: v | rubbish for k, v in known.items()}}
    return st.fixed_dictionaries({}, optional=optional) | rubbish


_ports = st.lists(texts, max_size=4)
_fields = st.lists(_members("name", "component", id=texts), max_size=2)
_forms = _members(groups=st.lists(_members("name", fields=_fields), max_size=2))
_specs = _members(
    "init",
    "microservice",
    "run_once",
    "skip",
    "className",
    inputs=_ports,
    outputs=_ports,
    form=_forms,
)
_data = _members("debug", spec=_specs, metadata=_members("icon", "group", "type", name=texts))
_places = _members(x=st.floats(-2e6, 2e6), y=st.floats(-2e6, 2e6))
_nodes = _members("type", id=texts, position=_places, data=_data)
_edges = _members(
    "type", "data", "label", source=texts, sourceHandle=texts, target=texts, targetHandle=texts
)
versions = _members(
    flowGraph=_members(nodes=st.lists(_nodes, max_size=6), edges=st.lists(_edges, max_size=6))
)


def version(*nodes: dict[str, Any], edges: Any = ()) -> dict[str, Any]:
    return {"flowGraph": {"nodes": list(nodes), "edges": list(edges)}}


def node(own_id: str, x: float = 0, y: float = 0, **spec: Any) -> dict[str, Any]:
    about = {"name": f"Node {own_id}", "icon": "if", "group": ["Group"]}
    data = {"spec": {"className": "IfAction", **spec}, "metadata": about}
    return {"id": own_id, "type": "condNode", "position": {"x": x, "y": y}, "data": data}


def edge(source: str, target: str, port: str = "payload", name: str = "") -> dict[str, Any]:
    ends = {"source": source, "sourceHandle": port, "target": target, "targetHandle": "payload"}
    return {**ends, "data": {"name": name}}


def changes(before: Any, after: Any) -> list[Row]:
    [old], [new] = read(before).nodes, read(after).nodes
    return [row for row in rows(old, new) if row.mark is not Mark.SAME]


def test_the_real_flows_and_those_of_the_demo_are_read_whole() -> None:
    assert len(VERSIONS) > 10
    for plain in VERSIONS:
        graph, raw = read(plain), plain["flowGraph"] or {"nodes": [], "edges": []}
        assert [one.id for one in graph.nodes] == [one["id"] for one in raw["nodes"]]
        assert len(graph.edges) == len(raw["edges"])
        assert graph.notes == ()
        for found, stored in zip(graph.nodes, raw["nodes"], strict=True):
            assert found.label == stored["data"]["metadata"]["name"]
            assert found.outputs == tuple(stored["data"]["spec"]["outputs"])
            assert found.kind in ("start", "condition", "action")


def test_settings_have_the_labels_of_the_plugins_form() -> None:
    [flow] = [flow for flow in REAL if flow["id"] == "flow-crm-sync"]
    _start, call, mail = read(flow["production"]).nodes
    found = {row.label: row.after for row in rows(None, call)}
    assert found["Resource"] == "CRM REST API (res-crm-api)"
    assert found["Method"] == "post"
    assert found[f"Content{JOINT}content"] == MASK
    assert found["Validate SSL certificate"] == "yes"
    assert found["Class"] == "RemoteCallAction"
    assert "Go on after an error" not in found
    assert {row.label: row.after for row in rows(None, mail)}["Subject"] == "CRM"


@given(versions)
def test_whatever_a_document_holds_it_is_read(plain: Any) -> None:
    graph = read(plain)
    ids = [one.id for one in graph.nodes]
    assert len(set(ids)) == len(ids)
    assert all(one.source in ids and one.target in ids for one in graph.edges)
    for one in graph.nodes:
        assert all(row.mark is Mark.SAME for row in rows(one, one))
    assert not compare(graph, graph).differs


@given(versions, versions)
def test_whatever_two_documents_hold_each_node_and_edge_has_one_mark(one: Any, other: Any) -> None:
    before, after = read(one), read(other)
    found = compare(before, after)
    old, new = ({node.id for node in graph.nodes} for graph in (before, after))
    assert {key for key, mark in found.nodes.items() if mark is Mark.ADDED} == new - old
    assert {key for key, mark in found.nodes.items() if mark is Mark.REMOVED} == old - new
    assert set(found.edges) == {edge.key for graph in (before, after) for edge in graph.edges}


def test_a_node_that_only_moved_is_the_same() -> None:
    before, after = version(node("a")), version(node("a", 400, 90))
    found = compare(read(before), read(after))
    assert found.nodes == {"a": Mark.SAME}
    assert found.moved == 1
    assert not found.differs


def test_a_changed_setting_marks_its_node_and_says_before_and_after() -> None:
    form = {"groups": [{"name": "When", "fields": [{"id": "condition", "name": "Condition"}]}]}
    before = version(node("a", init={"condition": "x > 1", "ttl": 0}, form=form))
    after = version(node("a", init={"condition": "x > 2", "ttl": 0}, form=form))
    assert compare(read(before), read(after)).nodes == {"a": Mark.CHANGED}
    assert changes(before, after) == [Row("Condition", "When", "x > 1", "x > 2", Mark.CHANGED)]


def test_a_switch_is_only_mentioned_where_it_is_on_or_changed() -> None:
    off, on = version(node("a", skip=False)), version(node("a", skip=True))
    assert [row.label for row in rows(None, read(off).nodes[0])] == ["Class"]
    assert [row.label for row in rows(None, read(on).nodes[0])] == ["Skip this node", "Class"]
    [row] = changes(on, off)
    assert (row.label, row.before, row.after) == ("Skip this node", "yes", "no")


def test_what_a_new_version_of_the_plugin_brings_is_seen() -> None:
    before, after = (version(node("a", module="m", manual=text)) for text in ("old", "new"))
    [row] = changes(before, after)
    assert (row.label, row.before, row.after) == (f"spec{JOINT}manual", "old", "new")


def test_values_of_different_types_are_different_though_they_read_alike() -> None:
    before, after = (version(node("a", init={"ttl": ttl})) for ttl in (0, "0"))
    [row] = changes(before, after)
    assert (row.before, row.after, row.mark) == ("0", "0", Mark.CHANGED)


def test_edges_are_matched_by_their_ends_and_ports() -> None:
    nodes = [node("a"), node("b")]
    before = version(*nodes, edges=[edge("a", "b", "true"), edge("b", "a", name="again")])
    after = version(*nodes, edges=[edge("a", "b", "false"), edge("b", "a", name="once more")])
    assert compare(read(before), read(after)).edges == {
        ("a", "false", "b", "payload"): Mark.ADDED,
        ("a", "true", "b", "payload"): Mark.REMOVED,
        ("b", "payload", "a", "payload"): Mark.CHANGED,
    }


def test_what_cannot_be_used_is_said() -> None:
    twice, nameless = node("a"), copy.deepcopy(node("a"))
    del nameless["id"]
    plain = version(
        twice, node("a"), nameless, edges=[edge("a", "gone"), "rubbish", edge("a", "a")]
    )
    graph = read(plain)
    assert [one.note for one in graph.nodes] == [
        "",
        "Another node has the same id.",
        "It has no id.",
    ]
    assert graph.notes == (
        "1 entry of the graph cannot be read.",
        "1 edge leads to or from no node.",
    )
    assert len(graph.edges) == 1


def test_a_flow_that_was_never_deployed_is_an_empty_graph() -> None:
    without: list[Any] = [None, "", [], {}, {"flowGraph": None}, MASK]
    for nothing in without:
        assert read(nothing).nodes == ()


def test_the_demo_decodes_as_it_is_masked() -> None:
    # The settings shown come from the masked document; nothing else of it may be lost.
    for _doc_id, source in shop.configuration("staging")["flow"]:
        plain, hidden = decoded("flow", source), masked("flow", source)
        assert [one.id for one in read(plain["production"]).nodes] == [
            one.id for one in read(hidden["production"]).nodes
        ]
