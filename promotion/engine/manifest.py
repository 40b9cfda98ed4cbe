"""A build's list: resource to document id to digests; its digest identifies the content."""

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Self

import msgspec

from environments import documents
from environments.links import Linker, Links
from promotion.engine.errors import UnreadableDocument

FORMAT = 1
CHUNKS = 64


class Entry(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """One document of a tree. All digests are SHA-256 in hex.

    A struct, because there may be a hundred thousand: half as large as a named tuple, and decoded
    without a step between.

    `oid` is of the exact bytes and names the blob; `exact` is of the canonical `_source`;
    `content` is of the decoded document without noise, empty where the whole document is noise.
    """

    id: str
    oid: str
    exact: str
    content: str
    title: str
    size: int


def oid_of(source: bytes) -> str:
    """Return the name of a blob: the SHA-256 of a document's exact bytes."""
    return hashlib.sha256(source).hexdigest()


def describe(resource: str, doc_id: str, source: bytes, *, limit: int) -> Entry:
    """Digest one document. Raises as `read_document`."""
    return read_document(Linker(), resource, doc_id, source, limit=limit)[0]


def read_document(
    linker: Linker, resource: str, doc_id: str, source: bytes, *, limit: int
) -> tuple[Entry, Links | None]:
    """Digest one document, and find what it refers to; None where there is nothing to say.

    Raises:
        UnreadableDocument: it has more than `limit` bytes, or is no JSON that can be kept exactly.
    """
    if len(source) > limit:
        raise UnreadableDocument(
            f"Document {doc_id!r} of resource {resource} has {len(source):,} bytes, more than the "
            f"limit of {limit:,}. Nothing was captured. Make the document smaller on staging, or "
            "raise MAX_DOCUMENT_BYTES."
        )
    try:
        value = documents.parse(source)
        # Decoded once: what is packed in a flow may be long.
        plain = documents.decoded(resource, value)
        noise = documents.is_noise_document(resource, doc_id)
        content = documents.exact_digest(documents.without_noise(resource, plain))
        entry = Entry(
            id=doc_id,
            oid=oid_of(source),
            exact=documents.exact_digest(value),
            content="" if noise else content,
            title=documents.title(doc_id, value),
            size=len(source),
        )
        return entry, linker.links(resource, doc_id, plain)
    except documents.DocumentError as error:
        raise UnreadableDocument(
            f"Document {doc_id!r} of resource {resource} cannot be captured: {error} "
            "Nothing was captured."
        ) from error


def chunk_of(doc_id: str) -> int:
    """Return which of the CHUNKS parts of a large list a document is in, in whatever list."""
    return zlib.crc32(doc_id.encode("utf-8", "surrogatepass")) % CHUNKS


_id = attrgetter("id")


@dataclass(frozen=True)
class Tree:
    """One resource's documents, sorted by id."""

    resource: str
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, resource: str, entries: Iterable[Entry]) -> Self:
        return cls(resource, tuple(sorted(entries, key=_id)))

    @cached_property
    def by_id(self) -> dict[str, Entry]:
        return {entry.id: entry for entry in self.entries}

    @cached_property
    def digest(self) -> str:
        """The tree's own name: everything in it, the exact bytes included."""
        return _digest(self.resource, (f"{e.id}\0{e.oid}\0{e.exact}" for e in self.entries))

    @cached_property
    def exact(self) -> str:
        """Equal where every document is equal by value; it proves a copy."""
        return _digest(self.resource, (f"{e.id}\0{e.exact}" for e in self.entries))

    @cached_property
    def content(self) -> str:
        """Equal where the documents are equal but for noise; it is what a person approves."""
        return _digest(self.resource, (f"{e.id}\0{e.content}" for e in self.entries if e.content))

    @property
    def size(self) -> int:
        """Bytes of all sources."""
        return sum(entry.size for entry in self.entries)

    def pack(self) -> bytes:
        """Return the tree as bytes for storage."""
        return msgspec.msgpack.encode([FORMAT, self.resource, self.entries])

    def chunks(self) -> list[tuple[Entry, ...]]:
        """Return the entries in CHUNKS parts, each with the same ids in every tree.

        What is stored by part is stored anew only where something in the part changed.
        """
        parts: list[list[Entry]] = [[] for _ in range(CHUNKS)]
        for entry in self.entries:
            parts[chunk_of(entry.id)].append(entry)
        return [tuple(part) for part in parts]

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Return the tree that `pack` was given.

        Raises:
            UnreadableDocument: the bytes are of an unknown format.
        """
        form, resource, entries = msgspec.msgpack.decode(
            packed, type=tuple[int, str, tuple[Entry, ...]]
        )
        if form != FORMAT:
            raise UnreadableDocument(
                f"A stored tree has format {form}; this console knows {FORMAT}. "
                "Nothing was changed. Use the console version that wrote it, or a newer one."
            )
        return cls(resource, entries)


def _digest(resource: str, lines: Iterable[str]) -> str:
    # Surrogates that stand alone are legal in a JSON string, so also in an id or a title.
    state = hashlib.sha256(resource.encode())
    for line in lines:
        raw = line.encode("utf-8", "surrogatepass")
        # The length makes the list unambiguous whatever an id holds.
        state.update(b"%d:" % len(raw))
        state.update(raw)
    return state.hexdigest()


@dataclass(frozen=True)
class TreeDigests:
    """A tree's digests and counts, without its entries."""

    digest: str
    exact: str
    content: str
    count: int
    size: int

    @classmethod
    def of(cls, tree: Tree) -> Self:
        return cls(tree.digest, tree.exact, tree.content, len(tree.entries), tree.size)


@dataclass(frozen=True)
class Manifest:
    """A build's content: for each promoted resource the digests of its tree."""

    trees: Mapping[str, TreeDigests]

    @cached_property
    def content(self) -> str:
        """The digest that an approval attaches to."""
        return _digest(
            "build", (f"{name}\0{self.trees[name].content}" for name in sorted(self.trees))
        )

    @cached_property
    def exact(self) -> str:
        return _digest(
            "build", (f"{name}\0{self.trees[name].exact}" for name in sorted(self.trees))
        )

    @property
    def count(self) -> int:
        return sum(tree.count for tree in self.trees.values())

    @property
    def size(self) -> int:
        return sum(tree.size for tree in self.trees.values())
