"""Which documents of a configuration workflow tests go through, and which none does; pure.

A test touches its source and its event types, each enabled rule that such an event fires, the flows
that those run, the destinations that it is sent to, and all that these use. So says the
configuration; what a run of the test went through, and what it expects, counts besides.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from environments.links import NOTHING
from promotion.engine.dependencies import Configuration, Key, is_drafted
from promotion.engine.workflow import NEGATED, RESOURCES, Expectation, WorkflowTest

# What ought to be touched by a test; the rest is what these use.
COVERED: Final = ("event-source", "rule", "flow", "destination")
# What takes an event by its type and its source: besides those above, what it goes through before.
_TAKERS: Final = (
    "rule",
    "destination",
    "event-redirect",
    "event-reshaping",
    "event-validation",
    "event-to-profile",
    "event-tags",
    "consent-data-compliance",
    "identification-point",
)


@dataclass(frozen=True)
class Ran:
    """The ids of the flows and rules that a test's last run went through."""

    flows: Collection[str] = ()
    rules: Collection[str] = ()


@dataclass(frozen=True)
class Part:
    """How much of one resource tests go through; those that none touches, by title."""

    resource: str
    total: int
    untouched: tuple[Key, ...]

    @property
    def touched(self) -> int:
        return self.total - len(self.untouched)


class _Taker(NamedTuple):
    """What takes an event: a rule, a destination. Without sources it takes it from each."""

    key: Key
    sources: frozenset[str]


@dataclass
class _Index:
    """What takes events, by type; those that name no type are under the empty one."""

    takers: dict[str, list[_Taker]] = field(default_factory=dict)
    # The rules that a profile fires by entering a segment.
    by_segment: dict[str, list[Key]] = field(default_factory=dict)


class Reach:
    """What tests go through in one configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self._held = configuration
        self._index = _indexed(configuration)

    def touched(self, test: WorkflowTest, ran: Ran | None = None) -> frozenset[Key]:
        """Return the documents that a test goes through, with all that they use."""
        types = {event.type for event in test.events}
        found: set[Key] = {("event-source", test.source)}
        found |= {_key(one) for one in _naming(test) if one.kind not in NEGATED}
        # A flow may raise an event, which fires rules of its own.
        types |= {key[1] for key in found if key[0] == "event-management"}
        if ran is not None:
            found |= {("flow", one) for one in ran.flows} | {("rule", one) for one in ran.rules}
        found |= {("event-management", kind) for kind in types}
        for kind in (*types, ""):
            for taker in self._index.takers.get(kind, ()):
                if not taker.sources or test.source in taker.sources:
                    found.add(taker.key)
        for key in [self._known(key) for key in found]:
            if key[0] == "segment":
                found.update(self._index.by_segment.get(key[1], ()))
        return frozenset(self._with_used(found))

    def concerns(self, test: WorkflowTest, ran: Ran | None = None) -> frozenset[Key]:
        """Return what a test touches, and what it expects not to happen: a change may break it."""
        named = {_key(one) for one in _naming(test) if one.kind in NEGATED}
        return self.touched(test, ran) | frozenset(self._with_used(named))

    def parts(self, touched: Collection[Key]) -> list[Part]:
        """Return how much of each resource that ought to be tested is among what is touched.

        What is disabled runs nothing, and what is Tracardi's own is nobody's to test.
        """
        found = []
        for resource in COVERED:
            links, held = self._held.links(resource), self._held.tree(resource).entries
            due = [one for one in held if one.content and not links.get(one.id, NOTHING).is_off]
            missed = [one for one in due if (resource, one.id) not in touched]
            missed.sort(key=lambda one: (one.title.casefold(), one.id))
            found.append(Part(resource, len(due), tuple((resource, one.id) for one in missed)))
        return found

    def _with_used(self, keys: Iterable[Key]) -> set[Key]:
        found: set[Key] = set()
        due = [self._known(key) for key in keys]
        while due:
            key = due.pop()
            if key in found:
                continue
            found.add(key)
            due += [
                self._held.target(one) for one in self._held.links_of(key).to if not is_drafted(one)
            ]
        return found

    def _known(self, key: Key) -> Key:
        """Return what is meant: a profile is in a segment by the segment's machine name."""
        if key[0] != "segment" or self._held.entry(key) is not None:
            return key
        for doc_id, links in self._held.links("segment").items():
            if links.alias == key[1]:
                return "segment", doc_id
        return key


def touching(
    changed: Collection[Key],
    tests: Mapping[str, WorkflowTest],
    reaches: Sequence[Reach],
    ran: Mapping[str, Ran],
) -> dict[str, list[Key]]:
    """Return the tests, by name, that go through any of what changed, each with that.

    `reaches` are of the configurations before and after: what was removed is in one alone.
    """
    wanted, found = set(changed), {}
    for name, test in tests.items():
        concerned: set[Key] = set()
        for reach in reaches:
            concerned |= reach.concerns(test, ran.get(name)) & wanted
        if concerned:
            found[name] = sorted(concerned)
    return found


def absent(test: WorkflowTest, configuration: Configuration) -> list[Key]:
    """Return what a test names that the configuration does not have: it can only fail, or is void.

    Events carry types, and profiles segments and consents, that no document describes.
    """
    named = {("event-source", test.source), *map(_key, _naming(test))}
    hard = {"event-source", "flow", "rule"}
    return sorted(key for key in named if key[0] in hard and configuration.entry(key) is None)


def _indexed(held: Configuration) -> _Index:
    made = _Index()
    for resource in _TAKERS:
        for doc_id in held.tree(resource).by_id:
            links = held.links(resource).get(doc_id, NOTHING)
            if links.is_off:
                continue
            by: dict[str, list[str]] = {}
            for link in links.to:
                by.setdefault(link.resource, []).append(held.target(link)[1])
            key, types = (resource, doc_id), by.get("event-management", [])
            if not types and (segments := by.get("segment")):
                for one in segments:
                    made.by_segment.setdefault(one, []).append(key)
                continue
            taker = _Taker(key, frozenset(by.get("event-source", ())))
            for kind in types or [""]:
                made.takers.setdefault(kind, []).append(taker)
    return made


def _naming(test: WorkflowTest) -> Iterator[Expectation]:
    """Yield the expectations that name a document."""
    return (one for one in test.expected if one.kind in RESOURCES)


def _key(one: Expectation) -> Key:
    return RESOURCES[one.kind], one.subject
