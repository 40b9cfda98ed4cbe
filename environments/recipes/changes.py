"""What differs between two sets of files, for a page. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Final

_KINDS: Final = {"+": "added", "-": "removed", "@": "place"}


@dataclass(frozen=True)
class Line:
    """One line of a difference; `kind` is what became of it, and its text begins with the sign."""

    kind: str
    text: str


@dataclass(frozen=True)
class FileChange:
    """A file that is new, changed or gone, with the lines that differ."""

    path: str
    kind: str
    lines: tuple[Line, ...]


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[FileChange]:
    """Return the files that differ, in the order of the later set, those that are gone last."""
    found = []
    for path in dict.fromkeys((*after, *before)):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        kind = "new" if old is None else "gone" if new is None else "changed"
        found.append(FileChange(path, kind, _lines(old or "", new or "")))
    return found


def _lines(before: str, after: str) -> tuple[Line, ...]:
    made = list(unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2))[2:]
    return tuple(Line(_KINDS.get(text[:1], "same"), text) for text in made)
