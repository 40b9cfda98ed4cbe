"""The content of builds in the database; implements `promotion.engine.ports.Content`."""

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from environments.links import Links
from promotion.engine.manifest import CHUNKS, Entry, Tree, chunk_of, oid_of
from promotion.engine.recent import Recent
from promotion.kept_links import KeptLinks, compute
from promotion.models import Blob, StoredTree
from promotion.sealing import open_sealed, seal

# Both trees of a large resource, at some 500 bytes a document.
RECENT_ENTRIES: Final = 250_000
# SQLite takes a bounded number of parameters a statement.
_BATCH = 400
_BATCH_BYTES = 8 * 1024 * 1024
# So many trees are in memory at once where one document of many is asked for.
_TREES: Final = 50
# So many answers are kept, a handful of documents over a thousand builds.
_MOST_FOUND: Final = 20_000


# A tree of so many documents is kept in parts, and one that changed little in few new ones.
LARGE_TREE: Final = 2000

# What was opened last, by digest: one promotion opens the same few trees again and again, and
# large ones that follow each other share most of their parts.
_recent: Final[Recent[str, Tree]] = Recent(RECENT_ENTRIES, lambda tree: len(tree.entries))
_recent_chunks: Final[Recent[str, tuple[Entry, ...]]] = Recent(RECENT_ENTRIES)
# One document of a tree, which never changes: the next page of a history asks for the same ones.
_found: Final[dict[tuple[str, str], Entry | None]] = {}
# Another thread may empty them between two looks.
_UNKNOWN: Final = Entry("", "", "", "", "", 0)
_guard: Final = threading.Lock()


class _Parted(msgspec.Struct, array_like=True):
    """A large tree's list of its parts: the oids of blobs that hold their entries."""

    form: int
    resource: str
    chunks: list[str]


_PARTED: Final = 2


def _parts_of(body: bytes) -> _Parted | None:
    """Return the list of a large tree's parts; None where the tree is kept as a whole."""
    try:
        whole = msgspec.msgpack.decode(body, type=_Parted)
    except msgspec.ValidationError:
        return None
    return whole if whole.form == _PARTED else None


def _parts(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Yield entries in parts that are few enough for a statement, and small enough for memory."""
    part: list[Entry] = []
    size = 0
    for entry in entries:
        if part and (len(part) >= _BATCH or size + entry.size > _BATCH_BYTES):
            yield part
            part, size = [], 0
        part.append(entry)
        size += entry.size
    if part:
        yield part


class DatabaseContent:
    """Blobs and trees, encrypted at rest, each kept once however many builds share it."""

    def __init__(self) -> None:
        self._links = KeptLinks(self.keep_blobs)

    def known(self, oids: Iterable[str]) -> set[str]:
        """See `Content.known`."""
        wanted = list(dict.fromkeys(oids))
        found: set[str] = set()
        for start in range(0, len(wanted), _BATCH):
            part = wanted[start : start + _BATCH]
            found.update(Blob.objects.filter(oid__in=part).values_list("oid", flat=True))
        return found

    def known_trees(self, digests: Iterable[str]) -> set[str]:
        """Return those of the trees that are kept."""
        wanted = list(dict.fromkeys(digests))
        found: set[str] = set()
        for start in range(0, len(wanted), _BATCH):
            rows = StoredTree.objects.filter(digest__in=wanted[start : start + _BATCH])
            found.update(rows.values_list("digest", flat=True))
        return found

    def keep_blobs(self, sources: Mapping[str, bytes]) -> None:
        """See `Content.keep_blobs`."""
        have = self.known(sources)
        Blob.objects.bulk_create(
            [Blob(oid=oid, body=seal(raw)) for oid, raw in sources.items() if oid not in have],
            batch_size=_BATCH,
            # Another capture may have kept the same document a moment ago.
            ignore_conflicts=True,
        )

    def keep_tree(self, tree: Tree) -> None:
        """See `Content.keep_tree`."""
        if not StoredTree.objects.filter(digest=tree.digest).exists():
            StoredTree.objects.get_or_create(
                digest=tree.digest,
                defaults={
                    "resource": tree.resource,
                    "exact": tree.exact,
                    "content": tree.content,
                    "count": len(tree.entries),
                    "size": tree.size,
                    "body": seal(self._packed(tree)),
                },
            )
        _recent.put(tree.digest, tree)

    def _packed(self, tree: Tree) -> bytes:
        if len(tree.entries) < LARGE_TREE:
            return tree.pack()
        parts = {}
        for entries in tree.chunks():
            packed = msgspec.msgpack.encode(entries)
            oid = oid_of(packed)
            parts[oid] = packed
            _recent_chunks.put(oid, entries)
        self.keep_blobs(parts)
        return msgspec.msgpack.encode(_Parted(_PARTED, tree.resource, list(parts)))

    def tree(self, digest: str) -> Tree:
        """See `Content.tree`."""
        tree = _recent.get(digest)
        if tree is None:
            body = open_sealed(StoredTree.objects.get(digest=digest).body)
            tree = self._parted(body) or Tree.unpack(body)
            _recent.put(digest, tree)
        return tree

    def _parted(self, body: bytes) -> Tree | None:
        """Return a tree that is kept in parts; None where it is kept as a whole."""
        whole = _parts_of(body)
        if whole is None:
            return None
        return Tree.of(whole.resource, self._chunks(whole.chunks))

    def _chunks(self, oids: Sequence[str]) -> Iterator[Entry]:
        """Yield the entries of a large tree's parts; one query opens those that are not known."""
        known = ((oid, _recent_chunks.get(oid)) for oid in oids)
        found = {oid: entries for oid, entries in known if entries is not None}
        absent = [oid for oid in oids if oid not in found]
        for oid, blob in Blob.objects.in_bulk(absent).items():
            found[oid] = msgspec.msgpack.decode(open_sealed(blob.body), type=tuple[Entry, ...])
            _recent_chunks.put(oid, found[oid])
        return (entry for oid in oids for entry in found[oid])

    def entries(self, digests: Iterable[str], doc_id: str) -> dict[str, Entry | None]:
        """Return one document in each of several trees; None where a tree does not hold it.

        Of a large tree the one part is opened that the document would be in.
        """
        found: dict[str, Entry | None] = {}
        absent = []
        for digest in dict.fromkeys(digests):
            known = _found.get((digest, doc_id), _UNKNOWN)
            if known is not _UNKNOWN:
                found[digest] = known
            elif (tree := _recent.get(digest)) is not None:
                found[digest] = tree.by_id.get(doc_id)
            else:
                absent.append(digest)
        for start in range(0, len(absent), _TREES):
            rows = StoredTree.objects.in_bulk(absent[start : start + _TREES])
            read = {key: self._entry(open_sealed(row.body), doc_id) for key, row in rows.items()}
            found |= read
            with _guard:
                if len(_found) + len(read) > _MOST_FOUND:
                    _found.clear()
                _found.update({(key, doc_id): entry for key, entry in read.items()})
        return found

    def _entry(self, body: bytes, doc_id: str) -> Entry | None:
        whole = _parts_of(body)
        entries: Iterable[Entry]
        if whole is None and msgspec.msgpack.encode(doc_id) not in body:
            return None
        if whole is None:
            # Not remembered: a walk through history would push out what promotions need.
            entries = Tree.unpack(body).entries
        elif len(whole.chunks) == CHUNKS:
            entries = self._chunks([whole.chunks[chunk_of(doc_id)]])
        else:
            # Parts that are equal, being empty, are listed once: their order tells nothing.
            entries = self._chunks(whole.chunks)
        return next((entry for entry in entries if entry.id == doc_id), None)

    def keep_links(self, digest: str, links: Mapping[str, Links]) -> None:
        """See `Content.keep_links`."""
        self._links.keep(digest, links)

    def links(self, digest: str) -> dict[str, Links]:
        """See `Content.links`. Where none are kept they are found anew; nothing is written."""
        found = self._links.get(digest)
        if found is None:
            tree = self.tree(digest)
            found = compute(tree, self.sources(tree))
            self._links.remember(digest, found)
        return found

    def prefetch_links(self, digests: Iterable[str]) -> None:
        """Open the links of several trees with one query."""
        self._links.prefetch(digests)

    def keep_absent_links(self, digests: Iterable[str]) -> None:
        """Keep the links of those trees that were made before links were kept."""
        for digest in self._links.absent(digests):
            self.keep_links(digest, self.links(digest))

    def source(self, oid: str) -> bytes:
        """Return one document's exact bytes."""
        return open_sealed(Blob.objects.get(oid=oid).body)

    def sources_of(self, oids: Collection[str]) -> dict[str, bytes]:
        """Return some documents' exact bytes, by oid."""
        found: dict[str, bytes] = {}
        wanted = sorted(set(oids))
        for start in range(0, len(wanted), _BATCH):
            blobs = Blob.objects.in_bulk(wanted[start : start + _BATCH])
            found |= {oid: open_sealed(blob.body) for oid, blob in blobs.items()}
        return found

    def sources(self, tree: Tree) -> Iterator[tuple[str, bytes]]:
        """See `Sources.sources`; holds a batch in memory."""
        for entries in _parts(tree.entries):
            blobs = Blob.objects.in_bulk([entry.oid for entry in entries])
            for entry in entries:
                yield entry.id, open_sealed(blobs[entry.oid].body)
