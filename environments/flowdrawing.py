"""The drawing of a flow: where its nodes stand, and the SVG of one of the versions compared.

Pure: no Django, no I/O.
"""

from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Final

from environments import layout
from environments.flowgraph import Comparison, Edge, FlowGraph, Mark, Node, shown
from environments.shapes import BESIDE, Frame, Svg, arrow, box, cut, down, number, picture, text
from environments.shapes import title as tip

_WIDTH, _HEIGHT, _STRIP = 192, 62, 18
# From one box to the next where they are laid out; own places need no more than this.
_STEP: Final = (_WIDTH + 16, _HEIGHT + 2 * _STRIP + 40)
_MARGIN: Final = 18
# Ports beyond these are not told apart in a picture; the words name all of them.
_MOST_PORTS: Final = 8


def height_of(inputs: Sized, outputs: Sized) -> float:
    """Return a box's height; a side with more than one port has a strip for their names."""
    return _HEIGHT + _STRIP * ((len(inputs) > 1) + (len(outputs) > 1))


@dataclass(frozen=True)
class Scene:
    """What both pictures share: places, anchors, ports and marks of all nodes of both versions."""

    places: Mapping[str, layout.Point]
    anchors: Mapping[str, str]
    inputs: Mapping[str, tuple[str, ...]]
    outputs: Mapping[str, tuple[str, ...]]
    size: layout.Point
    marks: Comparison | None

    def frame(self, node: Node) -> Frame:
        x, y = self.places[node.id]
        return Frame(x, y, _WIDTH, self.height(node.id))

    def height(self, node: str) -> float:
        return height_of(self.inputs[node], self.outputs[node])

    def above(self, node: str) -> int:
        return _STRIP if len(self.inputs[node]) > 1 else 0

    def below(self, node: str) -> int:
        return _STRIP if len(self.outputs[node]) > 1 else 0


def scene_of(
    old: FlowGraph, new: FlowGraph, marks: Comparison, prefix: str, *, compared: bool
) -> Scene:
    """Return the scene of two graphs; `compared` says whether marks are to be drawn."""
    # A node of both stands where it does now, in both pictures.
    union = {node.id: node for node in (*new.nodes, *old.nodes)}
    union.update({node.id: node for node in new.nodes})
    edges = list({edge.key: edge for edge in (*new.edges, *old.edges)}.values())
    inputs: dict[str, dict[str, None]] = {key: {} for key in union}
    outputs: dict[str, dict[str, None]] = {key: {} for key in union}
    for node in (*new.nodes, *old.nodes):
        inputs[node.id].update(dict.fromkeys(node.inputs))
        outputs[node.id].update(dict.fromkeys(node.outputs))
    for edge in edges:
        for ports, port in (
            (outputs[edge.source], edge.source_port),
            (inputs[edge.target], edge.target_port),
        ):
            if port:
                ports[shown(port)] = None
    places = _places(union, edges, marks.nodes)
    # Both pictures are equally large, so that they can be scrolled together.
    width = max((x for x, _ in places.values()), default=0) + _WIDTH + _MARGIN
    bottoms = (y + height_of(inputs[key], outputs[key]) for key, (_, y) in places.items())
    round_about = any(places[edge.target][1] <= places[edge.source][1] for edge in edges)
    # From above to below, as people read a flow.
    ordered = sorted(union, key=lambda key: (places[key][1], places[key][0]))
    return Scene(
        places=places,
        anchors={key: f"{prefix}-node-{number}" for number, key in enumerate(ordered, 1)},
        inputs={key: tuple(ports) for key, ports in inputs.items()},
        outputs={key: tuple(ports) for key, ports in outputs.items()},
        size=(width + (BESIDE if round_about else 0), max(bottoms, default=0) + _MARGIN),
        marks=marks if compared else None,
    )


def _places(
    union: Mapping[str, Node], edges: Sequence[Edge], marks: Mapping[str, Mark]
) -> dict[str, layout.Point]:
    own = {
        key: (node.x, node.y)
        for key, node in union.items()
        if node.x is not None and node.y is not None
    }
    places = None
    if len(own) == len(union):
        # One that was removed may stand where another was added.
        once = {Mark.ADDED, Mark.REMOVED}
        places = layout.own(own, _STEP, lambda a, b: {marks[a], marks[b]} == once)
    if places is None:
        ways = [(edge.source, edge.target) for edge in edges]
        places = layout.anew(list(union), ways, _STEP)
    return {key: (x + _MARGIN, y + _MARGIN) for key, (x, y) in places.items()}


def _port(scene: Scene, node: Node, port: str, *, out: bool) -> tuple[float, float]:
    frame = scene.frame(node)
    ports = (scene.outputs if out else scene.inputs)[node.id][:_MOST_PORTS]
    # A port that has no name, or is one of too many, is in the middle.
    place = (ports.index(port) + 0.5) / len(ports) if port in ports else 0.5
    x = frame.x + frame.width * place
    return x, frame.y + (frame.height if out else 0)


def line(node: Node) -> str:
    return " \N{MIDDLE DOT} ".join(part for part in (node.kind, node.group) if part)


def _drawn_node(node: Node, scene: Scene) -> str:
    frame, mark = scene.frame(node), None
    if scene.marks is not None:
        mark = scene.marks.nodes[node.id]
    above = scene.above(node.id)
    icon = node.icon if node.icon else {"condition": "if", "start": "start"}.get(node.kind, "")
    said = f": {mark}" if mark and mark is not Mark.SAME else ""
    # The list below the picture has the same links; these are for the pointer.
    return (
        f'<a class="tc-flow-link" href="#{scene.anchors[node.id]}" tabindex="-1">'
        f"{tip(f'{node.label} ({line(node)}){said}')}"
        f"{box(frame, node.label, line(node), icon, mark, shift=above)}"
        f"{''.join(_ports(node, scene, frame))}</a>"
    )


def _ports(node: Node, scene: Scene, frame: Frame) -> Iterator[str]:
    """Yield the names of ports, where a side has more than one."""
    for ports, y in (
        (scene.inputs[node.id], frame.y + 13),
        (scene.outputs[node.id], frame.y + frame.height - 6),
    ):
        if len(ports) > 1:
            few = ports[:_MOST_PORTS]
            room = frame.width / len(few)
            for place, port in enumerate(few):
                middle = frame.x + room * (place + 0.5)
                yield text(middle, y, cut(port, room - 4, 5.6), "tc-flow-port", "middle")
            line_y = number(y + 4 if y < frame.y + _STRIP else y - 11)
            strip = f"M{number(frame.x)} {line_y}h{number(frame.width)}"
            yield f'<path class="tc-flow-strip" d="{strip}"/>'


def _drawn_edge(edge: Edge, nodes: Mapping[str, Node], scene: Scene) -> str:
    source, target = nodes[edge.source], nodes[edge.target]
    start = _port(scene, source, shown(edge.source_port), out=True)
    end = _port(scene, target, shown(edge.target_port), out=False)
    mark = scene.marks.edges[edge.key] if scene.marks is not None else None
    port = f" by {shown(edge.source_port)}" if edge.source_port else ""
    said = f"{source.label}{port} to {target.label}"
    if mark and mark is not Mark.SAME:
        said = f"{said}: {mark}"
    return arrow(down(start, end), edge.name, said, mark)


def drawn(graph: FlowGraph, scene: Scene, named: str, described: str) -> Svg:
    """Return the picture of a graph whose nodes and edges the scene has.

    `named` and `described` are ids of the page's elements.
    """
    nodes = {node.id: node for node in graph.nodes}
    parts = [
        *(_drawn_edge(edge, nodes, scene) for edge in graph.edges),
        *(_drawn_node(nodes[key], scene) for key in scene.anchors if key in nodes),
    ]
    return picture(*scene.size, parts, named, described)
