"""Content that is read to be looked at: in memory, over what the database keeps."""

import zlib
from collections.abc import Collection, Iterable, Mapping

from environments.links import Links
from promotion.engine.manifest import Tree
from promotion.store import DatabaseContent


class Overlay:
    """Implements `promotion.engine.ports.Content`; writes nothing to the database.

    A page that shows what is there now must not change what is kept.
    """

    def __init__(self) -> None:
        self._under = DatabaseContent()
        self._blobs: dict[str, bytes] = {}
        self._trees: dict[str, Tree] = {}
        self._links: dict[str, dict[str, Links]] = {}

    def known(self, oids: Iterable[str]) -> set[str]:
        """See `Content.known`."""
        wanted = set(oids)
        own = wanted & self._blobs.keys()
        return own | self._under.known(wanted - own)

    def keep_blobs(self, sources: Mapping[str, bytes]) -> None:
        """See `Content.keep_blobs`; until this overlay is forgotten."""
        have = self.known(sources)
        for oid, raw in sources.items():
            if oid not in have:
                self._blobs[oid] = zlib.compress(raw, 1)

    def keep_tree(self, tree: Tree) -> None:
        """See `Content.keep_tree`; until this overlay is forgotten."""
        self._trees[tree.digest] = tree

    def tree(self, digest: str) -> Tree:
        """See `Content.tree`."""
        return self._trees.get(digest) or self._under.tree(digest)

    def keep_links(self, digest: str, links: Mapping[str, Links]) -> None:
        """See `Content.keep_links`; until this overlay is forgotten."""
        self._links[digest] = dict(links)

    def links(self, digest: str) -> dict[str, Links]:
        """See `Content.links`."""
        found = self._links.get(digest)
        return found if found is not None else self._under.links(digest)

    def source(self, oid: str) -> bytes:
        """Return one document's exact bytes."""
        held = self._blobs.get(oid)
        return zlib.decompress(held) if held is not None else self._under.source(oid)

    def sources_of(self, oids: Collection[str]) -> dict[str, bytes]:
        """Return some documents' exact bytes, by oid."""
        own = {oid: zlib.decompress(self._blobs[oid]) for oid in oids if oid in self._blobs}
        return own | self._under.sources_of([oid for oid in oids if oid not in own])
