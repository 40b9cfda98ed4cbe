"""What the promotion engine needs from the world, as protocols, and the facts that it passes.

The adapters are `promotion.cluster` (a real Elasticsearch) and `promotion.store` (the database).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Protocol, Self

from environments.documents import digest as digest
from environments.engines import Engine
from environments.links import Links
from environments.mappings import fixed
from promotion.engine.manifest import Manifest, Tree, TreeDigests


@dataclass(frozen=True)
class Fingerprint:
    """What identifies an index's content without reading it (docs/tracardi.md).

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
    mapping: Mapping[str, Any]
    # Flat, without blocks and what is volatile: what an index equal to this one is made with.
    settings: Mapping[str, Any]
    settings_digest: str
    write_blocked: bool

    @property
    def primaries(self) -> int:
        return int(str(self.settings.get("index.number_of_shards", "1")))

    @cached_property
    def mapping_digest(self) -> str:
        # Not at once: a fence compares the mapping's version alone. What documents taught it is not
        # the mapping's own: production learns it by promotion.
        return digest(fixed(self.mapping))

    @cached_property
    def mapping_digests(self) -> frozenset[str]:
        """Return the digests under which a build of this mapping may be kept.

        An earlier console took what documents taught the mapping for a part of it.
        """
        return frozenset({self.mapping_digest, digest(self.mapping)})


@dataclass(frozen=True)
class Capacity:
    """How a cluster is: its health, nodes over their flood stage, how many shards may be made.

    `free_shards` is None where the cluster sets no limit, `engine` where nobody asked for it.
    """

    health: str
    flooded: tuple[str, ...]
    free_shards: int | None
    engine: Engine | None = None


@dataclass(frozen=True)
class ShardMarks:
    """The sequence numbers of one index's primaries, in shard order.

    `checkpoint` is up to where all copies in sync have every write.
    """

    max_seq_no: tuple[int, ...]
    checkpoint: tuple[int, ...]

    @property
    def settled(self) -> bool:
        """Whether no write is in flight."""
        return self.max_seq_no == self.checkpoint


def fingerprint(state: IndexState, marks: ShardMarks) -> Fingerprint:
    """Return the fingerprint of an index."""
    return Fingerprint(state.uuid, marks.max_seq_no, state.mapping_version, state.settings_digest)


class Reader(Protocol):
    """A cluster that is only read. All methods raise the errors of `promotion.engine.errors`."""

    def states(self, names: Sequence[str]) -> dict[str, IndexState]:
        """Return the indices that names, aliases or patterns resolve to, by concrete name."""

    def marks(self, names: Sequence[str]) -> dict[str, ShardMarks]:
        """Return the sequence numbers of the indices called `names`."""

    def glance(self, names: Sequence[str]) -> str:
        """Return a digest that moves with every write behind `names`, and with what they point at.

        One request for as many names as a path holds. Empty where one of them is not there.
        """

    def refresh(self, names: Sequence[str]) -> None:
        """Make every acknowledged write of the indices visible to searches."""

    def read(self, index: str, *, above: int | None = None) -> Iterator[tuple[str, bytes]]:
        """Yield every document of an index: its id and its exact `_source`.

        With `above`, only those whose last write has a higher sequence number.
        """

    def find(self, index: str, ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield those of the documents called `ids` that are there, as `read` does."""

    def count(self, index: str) -> int:
        """Return how many documents a search of an index finds."""


@dataclass(frozen=True)
class AliasAction:
    """One action of an `_aliases` request: `add`, `remove` or `remove_index`."""

    kind: str
    index: str
    alias: str | None = None

    def to_dict(self) -> dict[str, Any]:
        body: dict[str, Any] = {"index": self.index}
        if self.alias is not None:
            body["alias"] = self.alias
        if self.kind == "add":
            # Every holder is a write index: another index's add then fails the whole request,
            # which is the compare-and-swap that works on all engines (docs/tracardi.md).
            body["is_write_index"] = True
        return {self.kind: body}


class Writer(Reader, Protocol):
    """A cluster that is changed too. Every name is exact, never a pattern."""

    def template_for(self, name: str) -> dict[str, Any]:
        """Return what index templates would give an index of this name; empty where none does."""

    def put_template(self, name: str, like: IndexState, index: str) -> None:
        """Make an index created as `index` get another's mapping and settings, write-blocked."""

    def delete_template(self, name: str) -> None:
        """Delete an index template; one that is gone already is no error."""

    def create(self, name: str, like: IndexState) -> None:
        """Create an index with the mapping and settings of another; its primary starts by then."""

    def load(self, index: str, documents: Iterable[tuple[str, bytes]]) -> int:
        """Write documents (id, exact source) and return how many."""

    def erase(self, index: str, ids: Sequence[str]) -> None:
        """Delete documents; one that is gone already is no error."""

    def clone(self, source: IndexState, target: str, *, writable: bool = False) -> None:
        """Clone a write-blocked index.

        The clone is blocked too, and its primaries are started; a `writable` one is open, and they
        start by then.
        """

    def block(self, names: Sequence[str]) -> None:
        """Write-block indices, waiting for the writes in flight."""

    def seal(self, names: Sequence[str]) -> None:
        """Write-block indices that nobody else writes to: faster, and waits for no writes."""

    def unblock(self, names: Sequence[str]) -> None:
        """Lift the write block of indices."""

    def switch(self, actions: Sequence[AliasAction]) -> None:
        """Send all actions as one `_aliases` request, once: all or none is applied."""

    def delete(self, names: Sequence[str]) -> None:
        """Delete indices; one that is gone already is no error."""

    def await_started(self, primaries: Mapping[str, int]) -> None:
        """Return when all primaries of indices just created are started, so many of each."""

    def make_marker(self, name: str) -> None:
        """Create an empty marker index; its primary starts by then."""

    def put_marker(self, name: str, facts: Mapping[str, Any]) -> None:
        """Put the one document of facts into an empty marker index."""

    def marker(self, name: str) -> dict[str, Any] | None:
        """Return a marker's facts by index or alias, or None where there is none."""

    def searches_running(self, names: Sequence[str]) -> int:
        """Return how many searches run on the indices."""


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

    def keep_links(self, digest: str, links: Mapping[str, Links]) -> None:
        """Keep what the documents of a kept tree refer to, by id; again is harmless."""

    def links(self, digest: str) -> dict[str, Links]:
        """Return what the documents of a kept tree refer to, by id; most may be absent."""


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
