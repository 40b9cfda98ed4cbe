"""What carrying an edit by hand back to staging would do, document by document; pure."""

from dataclasses import dataclass
from enum import StrEnum

from promotion.engine.diff import Change, compare
from promotion.engine.manifest import Entry, Tree


class Way(StrEnum):
    WRITE = "write"
    DELETE = "delete"
    # Staging is so already.
    SAME = "same"
    # Staging was changed too, since what was promoted.
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Carry:
    """One edited document: as promoted, as production serves it, as staging has it.

    None where it is not there.
    """

    way: Way
    promoted: Entry | None
    edited: Entry | None
    staging: Entry | None

    @property
    def entry(self) -> Entry:
        entry = self.edited or self.promoted
        if entry is None:
            raise ValueError("an edited document was there before or is there now")
        return entry

    @property
    def removes(self) -> bool:
        """Whether it was deleted by hand."""
        return self.edited is None


def carries(promoted: Tree, edited: Tree, staging: Tree) -> list[Carry]:
    """Return what was edited by hand between two trees, and what it would do to a third.

    What differs from what was promoted in noise alone was not edited, there or on staging.
    """
    found = []
    for change in compare(promoted, edited):
        if change.kind is Change.NOISE:
            continue
        now = staging.by_id.get(change.entry.id)
        found.append(
            Carry(_way(change.before, change.after, now), change.before, change.after, now)
        )
    return found


def _way(promoted: Entry | None, edited: Entry | None, staging: Entry | None) -> Way:
    if _equal(staging, edited):
        return Way.SAME
    if not _equal(staging, promoted):
        return Way.CONFLICT
    return Way.DELETE if edited is None else Way.WRITE


def _equal(one: Entry | None, other: Entry | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.content == other.content
