"""The settings of a flow's node as rows for people, and what changed in them.

Pure: no Django, no I/O. What goes in is masked already. Labels are those of the plugin's own form,
where it has one for the setting.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from environments.flowgraph import Mark, Node, canonical_text, member, shown

# How deep a setting is taken apart; what lies deeper is shown as JSON.
_DEPTH: Final = 5
_JOINT: Final = " \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} "

# Key of `spec`: words, and the value that needs no mention.
_SWITCHES: Final[Mapping[str, tuple[str, object]]] = {
    "skip": ("Skip this node", False),
    "block_flow": ("Stop the flow here", False),
    "run_in_background": ("Run in the background", False),
    "on_error_continue": ("Go on after an error", False),
    "on_connection_error_repeat": ("Attempts on a connection error", 1),
    "append_input_payload": ("Append the input payload", False),
    "join_input_payload": ("Join the input payload", False),
}
_OPTIONS, _PLUGIN = "How it runs", "Plugin"
_Leaf: TypeAlias = tuple[str, object]


@dataclass(frozen=True)
class Setting:
    """One setting; `words` is for people, `content` tells two values apart.

    `usual` says that it needs no mention unless it changed.
    """

    key: str
    label: str
    group: str
    words: str
    content: str = field(repr=False)
    usual: bool = False


@dataclass(frozen=True)
class Row:
    """A setting before and after; without a comparison both are the same.

    `masked` says that the values differ only where both are masked.
    """

    label: str
    group: str
    before: str
    after: str
    mark: Mark
    masked: bool = False


def _is_link(value: Mapping[str, Any]) -> bool:
    """Say whether this names another document: {"id", "name"}."""
    return "id" in value and set(value) <= {"id", "name"}


def words(value: object) -> str:
    """Return a setting's value for people; nothing at all for what is empty."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping) and _is_link(value):
        link, name = words(value["id"]), words(value.get("name"))
        return f"{name} ({link})" if name and link and name != link else name or link
    simple = str | int | float | None
    if isinstance(value, list) and all(
        isinstance(item, simple) or (isinstance(item, Mapping) and _is_link(item)) for item in value
    ):
        return "\n".join(map(words, value))
    try:
        return shown(json.dumps(value, indent=2, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        return "It cannot be shown."


def _leaves(value: object, path: str = "", depth: int = _DEPTH) -> Iterator[_Leaf]:
    """Yield (path, value) of each setting below `value`."""
    if isinstance(value, Mapping) and value and depth and not (path and _is_link(value)):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key), depth - 1)
    elif path:
        yield path, value


def form_fields(spec: object) -> dict[str, tuple[str, str]]:
    """Return (label, group) of each field of the plugin's form, by the path that it edits."""
    found: dict[str, tuple[str, str]] = {}
    groups = member(spec, "form", "groups")
    for group in groups if isinstance(groups, list) else []:
        fields = member(group, "fields")
        for one in fields if isinstance(fields, list) else []:
            path, named = member(one, "id"), member(group, "name")
            label = member(one, "name") or member(one, "component", "props", "label")
            if isinstance(path, str) and isinstance(label, str) and label.strip():
                group_words = shown(named.strip()) if isinstance(named, str) else ""
                found.setdefault(path, (shown(label.strip()), group_words))
    return found


def _labelled(path: str, fields: Mapping[str, tuple[str, str]]) -> tuple[str, str, str]:
    """Return (label, group, path of the field); the field may hold more than this one setting."""
    parts = path.split(".")
    for size in range(len(parts), 0, -1):
        held = ".".join(parts[:size])
        if held in fields:
            label, group = fields[held]
            return _JOINT.join([label, *map(shown, parts[size:])]), group, held
    return _JOINT.join(map(shown, parts)), "", ""


def _setting(key: str, label: str, group: str, value: object, usual: bool = False) -> Setting:
    return Setting(key, label, group, words(value), canonical_text(value), usual)


def _of_init(spec: object) -> list[Setting]:
    fields = form_fields(spec)
    order = {path: number for number, path in enumerate(fields)}
    found, init = [], member(spec, "init")
    if init and not isinstance(init, Mapping):
        return [_setting("init", "Settings", "", init)]
    for path, value in _leaves(init):
        label, group, held = _labelled(path, fields)
        place = order.get(held, len(order))
        found.append((place, _setting(f"init.{path}", label, group, value)))
    # As in the form; the sort keeps what stands at the same place in order.
    return [setting for _, setting in sorted(found, key=lambda pair: pair[0])]


def settings(node: Node, *, whole: bool = True) -> tuple[Setting, ...]:
    """Return what a person sets, then, if `whole`, all else that a node holds but its place."""
    data, spec = node.data, member(node.data, "spec")
    rows = _of_init(spec)
    spec = spec if isinstance(spec, Mapping) else {}
    for key, (label, usual) in _SWITCHES.items():
        if key in spec:
            value = spec[key]
            rows.append(
                _setting(f"spec.{key}", label, _OPTIONS, value, value is None or value == usual)
            )
    once = member(spec, "run_once")
    if once is not None:
        off = not member(once, "enabled")
        for path, value in _leaves(once, "run_once"):
            rows.append(
                _setting(
                    f"spec.{path}",
                    path.replace("run_once.", f"Run once{_JOINT}"),
                    _OPTIONS,
                    value,
                    off,
                )
            )
    if "debug" in data:
        rows.append(
            _setting("debug", "Debug this node", _OPTIONS, data["debug"], not data["debug"])
        )
    for path, value in _leaves(member(spec, "microservice"), "microservice"):
        label = _JOINT.join(map(shown, path.split(".")))
        rows.append(_setting(f"spec.{path}", label, _PLUGIN, value, not words(value)))
    for key, label in (("className", "Class"), ("version", "Version")):
        if key in spec:
            rows.append(_setting(f"spec.{key}", label, _PLUGIN, spec[key]))
    if whole:
        rows.extend(_rest(data, {row.key for row in rows}))
    return tuple(rows)


def _rest(data: Mapping[str, Any], have: set[str]) -> Iterator[Setting]:
    """Yield what the plugin brings along: it is only of interest where it changed."""
    spec = data.get("spec")
    kept = {**data, "spec": {}} if isinstance(spec, Mapping) else dict(data)
    if isinstance(spec, Mapping):
        known = {"init", "microservice", "run_once"}
        kept["spec"] = {key: value for key, value in spec.items() if key not in known}
    for path, value in _leaves(kept):
        if path not in have:
            label = _JOINT.join(map(shown, path.split(".")))
            yield _setting(path, label, _PLUGIN, value, usual=True)


def rows(before: Node | None, after: Node | None) -> tuple[Row, ...]:
    """Return the rows of a node: with one of the two alone its settings, else what became of them.

    What changed comes first; what needs no mention is left out.
    """
    either = after or before
    if either is None:
        return ()
    if before is None or after is None or before.content == after.content:
        return tuple(
            Row(one.label, one.group, one.words, one.words, Mark.SAME)
            for one in settings(either, whole=False)
            if not one.usual
        )
    old, new = ({one.key: one for one in settings(node)} for node in (before, after))
    found = []
    for key in {**new, **old}:
        earlier, later = old.get(key), new.get(key)
        one = later or earlier
        mark = _mark(earlier, later)
        if one is not None and (mark is not Mark.SAME or not one.usual):
            was, now = (side.words if side else "" for side in (earlier, later))
            masked = mark is Mark.CHANGED and was == now
            found.append(Row(one.label, one.group, was, now, mark, masked))
    return tuple(sorted(found, key=lambda row: row.mark is Mark.SAME))


def _mark(before: Setting | None, after: Setting | None) -> Mark:
    if before is None:
        return Mark.ADDED
    if after is None:
        return Mark.REMOVED
    return Mark.SAME if before.content == after.content else Mark.CHANGED
