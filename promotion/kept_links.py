"""What the documents of a tree refer to, as it is kept in the database.

In the same parts as a large tree: links that changed little share most of them with earlier ones.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from environments.documents import decoded, parse
from environments.links import Linker, Links
from promotion.engine.manifest import CHUNKS, Tree, chunk_of, oid_of
from promotion.engine.recent import Recent
from promotion.models import Blob, StoredLinks
from promotion.sealing import open_sealed, seal

# Of so many documents links are kept in memory, at some 200 bytes each.
RECENT_LINKS: Final = 250_000
# From so many documents on they are kept in parts.
LARGE: Final = 2000
# SQLite takes a bounded number of parameters a statement.
_BATCH: Final = 400

_recent: Final[Recent[str, dict[str, Links]]] = Recent(RECENT_LINKS)


class _Part(msgspec.Struct, array_like=True):
    """Each different links once, and the documents' ids with the place of theirs."""

    links: list[Links]
    ids: list[tuple[str, int]]


class _Kept(msgspec.Struct, array_like=True):
    """Either the one part, or the oids of the blobs that hold the parts."""

    form: int
    whole: _Part | None
    parts: list[str]


_FORMAT: Final = 1


def compute(tree: Tree, sources: Iterable[tuple[str, bytes]]) -> dict[str, Links]:
    """Find the links of a tree's documents from their exact sources (id, source)."""
    linker = Linker()
    found = {}
    for doc_id, source in sources:
        plain = decoded(tree.resource, parse(source))
        links = linker.links(tree.resource, doc_id, plain)
        if links is not None:
            found[doc_id] = links
    return found


class KeptLinks:
    """Links by the digest of their tree. `keep_blobs` keeps exact bytes under their oids."""

    def __init__(self, keep_blobs: Callable[[Mapping[str, bytes]], None]) -> None:
        self._keep_blobs = keep_blobs

    def absent(self, digests: Iterable[str]) -> list[str]:
        """Return those of the trees whose links are not kept; each is kept as a tree."""
        wanted = list(dict.fromkeys(digests))
        there: set[str] = set()
        for start in range(0, len(wanted), _BATCH):
            rows = StoredLinks.objects.filter(tree__in=wanted[start : start + _BATCH])
            there.update(rows.values_list("tree_id", flat=True))
        return [digest for digest in wanted if digest not in there]

    def keep(self, digest: str, links: Mapping[str, Links]) -> None:
        """Keep a tree's links; again is harmless."""
        if self.absent([digest]):
            StoredLinks.objects.get_or_create(
                tree_id=digest, defaults={"body": seal(self._packed(links))}
            )
        self.remember(digest, dict(links))

    def get(self, digest: str) -> dict[str, Links] | None:
        """Return a tree's links, or None where they are not kept."""
        found = _recent.get(digest)
        if found is None:
            row = StoredLinks.objects.filter(tree=digest).first()
            if row is None:
                return None
            found = self._unpacked(open_sealed(row.body))
            _recent.put(digest, found)
        return found

    def prefetch(self, digests: Iterable[str]) -> None:
        """Open the links of several trees with one query, as far as they are kept."""
        wanted = [digest for digest in dict.fromkeys(digests) if _recent.get(digest) is None]
        for start in range(0, len(wanted), _BATCH):
            for row in StoredLinks.objects.filter(tree__in=wanted[start : start + _BATCH]):
                _recent.put(row.tree_id, self._unpacked(open_sealed(row.body)))

    def remember(self, digest: str, links: dict[str, Links]) -> None:
        """Keep links in memory, with others of RECENT_LINKS documents at most."""
        _recent.put(digest, links)

    def _packed(self, links: Mapping[str, Links]) -> bytes:
        if len(links) < LARGE:
            return msgspec.msgpack.encode(_Kept(_FORMAT, _part(sorted(links), links), []))
        ids: list[list[str]] = [[] for _ in range(CHUNKS)]
        for doc_id in sorted(links):
            ids[chunk_of(doc_id)].append(doc_id)
        parts = {}
        for some in ids:
            packed = msgspec.msgpack.encode(_part(some, links))
            parts[oid_of(packed)] = packed
        self._keep_blobs(parts)
        return msgspec.msgpack.encode(_Kept(_FORMAT, None, list(parts)))

    def _unpacked(self, packed: bytes) -> dict[str, Links]:
        kept = msgspec.msgpack.decode(packed, type=_Kept)
        parts = [kept.whole] if kept.whole is not None else []
        for blob in Blob.objects.filter(oid__in=kept.parts).iterator():
            parts.append(msgspec.msgpack.decode(open_sealed(blob.body), type=_Part))
        linker, found = Linker(), {}
        for part in parts:
            same = [linker.same(links) for links in part.links]
            for doc_id, place in part.ids:
                found[doc_id] = same[place]
        return found


def _part(ids: Iterable[str], links: Mapping[str, Links]) -> _Part:
    # Equal ones are mostly one object: to tell them by that is much faster than by what they hold.
    places: dict[int, int] = {}
    different: list[Links] = []
    listed = []
    for doc_id in ids:
        one = links[doc_id]
        place = places.setdefault(id(one), len(different))
        if place == len(different):
            different.append(one)
        listed.append((doc_id, place))
    return _Part(different, listed)
