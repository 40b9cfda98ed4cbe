"""What differs between two long texts, line by line, for pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff
from itertools import islice
from typing import Final

# So many lines of a difference are shown, and so many around each change.
MOST_LINES: Final = 400
_AROUND: Final = 2
# Finding the shortest difference takes the square of a text's lines.
_LONGEST: Final = 5_000
_KINDS: Final = {"+": "added", "-": "removed", "@": "place"}


@dataclass(frozen=True)
class Line:
    """One line of a difference; `kind` is what became of it, and its text begins with the sign."""

    kind: str
    text: str


def line_diff(before: Sequence[str], after: Sequence[str]) -> list[Line]:
    """Return the lines that differ, each group with the two lines around it, and where it is.

    Empty where nothing differs. Texts that are too long to compare are said to be so.
    """
    if max(len(before), len(after)) > _LONGEST:
        words = f"{len(before):,} → {len(after):,} lines: too many to compare line by line."
        return [Line("place", words)]
    # The first two lines name files.
    found = list(islice(unified_diff(before, after, lineterm="", n=_AROUND), 2, MOST_LINES + 3))
    lines = [Line(_KINDS.get(text[:1], "same"), text) for text in found[:MOST_LINES]]
    if len(found) > MOST_LINES:
        lines.append(Line("place", f"Only the first {MOST_LINES} lines are shown."))
    return lines
