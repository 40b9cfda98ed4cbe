"""What changed in a flow's graph, in words: nodes, their settings, and what leads where."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

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
    return {key: graph.name(key).replace("“", "").replace("”", "") for key in graph.nodes}


class _Graph:
    """One version's nodes and edges, as far as they can be read."""

    def __init__(self, version: Mapping[str, Any]) -> None:
        graph = version.get("flowGraph")
        parts = graph if isinstance(graph, Mapping) else {}
        self.nodes: dict[str, Mapping[str, Any]] = {
            node["id"]: node
            for node in _maps(parts.get("nodes"))
            if isinstance(node.get("id"), str)
        }
        self.ways: list[tuple[str, str, str]] = [
            (str(e.get("source")), str(e.get("sourceHandle") or ""), str(e.get("target")))
            for e in _maps(parts.get("edges"))
        ]
        self._counts = Counter(self._plain_name(key) for key in self.nodes)

    def _plain_name(self, key: str) -> str:
        name = _in(self.nodes.get(key), "data", "metadata", "name")
        return name if isinstance(name, str) and name else key

    def name(self, key: str) -> str:
        """Return a node's name; with the end of its id where others are called the same."""
        name = self._plain_name(key)
        return f"“{name}”" if self._counts[name] < 2 else f"“{name}” ({key[-4:]})"

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
        names = self._form(key)
        # The longest start of the path that the form has a field for.
        for length in range(len(inner), 0, -1):
            name = names.get(".".join(inner[:length]))
            if name:
                inner = [name, *inner[length:]]
                break
        return " / ".join(step.replace("_", " ") for step in inner) or "settings"

    def _form(self, key: str) -> dict[str, str]:
        """Return the names of a node's form's fields, by the setting that each is for."""
        found = {}
        for group in _maps(_in(self.nodes[key], "data", "spec", "form", "groups")):
            for field in _maps(group.get("fields")):
                if isinstance(field.get("id"), str) and isinstance(field.get("name"), str):
                    found[field["id"]] = field["name"]
        return found


def _maps(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _in(value: object, *steps: str) -> Any:
    for step in steps:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value
