"""The difference of two trees, by document."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import msgspec

from promotion.engine.manifest import Entry, Tree


class Change(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    NOISE = "noise"


class DocumentChange(msgspec.Struct, frozen=True, gc=False):
    """One document's difference; `before` or `after` is None where it is not there.

    A struct, as an entry is: all of 20,000 documents may differ.
    """

    kind: Change
    before: Entry | None
    after: Entry | None

    @property
    def entry(self) -> Entry:
        entry = self.after or self.before
        if entry is None:
            raise ValueError("a change has a before or an after")
        return entry


@dataclass(frozen=True)
class Counts:
    """How many documents of a resource differ, and how."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    noise: int = 0
    total_before: int = 0
    total_after: int = 0

    @classmethod
    def of(cls, kinds: Iterable[Change], before: int = 0, after: int = 0) -> Self:
        """Count changes by their kinds; `before` and `after` are the totals."""
        found = Counter(kinds)
        return cls(
            added=found[Change.ADDED],
            changed=found[Change.CHANGED],
            removed=found[Change.REMOVED],
            noise=found[Change.NOISE],
            total_before=before,
            total_after=after,
        )

    @property
    def any(self) -> bool:
        """Whether anything differs that a person would call a change."""
        return bool(self.added or self.changed or self.removed)

    @property
    def removes_much(self) -> bool:
        """Whether a separate consent is due: all of a resource, or over a fifth of it, goes.

        A single document out of a handful is a fifth soon, so a removal of one asks for nothing
        unless it empties the resource.
        """
        if not self.removed:
            return False
        return self.total_after == 0 or (self.removed > 1 and self.removed * 5 > self.total_before)


def compare(before: Tree, after: Tree) -> list[DocumentChange]:
    """Return what differs, sorted by id; equal documents are left out."""
    there = before.by_id
    changes = []
    # Most are equal, of many: no list of all ids, and nothing sorted but what differs.
    for new in after.entries:
        old = there.get(new.id)
        if old is None or old.exact != new.exact:
            changes.append((old, new))
    gone = [(old, None) for old in before.entries if old.id not in after.by_id]
    found = [DocumentChange(_kind(old, new), old, new) for old, new in [*changes, *gone]]
    return sorted(found, key=lambda change: change.entry.id)


def _kind(old: Entry | None, new: Entry | None) -> Change:
    if old is not None and new is not None:
        return Change.NOISE if old.content == new.content else Change.CHANGED
    present = new or old
    if present is not None and not present.content:
        return Change.NOISE
    return Change.ADDED if old is None else Change.REMOVED


def count(before: Tree, after: Tree) -> Counts:
    """Count what differs."""
    kinds = (change.kind for change in compare(before, after))
    return Counts.of(kinds, len(before.entries), len(after.entries))


def total(counts: Mapping[str, Counts]) -> Counts:
    """Return the sum over all resources."""
    return Counts(
        added=sum(c.added for c in counts.values()),
        changed=sum(c.changed for c in counts.values()),
        removed=sum(c.removed for c in counts.values()),
        noise=sum(c.noise for c in counts.values()),
        total_before=sum(c.total_before for c in counts.values()),
        total_after=sum(c.total_after for c in counts.values()),
    )
