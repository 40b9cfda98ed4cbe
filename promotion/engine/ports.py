"""What the promotion engine needs from the world, as protocols, and the facts that it passes.

The adapters are `promotion.cluster` (a real Elasticsearch) and `promotion.store` (the database).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from promotion.engine.manifest import Manifest, Tree, TreeDigests


@dataclass(frozen=True)
class Fingerprint:
    """What identifies an index's content without reading it (design section 4).

    `max_seq_no` holds one number a primary, in shard order; it moves at once on every write.
    `settings` is a digest of the settings without blocks and other volatile keys.
    """

    uuid: str
    max_seq_no: tuple[int, ...]
    mapping_version: int
    settings: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        return cls(
            raw["uuid"], tuple(raw["max_seq_no"]), int(raw["mapping_version"]), raw["settings"]
        )


@dataclass(frozen=True)
class IndexState:
    """One index as the cluster's metadata has it; `aliases` are the names that point at it."""

    name: str
    uuid: str
    aliases: tuple[str, ...]
    mapping_version: int
    mapping_digest: str
    settings_digest: str


@dataclass(frozen=True)
class ShardMarks:
    """The sequence numbers of one index's primaries, in shard order."""

    max_seq_no: tuple[int, ...]
    local_checkpoint: tuple[int, ...]

    @property
    def settled(self) -> bool:
        """Whether no write is in flight."""
        return self.max_seq_no == self.local_checkpoint


class Reader(Protocol):
    """A cluster that is only read. All methods raise the errors of `promotion.engine.errors`."""

    def states(self, names: Sequence[str]) -> dict[str, IndexState]:
        """Return the indices that names, aliases or patterns resolve to, by concrete name."""

    def marks(self, names: Sequence[str]) -> dict[str, ShardMarks]:
        """Return the sequence numbers of the indices called `names`."""

    def refresh(self, names: Sequence[str]) -> None:
        """Make every acknowledged write of the indices visible to searches."""

    def read(self, index: str) -> Iterator[tuple[str, bytes]]:
        """Yield every document of an index: its id and its exact `_source`."""


class Content(Protocol):
    """Where the content of builds is kept, by digest."""

    def known(self, oids: Iterable[str]) -> set[str]:
        """Return those of the blobs that are kept already."""

    def keep_blobs(self, sources: Mapping[str, bytes]) -> None:
        """Keep exact sources under their oids; again is harmless."""

    def keep_tree(self, tree: Tree) -> None:
        """Keep a tree under its digest; again is harmless."""

    def tree(self, digest: str) -> Tree:
        """Return a kept tree."""


@dataclass(frozen=True)
class CapturedResource:
    """One resource as captured: the index, under which fingerprint, and what was in it."""

    index: str
    fingerprint: Fingerprint
    mapping_digest: str
    tree: TreeDigests


@dataclass(frozen=True)
class Captured:
    """The outcome of a capture. `read` names the resources whose index was read."""

    resources: Mapping[str, CapturedResource]
    read: tuple[str, ...]

    @property
    def manifest(self) -> Manifest:
        return Manifest({name: found.tree for name, found in self.resources.items()})
