"""The difference of two versions of a document, by field: decoded, aligned, noise told apart.

What it is given may be masked. Tagged masks then differ where the secrets do, so that a changed
secret is a change like any other, and no secret is needed to see it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any, Final

from environments.documents import DocumentError, canonical, is_noise_document, without_noise
from promotion.engine.diff import Change

Path = tuple[str, ...]
# Where a flow's editor keeps how the picture of a node lies: nobody's change.
_LAYOUT: Final = frozenset({"position", "positionAbsolute", "selected", "dragging"})
# Longer lists are compared place by place: aligning takes the square of their length.
_LONGEST_ALIGNED: Final = 1000


@dataclass(frozen=True)
class FieldChange:
    """One place in which two documents differ.

    `path` leads there: keys, `[3]` for a place in a list, `[was 3]` for
    one in the earlier list, `[#id]` for the item of that id. A whole
    member that is new or gone is one change. `before` is None where it was not there, and `after`
    where it is no more. `noise` says that it alone is no change.
    """

    path: Path
    kind: Change
    before: Any
    after: Any
    noise: bool = False

    @property
    def place(self) -> str:
        """The path as text, fit for a link: `production.flowGraph.nodes[#n1].data`."""
        return "".join(
            step if step.startswith("[") or not number else f".{step}"
            for number, step in enumerate(self.path)
        )


def fields(
    resource: str, doc_id: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> list[FieldChange]:
    """Return where two decoded versions of a document differ, in the order of the later one.

    A version that is None is not there: then each of the other's members is one change.
    """
    found = list(_members((), before or {}, after or {}))
    if is_noise_document(resource, doc_id):
        return [replace(one, noise=True) for one in found]
    real = {
        one.path
        for one in _members(
            (), without_noise(resource, before or {}), without_noise(resource, after or {})
        )
    }
    return [replace(one, noise=one.path not in real or _is_layout(one.path)) for one in found]


def _is_layout(path: Path) -> bool:
    # <version>.flowGraph.nodes[#id].position…
    return path[1:3] == ("flowGraph", "nodes") and len(path) > 4 and path[4] in _LAYOUT


def _members(
    path: Path, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[FieldChange]:
    for key in [*after, *(key for key in before if key not in after)]:
        here = (*path, key)
        if key not in before:
            yield FieldChange(here, Change.ADDED, None, after[key])
        elif key not in after:
            yield FieldChange(here, Change.REMOVED, before[key], None)
        else:
            yield from _values(here, before[key], after[key])


def _values(path: Path, before: object, after: object) -> Iterator[FieldChange]:
    if _same(before, after):
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        # One link that leads elsewhere is one change, whatever it says of it.
        if before.get("id") == after.get("id") or not (_is_link(before) and _is_link(after)):
            yield from _members(path, before, after)
            return
    elif isinstance(before, list) and isinstance(after, list):
        yield from _items(path, before, after)
        return
    elif isinstance(before, str) and isinstance(after, str):
        plain = _structure(before), _structure(after)
        if plain[0] is not None and type(plain[0]) is type(plain[1]):
            inner = list(_values(path, *plain))
            # Equal but for spaces, it differs as a text.
            if inner:
                yield from inner
                return
    yield FieldChange(path, Change.CHANGED, before, after)


def _same(before: object, after: object) -> bool:
    """Answer whether two values are equal, `1` and `1.0` and `true` being three."""
    if type(before) is not type(after):
        return False
    if isinstance(before, dict | list):
        try:
            return canonical(before) == canonical(after)
        except DocumentError:
            return before == after
    return before == after


def _is_link(value: Mapping[str, Any]) -> bool:
    return "id" in value and set(value) <= {"id", "name"}


def _structure(text: str) -> Any:
    """Return the JSON that a text holds, or None."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _items(path: Path, before: list[Any], after: list[Any]) -> Iterator[FieldChange]:
    old, new = _by_id(before), _by_id(after)
    if old is None or new is None:
        yield from _places(path, before, after)
        return
    found = list(
        _members(
            path,
            {f"[#{key}]": value for key, value in old.items()},
            {f"[#{key}]": value for key, value in new.items()},
        )
    )
    if not found:
        # The same items in another order.
        yield FieldChange(path, Change.CHANGED, list(old), list(new))
    yield from found


def _by_id(items: Sequence[Any]) -> dict[str, Any] | None:
    """Return the items by their ids; None where one has none, or two share one."""
    found: dict[str, Any] = {}
    for item in items:
        name = item.get("id") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or not name or name in found:
            return None
        found[name] = item
    return found


def _places(path: Path, before: list[Any], after: list[Any]) -> Iterator[FieldChange]:
    for low, high, first, last in _differing(before, after):
        # What stands in each other's place is one that changed; the rest came or went.
        both = min(high - low, last - first)
        for number in range(both):
            yield from _values(
                (*path, f"[{first + number}]"), before[low + number], after[first + number]
            )
        for number in range(first + both, last):
            yield FieldChange((*path, f"[{number}]"), Change.ADDED, None, after[number])
        for number in range(low + both, high):
            yield FieldChange((*path, f"[was {number}]"), Change.REMOVED, before[number], None)


def _differing(before: list[Any], after: list[Any]) -> Iterator[tuple[int, int, int, int]]:
    if max(len(before), len(after)) > _LONGEST_ALIGNED:
        yield 0, len(before), 0, len(after)
        return
    old, new = ([_text(item) for item in items] for items in (before, after))
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for what, low, high, first, last in matcher.get_opcodes():
        if what != "equal":
            yield low, high, first, last


def _text(value: object) -> bytes:
    try:
        return canonical(value)
    except DocumentError:
        return repr(value).encode("utf-8", "surrogatepass")
