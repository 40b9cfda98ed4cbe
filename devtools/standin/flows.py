"""What a flow's simplest nodes do to a profile: enough to tell one configuration from another."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_CONDITION: Final = re.compile(r"\s*(\S+)\s*(>=|<=|==|!=|>|<)\s*(.+?)\s*")
_COMPARE: Final = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


@dataclass
class Run:
    """One run of a flow: the profile that it changes, and what it logged."""

    event: Mapping[str, Any]
    profile: dict[str, Any]
    log: list[tuple[str, str, str]] = field(default_factory=list)


def run_flow(flow: Mapping[str, Any], run: Run) -> None:
    """Go along a decoded flow's edges from its start, as far as its conditions allow."""
    graph = (flow.get("production") or {}).get("flowGraph") or {}
    nodes = {node["id"]: node for node in graph.get("nodes", ())}
    due = [(node, None) for node in nodes.values() if node["data"].get("start")]
    seen = set()
    while due:
        node, edge = due.pop(0)
        if node["id"] in seen:
            continue
        seen.add(node["id"])
        spec, name = node["data"]["spec"], node["data"]["metadata"].get("name", node["id"])
        ports = _act(spec.get("className", ""), spec.get("init") or {}, run)
        if edge is not None:
            words = f"Node `{name}` edge {edge} executed without errors."
            run.log.append(("info", str(spec.get("className")), words))
        for one in graph.get("edges", ()):
            if one["source"] == node["id"] and one.get("sourceHandle") in ports:
                due.append((nodes[one["target"]], one["id"]))


def _act(kind: str, init: Mapping[str, Any], run: Run) -> set[str]:
    """Do what a node does, and return the ports that it answers through."""
    if kind == "IfAction":
        return {"true" if _holds(str(init.get("condition", "")), run) else "false"}
    if kind == "AddSegmentAction":
        _add_segment(run.profile, str(init.get("segment", "")))
    elif kind == "ProfileSegmentAction":
        holds = "true" if _holds(str(init.get("condition", "")), run) else "false"
        segment = str(init.get(f"{holds}_segment", ""))
        if init.get(f"{holds}_action") == "add":
            _add_segment(run.profile, segment)
        elif segment in run.profile["segments"]:
            run.profile["segments"].remove(segment)
        return {holds}
    elif kind == "CopyTraitAction":
        for target, source in ((init.get("traits") or {}).get("set") or {}).items():
            _put(run.profile, target, _value(source, run))
    # A call or a mail is not sent, and answers as if it had been.
    return {"payload", "response"}


def _add_segment(profile: dict[str, Any], segment: str) -> None:
    if segment and segment not in profile["segments"]:
        profile["segments"].append(segment)


def _holds(condition: str, run: Run) -> bool:
    """Answer whether a condition of one comparison holds; any other does not."""
    match = _CONDITION.fullmatch(condition)
    if match is None:
        return False
    left, right = _value(match.group(1), run), _value(match.group(3), run)
    try:
        return bool(_COMPARE[match.group(2)](left, right))
    except TypeError:
        return False


def _value(words: object, run: Run) -> Any:
    """Return what a reference names, such as `event@properties.total`, or a literal."""
    text = str(words)
    where, at, path = text.partition("@")
    if at and where in {"event", "profile"}:
        found: Any = run.event if where == "event" else run.profile
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text.strip("\"'")


def _put(profile: dict[str, Any], target: str, value: Any) -> None:
    where, _, path = target.partition("@")
    parts = path.split(".")
    if where != "profile" or not parts[0]:
        return
    held = profile
    for part in parts[:-1]:
        held = held.setdefault(part, {})
    held[parts[-1]] = value


def matching(rules: Mapping[str, Mapping[str, Any]], event: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids of the enabled rules that an event fires."""
    for rule_id, rule in rules.items():
        source, kind = (
            (rule.get("source") or {}).get("id"),
            (rule.get("event_type") or {}).get("id"),
        )
        if not rule.get("enabled") or rule.get("type", "event-collect") != "event-collect":
            continue
        if kind == event["type"] and source in {"", None, event["source"]["id"]}:
            yield rule_id
