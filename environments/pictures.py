"""A flow as people see it: its picture, the same in words, its nodes' settings, and what changed.

Pure: no Django, no I/O. What goes in is masked already. Everything is prepared here, so that the
template environments/flow.html only places it.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from environments.flowdrawing import Scene, drawn, line, scene_of
from environments.flowgraph import (
    Comparison,
    Edge,
    FlowGraph,
    Mark,
    compare,
    gone_along,
    read,
    shown,
)
from environments.flowsettings import Row, rows
from environments.shapes import Svg


@dataclass(frozen=True)
class Way:
    """That a node goes on to another: by which port, and where that one's settings are."""

    port: str
    name: str
    label: str
    anchor: str
    mark: Mark


@dataclass(frozen=True)
class NodeView:
    """A node in words. `anchor` is the id of its settings on the page."""

    anchor: str
    label: str
    line: str
    note: str
    mark: Mark
    rows: tuple[Row, ...]
    ways: tuple[Way, ...]

    @property
    def is_marked(self) -> bool:
        return self.mark is not Mark.SAME or any(way.mark is not Mark.SAME for way in self.ways)

    @property
    def changes(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.mark is not Mark.SAME)

    @property
    def kept(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.mark is Mark.SAME)


@dataclass(frozen=True)
class Panel:
    """One picture, its heading, and what could not be used of that version."""

    id: str
    heading: str
    svg: Svg
    is_empty: bool
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FlowView:
    """What the template shows: one panel, or two side by side where versions are compared.

    `nodes` are in the order of the flow. `summary` is in words; so is `moved`, where nodes were.
    """

    prefix: str
    panels: tuple[Panel, ...]
    nodes: tuple[NodeView, ...]
    summary: str
    moved: str
    compared: bool
    differs: bool
    # Whether the marks are of a run of one version.
    followed: bool = False

    @property
    def marked(self) -> tuple[NodeView, ...]:
        return tuple(node for node in self.nodes if self.compared and node.is_marked)

    @property
    def others(self) -> tuple[NodeView, ...]:
        return tuple(node for node in self.nodes if not (self.compared and node.is_marked))


def flow_view(
    before: object,
    after: object,
    *,
    prefix: str = "flow",
    names: tuple[str, str] = ("Before", "After"),
) -> FlowView:
    """Return the view of two decoded and masked versions of a flow, or of one: the other is None.

    `prefix` begins the ids of the page's elements, where a page shows several flows.
    """
    compared = before is not None and after is not None
    old, new = read(before), read(after)
    if not compared:
        old = new = new if after is not None else old
    marks = compare(old, new)
    scene = scene_of(old, new, marks, prefix, compared=compared)
    sides = [(old, names[0]), (new, names[1])] if compared else [(new, names[after is not None])]
    return FlowView(
        prefix=prefix,
        panels=tuple(
            _panel(graph, scene, heading, prefix, number)
            for number, (graph, heading) in enumerate(sides, 1)
        ),
        nodes=tuple(_node_views(old, new, scene, marks)),
        summary=_changes(marks) if compared else _counts(new),
        moved=_moved(marks.moved),
        compared=compared,
        differs=marks.differs,
    )


def followed_flow(version: object, edges: Collection[str], *, prefix: str = "flow") -> FlowView:
    """Return the view of one version with what a run went through, by the ids of its edges.

    Edges that it does not have are passed over: the flow may be another one by now.
    """
    graph = read(version)
    marks = gone_along(graph, edges)
    scene = scene_of(graph, graph, marks, prefix, compared=True)
    ran = sum(mark is Mark.RAN for mark in marks.nodes.values())
    return FlowView(
        prefix=prefix,
        panels=(_panel(graph, scene, "What ran", prefix, 1),),
        nodes=tuple(_node_views(graph, graph, replace(scene, marks=None), marks)),
        summary=f"{ran:,} of {counted(len(graph.nodes), 'node')} ran.",
        moved="",
        compared=False,
        differs=False,
        followed=True,
    )


def shown_flow(flow: Mapping[str, Any]) -> FlowView | None:
    """Return the view of a decoded and masked flow: what runs, and the draft where it differs.

    None where neither can be drawn.
    """
    runs, draft = (
        value if isinstance(value, Mapping) else None
        for value in (flow.get("production"), flow.get("draft"))
    )
    if runs is None and draft is None:
        return None
    names = ("Production: what runs", "Draft")
    view = flow_view(runs, draft, names=names)
    if view.compared and not view.differs:
        return flow_view(runs, None, names=names)
    return view


def _panel(graph: FlowGraph, scene: Scene, heading: str, prefix: str, number: int) -> Panel:
    own_id = f"{prefix}-{number}"
    svg = drawn(graph, scene, own_id, f"{prefix}-summary")
    return Panel(own_id, heading, svg, not graph.nodes, graph.notes)


def _node_views(
    old: FlowGraph, new: FlowGraph, scene: Scene, marks: Comparison
) -> Iterator[NodeView]:
    before, after = ({node.id: node for node in graph.nodes} for graph in (old, new))
    leaving: dict[str, list[Edge]] = {}
    for edge in {edge.key: edge for edge in chain(old.edges, new.edges)}.values():
        leaving.setdefault(edge.source, []).append(edge)
    for key, anchor in scene.anchors.items():
        earlier, later = before.get(key), after.get(key)
        node = later or earlier
        if node is None:
            continue
        yield NodeView(
            anchor=anchor,
            label=node.label,
            line=line(node),
            note=node.note,
            mark=marks.nodes[key],
            rows=rows(earlier, later) if scene.marks is not None else rows(None, later),
            ways=tuple(
                Way(
                    shown(edge.source_port),
                    edge.name,
                    (after.get(edge.target) or before[edge.target]).label,
                    scene.anchors[edge.target],
                    marks.edges[edge.key],
                )
                for edge in leaving.get(key, ())
            ),
        )


def counted(amount: int, what: str) -> str:
    """Return such as `1 node`, `2 nodes`."""
    return f"{amount:,} {what}{'' if amount == 1 else 's'}"


def _counts(graph: FlowGraph) -> str:
    return f"{counted(len(graph.nodes), 'node')} and {counted(len(graph.edges), 'edge')}."


def _changes(marks: Comparison) -> str:
    """Return such as `1 node added, 2 changed; 1 edge removed.`"""
    found = []
    for what, all_marks in (("node", marks.nodes.values()), ("edge", marks.edges.values())):
        amounts = Counter(all_marks)
        words = [
            f"{counted(amounts[mark], what) if not position else f'{amounts[mark]:,}'} {mark}"
            for position, mark in enumerate(
                mark for mark in (Mark.ADDED, Mark.REMOVED, Mark.CHANGED) if amounts[mark]
            )
        ]
        if words:
            found.append(", ".join(words))
    return f"{'; '.join(found)}." if found else "The two do the same: no node and no edge differs."


def _moved(amount: int) -> str:
    if not amount:
        return ""
    return f"{counted(amount, 'node')} only moved, which is no change."
