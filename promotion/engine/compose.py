"""A new configuration out of what production serves and some of a build's changes; pure."""

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from environments.links import Links
from promotion.engine.dependencies import Configuration, Key, Need, needs
from promotion.engine.diff import Change, DocumentChange, compare
from promotion.engine.manifest import Tree


@dataclass(frozen=True)
class Choice:
    """Which changes a person wants: whole resources, single documents, and what to leave out."""

    whole: frozenset[str] = frozenset()
    documents: frozenset[Key] = frozenset()
    without: frozenset[Key] = frozenset()

    def chosen(self, changes: Iterable[Key]) -> set[Key]:
        """Return those of the changes that are chosen, without what they need."""
        return {
            key
            for key in changes
            if (key[0] in self.whole or key in self.documents) and key not in self.without
        }

    def known(self, changes: Collection[Key]) -> Self:
        """Return the choice without what does not change."""
        resources = {key[0] for key in changes}
        return type(self)(
            self.whole & resources,
            frozenset(key for key in self.documents if key in changes),
            frozenset(key for key in self.without if key in changes),
        )

    def unknown(self, changes: Collection[Key]) -> list[str]:
        """Return in words what the choice names and does not change."""
        kept = self.known(changes)
        keys = (self.documents - kept.documents) | (self.without - kept.without)
        return sorted([*(self.whole - kept.whole), *("/".join(key) for key in keys)])

    def to_dict(self) -> dict[str, Any]:
        return {
            "whole": sorted(self.whole),
            "documents": [list(key) for key in sorted(self.documents)],
            "without": [list(key) for key in sorted(self.without)],
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Return the choice that `to_dict` was asked of."""
        return cls(
            frozenset(raw["whole"]),
            frozenset((resource, doc_id) for resource, doc_id in raw["documents"]),
            frozenset((resource, doc_id) for resource, doc_id in raw["without"]),
        )


def changes(base: Configuration, wanted: Configuration) -> dict[Key, DocumentChange]:
    """Return what a person would call a change from `base` to `wanted`, by resource and id."""
    return {
        (resource, change.entry.id): change
        for resource in wanted.resources
        if base.digests.get(resource) != wanted.digests[resource]
        for change in compare(base.tree(resource), wanted.tree(resource))
        if change.kind is not Change.NOISE
    }


@dataclass(frozen=True)
class Composition:
    """What comes of a choice: the changes that are taken over, why, and what is there then.

    `chosen` were asked for, `needed` are what those cannot do without, some of it left out.
    """

    chosen: frozenset[Key]
    needed: tuple[Need, ...]
    trees: Mapping[str, Tree]
    links: Mapping[str, Mapping[str, Links]]
    result: Configuration

    @cached_property
    def added(self) -> tuple[Need, ...]:
        """What is taken over although nobody asked for it."""
        return tuple(need for need in self.needed if not need.left_out)


def compose(
    base: Configuration,
    wanted: Configuration,
    choice: Choice,
    known: Collection[Key],
) -> Composition:
    """Return `base` with the chosen changes to `wanted`, and with what those need.

    `known` are the changes from `base` to `wanted`. Documents that are not taken over stay as they
    are in `base`, to the byte.
    """
    chosen = choice.chosen(known)
    needed = needs(chosen, wanted, base, choice.without)
    taken = chosen | {need.key for need in needed if not need.left_out}
    trees, links = {}, {}
    for resource in {key[0] for key in taken}:
        ids = {doc_id for name, doc_id in taken if name == resource}
        trees[resource] = _merged(base.tree(resource), wanted.tree(resource), ids)
        links[resource] = _merged_links(base.links(resource), wanted.links(resource), ids)
    result = base.with_trees(trees, links)
    return Composition(frozenset(chosen), tuple(needed), trees, links, result)


def restoring(base: Configuration, wanted: Configuration, key: Key) -> Choice:
    """Return the choice of one document as `wanted` has it, and of what it lacks in `base`.

    What it needs and `base` has in another version stays as it is there: nobody asked to take that
    back. One that is taken away once more takes its users along, or they would dangle.
    """
    documents = frozenset({key})
    if wanted.entry(key) is None:
        return Choice(documents=documents)
    found = {need.key for need in needs(documents, wanted, base)}
    there = frozenset(other for other in found if base.entry(other) is not None)
    return Choice(documents=documents, without=there)


def _merged(base: Tree, wanted: Tree, ids: Set[str]) -> Tree:
    kept = [entry for entry in base.entries if entry.id not in ids]
    return Tree.of(base.resource, [*kept, *(wanted.by_id[i] for i in ids if i in wanted.by_id)])


def _merged_links(
    base: Mapping[str, Links], wanted: Mapping[str, Links], ids: Set[str]
) -> dict[str, Links]:
    kept = {doc_id: links for doc_id, links in base.items() if doc_id not in ids}
    return kept | {doc_id: wanted[doc_id] for doc_id in ids if doc_id in wanted}
