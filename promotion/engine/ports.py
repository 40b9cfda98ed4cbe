"""What the promotion engine needs from the world, as protocols, and the facts that it passes.

The adapters are `promotion.cluster` (a real Elasticsearch) and `promotion.store` (the database).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, Self

from promotion.engine.manifest import Manifest, Tree


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
    mapping: Mapping[str, Any]
    settings: Mapping[str, Any]
    settings_digest: str
    write_blocked: bool
    is_open: bool
    shards: int
    replicas: int


@dataclass(frozen=True)
class ShardMarks:
    """The sequence numbers of one index's primaries, in shard order."""

    max_seq_no: tuple[int, ...]
    local_checkpoint: tuple[int, ...]

    @property
    def settled(self) -> bool:
        """Whether no write is in flight."""
        return self.max_seq_no == self.local_checkpoint


@dataclass(frozen=True)
class ClusterFacts:
    """What preflight asks about a cluster. `free_shards` is None where there is no limit known."""

    uuid: str
    version: str
    distribution: str
    status: str
    free_shards: int | None
    flood_stage_indices: tuple[str, ...] = ()


@dataclass(frozen=True)
class AliasAction:
    """One action of an `_aliases` request."""

    kind: str  # "add", "remove" or "remove_index"
    index: str
    alias: str | None = None
    write: bool = False

    def to_dict(self) -> dict[str, Any]:
        body: dict[str, Any] = {"index": self.index}
        if self.alias is not None:
            body["alias"] = self.alias
        if self.write:
            body["is_write_index"] = True
        return {self.kind: body}


class Engine(Protocol):
    """A cluster. All methods raise the errors of `promotion.engine.errors`."""

    def facts(self) -> ClusterFacts: ...

    def states(self, expression: Sequence[str]) -> dict[str, IndexState]:
        """Return the indices that the names, aliases or patterns resolve to; missing ones are left
        out."""

    def marks(self, names: Sequence[str]) -> dict[str, ShardMarks]:
        """Return the sequence numbers of the named indices, by concrete index."""

    def refresh(self, names: Sequence[str]) -> None: ...

    def read(self, index: str) -> Iterator[tuple[str, bytes]]:
        """Yield every document of an index: its id and its exact `_source`."""

    def template_for(self, name: str) -> str | None:
        """Return what an index template would give an index of this name, in words, or None."""

    def create(
        self, name: str, *, mapping: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> None: ...

    def load(self, index: str, documents: Iterable[tuple[str, bytes]]) -> int:
        """Write the documents with `op_type` index and return how many."""

    def delete_documents(self, index: str, ids: Sequence[str]) -> None: ...

    def clone(self, source: str, target: str, *, settings: Mapping[str, Any]) -> None:
        """Clone a write-blocked index; returns when its primaries are started."""

    def block(self, names: Sequence[str]) -> None:
        """Write-block indices and wait for the writes in flight."""

    def unblock(self, names: Sequence[str]) -> None: ...

    def switch(self, actions: Sequence[AliasAction]) -> None:
        """Send all the actions as one `_aliases` request, once."""

    def delete_indices(self, names: Sequence[str]) -> None:
        """Delete concrete indices by exact name; a missing one is no error."""

    def put_marker(self, name: str, document: Mapping[str, Any]) -> None:
        """Create a marker index with one document, and block writes to it."""

    def get_marker(self, name: str) -> dict[str, Any] | None: ...

    def searches_running(self, names: Sequence[str]) -> int: ...

    def put_template(
        self, name: str, *, patterns: Sequence[str], template: Mapping[str, Any]
    ) -> None: ...

    def delete_template(self, name: str) -> None: ...


class Content(Protocol):
    """The builds' content, by digest."""

    def tree(self, digest: str) -> Tree: ...

    def documents(self, oids: Iterable[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
        """Yield (id, exact source) for (id, oid) pairs, in their order."""

    def keep_tree(self, tree: Tree, sources: Mapping[str, bytes]) -> None:
        """Store a tree, and those of its documents' sources (by oid) that are new."""

    def known_oids(self, oids: Iterable[str]) -> set[str]: ...


class Journal(Protocol):
    """Where a run writes down what it is about to do and what came of it."""

    def begin(self, step: str) -> None: ...

    def progress(self, step: str, done: int, total: int) -> None: ...

    def finish(self, step: str, detail: Mapping[str, Any]) -> None: ...

    def remember(self, key: str, value: object) -> None:
        """Keep a fact that recovery needs, before it is acted on."""

    def recall(self, key: str) -> Any: ...

    def stop_requested(self) -> bool:
        """Whether a person asked to stop."""


class Claim(Protocol):
    """This worker's hold on an environment."""

    def check(self) -> None:
        """Raise LeaseLost unless the claim surely still stands, by this machine's own clock."""


@dataclass(frozen=True)
class Captured:
    """The outcome of a capture: the manifest, the fingerprints it was read under, the effort."""

    manifest: Manifest
    fingerprints: dict[str, Fingerprint]
    indices: dict[str, str]
    mappings: dict[str, str]
    read: tuple[str, ...] = ()
    reused: tuple[str, ...] = ()
    rounds: int = 1
    details: dict[str, Any] = field(default_factory=dict)


Clock = Callable[[], float]
