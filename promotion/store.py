"""The content of builds in the database; implements `promotion.engine.ports.Content`."""

import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from environments.crypto import decrypt, encrypt
from promotion.engine.manifest import Entry, Tree
from promotion.models import Blob, StoredTree

# Both trees of a large resource, at some 500 bytes a document.
RECENT_ENTRIES: Final = 250_000
# SQLite takes a bounded number of parameters a statement.
_BATCH = 400
_BATCH_BYTES = 8 * 1024 * 1024


# The trees that were opened last: one promotion opens the same few again and again.
_recent: Final[dict[str, Tree]] = {}
_guard: Final = threading.Lock()


def _remember(tree: Tree) -> None:
    """Keep a tree in memory, with others of RECENT_ENTRIES documents at most."""
    with _guard:
        _recent[tree.digest] = tree
        kept = sum(len(one.entries) for one in _recent.values())
        for digest in list(_recent):
            if kept <= RECENT_ENTRIES:
                break
            kept -= len(_recent.pop(digest).entries)


def _seal(plain: bytes) -> bytes:
    return encrypt(zlib.compress(plain, 1))


def _open(body: bytes | memoryview) -> bytes:
    return zlib.decompress(decrypt(bytes(body)))


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

    def known(self, oids: Iterable[str]) -> set[str]:
        """See `Content.known`."""
        wanted = list(dict.fromkeys(oids))
        found: set[str] = set()
        for start in range(0, len(wanted), _BATCH):
            part = wanted[start : start + _BATCH]
            found.update(Blob.objects.filter(oid__in=part).values_list("oid", flat=True))
        return found

    def keep_blobs(self, sources: Mapping[str, bytes]) -> None:
        """See `Content.keep_blobs`."""
        have = self.known(sources)
        Blob.objects.bulk_create(
            [Blob(oid=oid, body=_seal(raw)) for oid, raw in sources.items() if oid not in have],
            batch_size=_BATCH,
            # Another capture may have kept the same document a moment ago.
            ignore_conflicts=True,
        )

    def keep_tree(self, tree: Tree) -> None:
        """See `Content.keep_tree`."""
        StoredTree.objects.get_or_create(
            digest=tree.digest,
            defaults={
                "resource": tree.resource,
                "exact": tree.exact,
                "content": tree.content,
                "count": len(tree.entries),
                "size": tree.size,
                "body": _seal(tree.pack()),
            },
        )
        _remember(tree)

    def tree(self, digest: str) -> Tree:
        """See `Content.tree`."""
        tree = _recent.get(digest)
        if tree is None:
            tree = Tree.unpack(_open(StoredTree.objects.get(digest=digest).body))
            _remember(tree)
        return tree

    def source(self, oid: str) -> bytes:
        """Return one document's exact bytes."""
        return _open(Blob.objects.get(oid=oid).body)

    def sources(self, tree: Tree) -> Iterator[tuple[str, bytes]]:
        """See `Sources.sources`; holds a batch in memory."""
        for entries in _parts(tree.entries):
            blobs = Blob.objects.in_bulk([entry.oid for entry in entries])
            for entry in entries:
                yield entry.id, _open(blobs[entry.oid].body)
