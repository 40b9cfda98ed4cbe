"""A flow's version as a graph, and what differs between two of them.

Pure: no Django, no I/O. What Tracardi stores is from docs/tracardi.md; it is read with distrust:
anything may be missing, of another type, there twice, or lead nowhere, and nothing here raises.
"""

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

from environments.masking import shown as without_tags

# Beyond this a number is no place on a drawing.
_FARTHEST: Final = 1e6
_KINDS: Final[Mapping[str, str]] = {
    "startNode": "start",
    "condNode": "condition",
    "flowNode": "action",
    "segmentNode": "segment",
}
# Source, its port, target, its port: what tells one edge from another.
EdgeKey: TypeAlias = tuple[str, str, str, str]


class Mark(StrEnum):
    """What became of a node, an edge or a setting."""

    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    # Of one version alone: what a run went through.
    RAN = "ran"


@dataclass(frozen=True)
class Node:
    """One step of a flow. `id` is unique in its graph, also where the document's was not.

    `kind` is in words; `x` and `y` are None where the document has no usable place. `content` is
    the canonical text of all that counts: two nodes are the same if theirs is.
    """

    id: str
    label: str
    kind: str
    group: str
    icon: str
    x: float | None
    y: float | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    note: str
    content: str = field(repr=False)
    data: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Edge:
    """One way from a node to the next. `content` is as that of a node.

    `id` is the editor's own, by which logs name it; empty where there is none.
    """

    source: str
    source_port: str
    target: str
    target_port: str
    name: str
    content: str = field(repr=False)
    id: str = field(default="", compare=False)

    @property
    def key(self) -> EdgeKey:
        return (self.source, self.source_port, self.target, self.target_port)


@dataclass(frozen=True)
class FlowGraph:
    """A flow's nodes and edges; every edge leads from one of the nodes to another.

    `notes` say in words what of the document could not be used.
    """

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """The marks of all nodes and edges of two graphs; `moved` counts nodes that only moved."""

    nodes: Mapping[str, Mark]
    edges: Mapping[EdgeKey, Mark]
    moved: int

    @property
    def differs(self) -> bool:
        marks = (*self.nodes.values(), *self.edges.values())
        return any(mark is not Mark.SAME for mark in marks)


def shown(text: str) -> str:
    """Return a document's text as a page may hold it; all that is displayed goes through here."""
    # Half a character, which JSON can carry and UTF-8 cannot.
    return without_tags(text).encode("utf-8", "replace").decode()


def canonical_text(value: object) -> str:
    """Return a text that is equal for equal JSON values, and for them alone."""
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return "unreadable"


def member(value: object, *path: str) -> Any:
    """Return what lies at a path of mappings, or None."""
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _text(value: object) -> str:
    return shown(value.strip()) if isinstance(value, str) else ""


def _items(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _texts(value: object) -> tuple[str, ...]:
    """Return a list's texts, each once; a single text counts as a list of it."""
    items = [value] if isinstance(value, str) else _items(value)
    return tuple(dict.fromkeys(text for text in map(_text, items) if text))


def _place(value: object) -> tuple[float | None, float | None]:
    numbers = []
    for name in ("x", "y"):
        number = member(value, name)
        # True is a number to Python.
        if isinstance(number, bool) or not isinstance(number, int | float):
            return None, None
        if not (math.isfinite(number) and abs(number) <= _FARTHEST):
            return None, None
        numbers.append(float(number))
    return numbers[0], numbers[1]


def _unused(wanted: str, taken: Mapping[str, Node]) -> str:
    number, found = 2, wanted
    while found in taken:
        found, number = f"{wanted} ({number})", number + 1
    return found


def _node(number: int, raw: Mapping[str, Any], taken: Mapping[str, Node]) -> Node:
    data = raw.get("data")
    data = data if isinstance(data, Mapping) else {}
    spec, about = data.get("spec"), data.get("metadata")
    named, own_id = raw.get("type"), raw.get("id")
    kind = _text(named) or _text(member(about, "type"))
    label = _text(member(about, "name")) or _text(member(spec, "className"))
    has_id = isinstance(own_id, str) and own_id != ""
    wanted = str(own_id) if has_id else f"node number {number}"
    note = "" if has_id else "It has no id."
    if has_id and wanted in taken:
        note = "Another node has the same id."
    groups = _texts(member(about, "group"))
    x, y = _place(raw.get("position"))
    return Node(
        id=_unused(wanted, taken),
        label=label or f"Node {number}",
        kind=_KINDS.get(kind, kind) or "node of no type",
        group=groups[0] if groups else "",
        icon=_text(member(about, "icon")),
        x=x,
        y=y,
        inputs=_texts(member(spec, "inputs")),
        outputs=_texts(member(spec, "outputs")),
        note=note,
        content=canonical_text([named, raw.get("data")]),
        data=data,
    )


def _edge(raw: Mapping[str, Any]) -> Edge:
    ends = [raw.get(name) for name in ("source", "sourceHandle", "target", "targetHandle")]
    source, source_port, target, target_port = (end if isinstance(end, str) else "" for end in ends)
    name = _text(member(raw.get("data"), "name")) or _text(raw.get("label"))
    content = canonical_text([raw.get("type"), raw.get("data"), raw.get("label")])
    own_id = raw.get("id")
    named = own_id if isinstance(own_id, str) else ""
    return Edge(source, source_port, target, target_port, name, content, named)


def read(version: object) -> FlowGraph:
    """Return the graph of a decoded flow version: what `flow.production` or `draft` holds."""
    graph = member(version, "flowGraph")
    nodes: dict[str, Node] = {}
    edges: dict[EdgeKey, Edge] = {}
    odd = loose = 0
    for number, raw in enumerate(_items(member(graph, "nodes")), 1):
        if isinstance(raw, Mapping):
            node = _node(number, raw, nodes)
            nodes[node.id] = node
        else:
            odd += 1
    for raw in _items(member(graph, "edges")):
        if not isinstance(raw, Mapping):
            odd += 1
            continue
        edge = _edge(raw)
        if edge.source in nodes and edge.target in nodes:
            edges.setdefault(edge.key, edge)
        else:
            loose += 1
    return FlowGraph(tuple(nodes.values()), tuple(edges.values()), tuple(_notes(odd, loose)))


def _notes(odd: int, loose: int) -> Iterator[str]:
    if odd:
        yield f"{odd} {_plural(odd, 'entry', 'entries')} of the graph cannot be read."
    if loose:
        yield f"{loose} {_plural(loose, 'edge leads', 'edges lead')} to or from no node."


def _plural(number: int, one: str, several: str) -> str:
    return one if number == 1 else several


def _mark(before: Node | Edge | None, after: Node | Edge | None) -> Mark:
    if before is None:
        return Mark.ADDED
    if after is None:
        return Mark.REMOVED
    return Mark.SAME if before.content == after.content else Mark.CHANGED


def compare(before: FlowGraph, after: FlowGraph) -> Comparison:
    """Return the marks of what either graph has; nodes by id, in the order of `after`.

    That a node moved is no change: a flow does the same wherever its nodes stand.
    """
    old, new = ({node.id: node for node in graph.nodes} for graph in (before, after))
    old_edges, new_edges = ({edge.key: edge for edge in graph.edges} for graph in (before, after))
    nodes = {key: _mark(old.get(key), new.get(key)) for key in {**new, **old}}
    edges = {
        key: _mark(old_edges.get(key), new_edges.get(key)) for key in {**new_edges, **old_edges}
    }
    moved = sum(
        mark is Mark.SAME and (old[key].x, old[key].y) != (new[key].x, new[key].y)
        for key, mark in nodes.items()
    )
    return Comparison(nodes, edges, moved)


def gone_along(graph: FlowGraph, edges: Collection[str]) -> Comparison:
    """Return the marks of a run that went along some edges, by the editor's ids of them.

    A node ran that one of them leads to, or comes from.
    """
    along = {edge.key for edge in graph.edges if edge.id and edge.id in edges}
    ran = {end for edge in graph.edges if edge.key in along for end in (edge.source, edge.target)}
    return Comparison(
        {node.id: Mark.RAN if node.id in ran else Mark.SAME for node in graph.nodes},
        {edge.key: Mark.RAN if edge.key in along else Mark.SAME for edge in graph.edges},
        0,
    )
