"""Which documents of a configuration use which others, and which use them."""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from typing import Final, Protocol

from environments.links import NOTHING, Link, Links
from environments.references import SOFT_TARGETS
from environments.visible import visible
from promotion.engine.manifest import Entry, Tree

# What one document is called by: its resource and its id.
Key = tuple[str, str]

# In words, what a document of the first kind does with one of the second.
_VERBS: Final[Mapping[Key, str]] = {
    ("rule", "flow"): "runs",
    ("rule", "event-source"): "waits for events from",
    ("rule", "event-management"): "waits for",
    ("rule", "consent-type"): "asks for",
    ("rule", "segment"): "waits for",
    ("live-segment", "flow"): "runs",
    ("destination", "resource"): "sends through",
    ("destination", "event-source"): "sends what comes from",
    ("destination", "event-management"): "sends",
    ("event-redirect", "event-source"): "makes events of",
    ("event-redirect", "event-management"): "makes",
    ("event-reshaping", "event-source"): "reshapes events from",
    ("event-reshaping", "event-management"): "reshapes",
    ("event-validation", "event-management"): "validates",
    ("event-source", "bridge"): "receives by",
    ("consent-data-compliance", "consent-type"): "asks for",
}
_KINDS: Final[Mapping[str, str]] = {
    "event-management": "event type",
    "event-to-profile": "mapping to the profile",
    "event-tags": "tags of the event type",
    "event-validation": "validation",
    "event-reshaping": "reshaping",
    "consent-data-compliance": "data compliance rule",
}


def kind_of(resource: str) -> str:
    """Return what one document of a resource is called in a sentence."""
    return _KINDS.get(resource, resource.replace("-", " "))


def verb_of(user: str, used: str) -> str:
    """Return in words what a document of one resource does with one of another."""
    return _VERBS.get((user, used), "uses" if user == "flow" else "refers to")


class Opened(Protocol):
    """Where trees and links are opened, by digest: a part of `promotion.engine.ports.Content`."""

    def tree(self, digest: str) -> Tree:
        """Return a kept tree."""

    def links(self, digest: str) -> dict[str, Links]:
        """Return the links of a tree's documents, by id; most may be absent."""


@dataclass(frozen=True)
class Use:
    """One document that uses, or is used by, another one.

    `key` is the other one, `words` what the user does with the used. `is_there` says whether the
    other is in the configuration; `drafted` that only a draft or a backup of a flow mentions it.
    """

    key: Key
    title: str
    words: str
    soft: bool
    is_there: bool = True
    drafted: bool = False


class Configuration:
    """All documents of an environment or a build; each tree is opened when it is asked for."""

    def __init__(self, digests: Mapping[str, str], content: Opened) -> None:
        """Take each resource's digest of its tree, and where trees are opened."""
        self._digests = digests
        self._content = content
        self._trees: dict[str, Tree] = {}
        self._links: dict[str, Mapping[str, Links]] = {}
        self._aliases: dict[str, str] | None = None

    def with_trees(
        self, trees: Mapping[str, Tree], links: Mapping[str, Mapping[str, Links]]
    ) -> "Configuration":
        """Return this configuration with other documents for some resources."""
        digests = {name: tree.digest for name, tree in trees.items()}
        made = Configuration({**self._digests, **digests}, self._content)
        made._trees = {**self._trees, **trees}
        made._links = {**self._links, **links}
        return made

    @property
    def resources(self) -> tuple[str, ...]:
        return tuple(self._digests)

    @property
    def digests(self) -> Mapping[str, str]:
        return self._digests

    def tree(self, resource: str) -> Tree:
        """Return a resource's documents; none where it has no such resource."""
        if resource not in self._trees:
            digest = self._digests.get(resource)
            self._trees[resource] = (
                self._content.tree(digest) if digest is not None else Tree(resource, ())
            )
        return self._trees[resource]

    def links(self, resource: str) -> Mapping[str, Links]:
        """Return the links of a resource's documents by id; most may be absent."""
        if resource not in self._links:
            digest = self._digests.get(resource)
            self._links[resource] = self._content.links(digest) if digest is not None else {}
        return self._links[resource]

    def links_of(self, key: Key) -> Links:
        """Return one document's links."""
        return self.links(key[0]).get(key[1], NOTHING)

    def entry(self, key: Key) -> Entry | None:
        """Return a document, or None where there is none."""
        return self.tree(key[0]).by_id.get(key[1])

    def title(self, key: Key, otherwise: str = "") -> str:
        """Return a document's title; for one that is not there what it is called otherwise."""
        entry = self.entry(key)
        return entry.title if entry is not None else visible(otherwise or key[1])

    def target(self, link: Link) -> Key:
        """Return what a link leads to, be it there or not. A segment may be named by its alias."""
        if link.resource == "segment" and link.id not in self.tree("segment").by_id:
            if self._aliases is None:
                found = self.links("segment").items()
                self._aliases = {links.alias: doc_id for doc_id, links in found if links.alias}
            return link.resource, self._aliases.get(link.id, link.id)
        return link.resource, link.id

    def uses(self, key: Key) -> list[Use]:
        """Return what a document uses, what it cannot do without first."""
        found = {}
        for link in self.links_of(key).to:
            target = self.target(link)
            # What is shared, a bridge, is in no configuration.
            there = target[0] not in self._digests or self.entry(target) is not None
            found[target] = Use(
                target,
                self.title(target, link.name),
                verb_of(key[0], target[0]),
                link.soft,
                there,
                is_drafted(link),
            )
        return sorted(found.values(), key=lambda use: (use.soft, use.key[0], use.title))

    def used_by(self, key: Key) -> list[Use]:
        """Return which documents use one, those that cannot do without it first."""
        return self.users_of([key])[key]

    def users_of(self, keys: Collection[Key]) -> dict[Key, list[Use]]:
        """Return which documents use each of some, in one pass over all links."""
        called: dict[Key, Key] = {}
        for key in keys:
            for name in {key[1], self.links_of(key).alias} - {""}:
                called[key[0], name] = key
        found: dict[Key, dict[Key, Use]] = {key: {} for key in keys}
        for resource in self.resources:
            for doc_id, links in self.links(resource).items():
                for link in links.to:
                    key = called.get((link.resource, link.id), ("", ""))
                    if key in found and self.target(link) == key:
                        found[key][resource, doc_id] = Use(
                            (resource, doc_id),
                            self.title((resource, doc_id)),
                            verb_of(resource, key[0]),
                            link.soft,
                            drafted=is_drafted(link),
                        )
        return {
            key: sorted(of.values(), key=lambda use: (use.soft, use.key[0], use.title))
            for key, of in found.items()
        }


def around(configuration: Configuration, keys: Collection[Key], *, most: int) -> set[Key]:
    """Return some documents with all that they use and are used by, and so on.

    It ends at `most`; what those use at once is there too.
    """
    found: set[Key] = set()
    due = sorted(key for key in keys if configuration.entry(key) is not None)[:most]
    # Down to what each uses, and up to what uses it: not down again from there, or all is joined.
    for upwards in (False, True):
        level = due
        while level and len(found) < most:
            found |= set(level[: most - len(found)])
            users = configuration.users_of(level) if upwards else {}
            each = (users[key] if upwards else configuration.uses(key) for key in level)
            level = sorted({use.key for uses in each for use in uses if use.is_there} - found)
            level = [key for key in level if configuration.entry(key) is not None]
        due = [key for key in due if key in found]
    # What one of them uses is there, and must not be taken for missing.
    used = sorted({use.key for key in found for use in configuration.uses(key)} - found)
    return found | {key for key in used if configuration.entry(key) is not None}


def is_drafted(link: Link) -> bool:
    """Answer whether only the draft or the backup of a flow mentions what is linked."""
    return link.soft and link.resource not in SOFT_TARGETS


@dataclass(frozen=True)
class Need:
    """A change that a choice cannot do without, and why: which others ask for it.

    `left_out` says that a person did without it all the same.
    """

    key: Key
    because: tuple["Reason", ...]
    left_out: bool = False


@dataclass(frozen=True)
class Reason:
    """`key` is the document that asks for another; `removes` says that the other is used by it.

    That is: what is chosen takes `key` away, and the other would still use it.
    """

    key: Key
    removes: bool = False


def needs(
    chosen: Set[Key],
    wanted: Configuration,
    base: Configuration,
    without: Set[Key] = frozenset(),
) -> list[Need]:
    """Return the changes from `base` to `wanted` that those chosen cannot do without.

    Of a document that is taken over: what it cannot do without, as far as that is absent or
    different in `base`. Of one that is taken away: what in `base` still uses it and does not in
    `wanted`. So on for each of those. What is in `without` is named, and asks for no more.
    """
    because: dict[Key, list[Reason]] = {}
    users = _Users(base)
    due, seen = sorted(chosen - without), set(chosen)
    while due:
        key = due.pop()
        for other, removes in _asked(key, wanted, base, users):
            if other in chosen and other not in without:
                continue
            because.setdefault(other, []).append(Reason(key, removes))
            if other not in seen and other not in without:
                seen.add(other)
                due.append(other)
    return [Need(key, tuple(because[key]), key in without) for key in sorted(because)]


class _Users:
    """Which documents of a configuration cannot do without another; found when first asked."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._by_used: dict[Key, list[Key]] | None = None

    def of(self, key: Key) -> list[Key]:
        if self._by_used is None:
            self._by_used = {}
            held = self._configuration
            for resource in held.resources:
                for doc_id, links in held.links(resource).items():
                    for link in links.to:
                        if not link.soft:
                            used = self._by_used.setdefault((link.resource, link.id), [])
                            used.append((resource, doc_id))
        return self._by_used.get(key, [])


def _asked(
    key: Key, wanted: Configuration, base: Configuration, users: _Users
) -> list[tuple[Key, bool]]:
    if wanted.entry(key) is None:
        return [(user, True) for user in users.of(key) if differs(user, wanted, base)]
    links = (link for link in wanted.links_of(key).to if not link.soft)
    targets = [wanted.target(link) for link in links]
    return [
        (target, False)
        for target in targets
        if wanted.entry(target) is not None and differs(target, wanted, base)
    ]


def differs(key: Key, wanted: Configuration, base: Configuration) -> bool:
    """Answer whether a document is another, or is there in one alone; noise is no difference."""
    if wanted.digests.get(key[0]) == base.digests.get(key[0]):
        return False
    one, other = wanted.entry(key), base.entry(key)
    return (one.content if one else None) != (other.content if other else None)
