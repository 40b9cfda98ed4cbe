"""What turns an index that holds one tree into one that holds another."""

from dataclasses import dataclass
from typing import Final

from promotion.engine.manifest import Tree

# Below these, making a new index and writing all of it is as fast as a clone (benchmarks/).
CLONE_DOCUMENTS: Final = 200
CLONE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class Delta:
    """The documents to write, and the ids to delete.

    `kept` and `kept_bytes` are of the documents that are in both to the byte.
    """

    written: Tree
    removed: tuple[str, ...]
    kept: int
    kept_bytes: int

    @property
    def is_small(self) -> bool:
        """Whether so much stays that changing a clone of the index beats writing everything."""
        much = self.kept >= CLONE_DOCUMENTS or self.kept_bytes >= CLONE_BYTES
        return much and len(self.written.entries) + len(self.removed) <= self.kept


def delta(before: Tree, after: Tree) -> Delta:
    """Return how `after` differs from `before`, to the byte."""
    there = before.by_id
    written = []
    kept = kept_bytes = 0
    for entry in after.entries:
        known = there.get(entry.id)
        if known is not None and known.oid == entry.oid:
            kept += 1
            kept_bytes += entry.size
        else:
            written.append(entry)
    removed = tuple(doc_id for doc_id in there if doc_id not in after.by_id)
    return Delta(Tree(after.resource, tuple(written)), removed, kept, kept_bytes)
