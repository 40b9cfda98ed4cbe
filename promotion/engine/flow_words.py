"""What changed in a flow's graph, in words: nodes, their settings, and what leads where."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from environments import flowgraph
from environments.flowsettings import form_fields
from environments.masking import is_masked
from promotion.engine.diff import Change
from promotion.engine.fields import FieldChange, Path

Words = Callable[[object], str]
# (what is said, the place of the field that it is said of)
Said = tuple[str, str]


def of_graph(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    changes: Sequence[FieldChange],
    *,
    value: Words,
    turned: Callable[[object, object], str],
) -> Iterator[Said]:
    """Yield what a person would say of the changes in one version of a flow.

    `changes` are those below `flowGraph`, noise left out; `value` puts a value into words, and
    `turned` what a value was and is.
    """
    old, new = _Graph(before), _Graph(after)
    nodes: dict[str, list[FieldChange]] = {}
    edges: list[FieldChange] = []
    for one in changes:
        kind, step = (*one.path[2:4], "", "")[:2]
        if kind == "nodes" and step.startswith("[#"):
            nodes.setdefault(step[2:-1], []).append(one)
        elif kind == "edges" and step.startswith("[#"):
            edges.append(one)
        else:
            yield "the graph changed", one.place
    for key, found in nodes.items():
        if key not in old.nodes:
            yield f"node {new.name(key)} added{new.after(key)}", found[0].place
        elif key not in new.nodes:
            yield f"node {old.name(key)} removed{old.after(key, 'was after')}", found[0].place
        else:
            yield from _settings(new, key, found, value, turned)
    yield from _edges(old, new, edges)


def _settings(
    graph: "_Graph",
    key: str,
    found: Iterable[FieldChange],
    value: Words,
    turned: Callable[[object, object], str],
) -> Iterator[Said]:
    for one in found:
        name, setting = graph.name(key), graph.setting(key, one.path)
        if is_masked(one.before) or is_masked(one.after):
            what = "set" if not one.before else "changed" if one.after else "cleared"
            yield f"{name}: {setting}: secret {what}", one.place
        elif one.kind is Change.ADDED:
            yield f"{name}: {setting} {value(one.after)} (new)", one.place
        elif one.kind is Change.REMOVED:
            yield f"{name}: {setting} removed (was {value(one.before)})", one.place
        else:
            yield f"{name}: {setting} {turned(one.before, one.after)}", one.place


def _edges(old: "_Graph", new: "_Graph", changes: Iterable[FieldChange]) -> Iterator[Said]:
    """Yield what leads elsewhere; an edge of a node that came or went is said with that node."""
    was, now = old.ways, new.ways
    place = next((one.place for one in changes), "")
    if not place:
        return
    both = old.nodes.keys() & new.nodes.keys()
    for way in dict.fromkeys([*now, *was]):
        source, port, target = way
        if (way in was and way in now) or not {source, target} <= both:
            continue
        graph, what = (new, "added") if way in now else (old, "removed")
        by = f" ({port})" if port and port != "payload" else ""
        yield f"way {graph.name(source)}{by} → {graph.name(target)} {what}", place


def node_names(version: object) -> dict[str, str]:
    """Return the names of a flow version's nodes by id, without quotes."""
    if not isinstance(version, Mapping):
        return {}
    graph = _Graph(version)
    return {key: graph.label(key) for key in graph.nodes}


class _Graph:
    """One version's nodes and edges, as people call them."""

    def __init__(self, version: Mapping[str, Any]) -> None:
        graph = flowgraph.read(version)
        self.nodes = {node.id: node for node in graph.nodes}
        self.ways = [(edge.source, edge.source_port, edge.target) for edge in graph.edges]
        self._counts = Counter(node.label for node in graph.nodes)

    def label(self, key: str) -> str:
        """Return a node's name; with the end of its id where others are called the same."""
        return self._called(key, "{}")

    def name(self, key: str) -> str:
        """Return a node's label in quotes."""
        return self._called(key, "“{}”")

    def _called(self, key: str, form: str) -> str:
        label = self.nodes[key].label
        return form.format(label) + (f" ({key[-4:]})" if self._counts[label] > 1 else "")

    def after(self, key: str, lead: str = "after") -> str:
        """Return which node leads to this one, in words; empty where none does."""
        names = [self.name(source) for source, _, target in self.ways if target == key]
        if not names:
            return ""
        said = f"{lead} {' and '.join(dict.fromkeys(names))}"
        return f" {said}" if lead == "after" else f" ({said})"

    def setting(self, key: str, path: Path) -> str:
        """Return what a node's form calls the setting that a path leads to, or the path's end."""
        # <version>.flowGraph.nodes[#id].data.spec.init.<setting>
        inner = list(path[4:])
        for lead in (["data", "spec", "init"], ["data", "spec"], ["data"]):
            if inner[: len(lead)] == lead:
                inner = inner[len(lead) :]
                break
        names = form_fields(self.nodes[key].data.get("spec"))
        # The longest start of the path that the form has a field for.
        for length in range(len(inner), 0, -1):
            name, _ = names.get(".".join(inner[:length]), ("", ""))
            if name:
                inner = [name, *inner[length:]]
                break
        return " / ".join(step.replace("_", " ") for step in inner) or "settings"
