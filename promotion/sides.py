"""What can be compared: a build, what went live in an environment, or an environment as it is now.

Each has a reference of its own, for addresses and the command line: `staging:12`, `production:g7`
for a generation, `production:live` and `production:now`.
"""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

from django.conf import settings

from environments.elastic import connect
from environments.models import Environment
from promotion.again import for_a_page
from promotion.cluster import ClusterReader
from promotion.engine.capture import capture as capture_content
from promotion.engine.dependencies import Configuration, Opened
from promotion.engine.errors import RuleBroken
from promotion.engine.manifest import Tree, TreeDigests
from promotion.models import Build, StoredGeneration
from promotion.overlay import Overlay
from promotion.planning import captured_before
from promotion.store import DatabaseContent

NOW: Final = "now"
LIVE: Final = "live"
# Before the number of a generation.
GENERATION: Final = "g"
# Of so many environments what they hold now is kept in memory, for the next page.
_MOST_LOOKS: Final = 4


class Held(Opened, Protocol):
    """Where a side's trees, links and documents are read."""

    def source(self, oid: str) -> bytes:
        """Return a document's exact bytes."""

    def sources_of(self, oids: Collection[str]) -> dict[str, bytes]:
        """Return some documents' exact bytes, by oid; all of them are in memory then."""


def seen_with(build: Build) -> tuple[Environment, ...]:
    """Return whose builds a person must be allowed to see, to see this one.

    What was composed holds what production serves.
    """
    target = build.target
    if build.kind == Build.Kind.COMPOSED and target is not None:
        return build.environment, target
    return (build.environment,)


@dataclass(frozen=True)
class Side:
    """One of the two that are compared. `words` name it for people."""

    ref: str
    words: str
    environment: Environment
    trees: Mapping[str, TreeDigests]
    content: Held
    build: Build | None = None

    @cached_property
    def configuration(self) -> Configuration:
        """What its documents use, and are used by."""
        digests = {name: tree.digest for name, tree in self.trees.items()}
        return Configuration(digests, self.content)

    def tree(self, resource: str) -> Tree:
        """Return a resource's documents; none where this side has no such resource."""
        held = self.trees.get(resource)
        return self.content.tree(held.digest) if held is not None else Tree.of(resource, ())


def split(ref: str) -> tuple[str, str]:
    """Return the slug and what is meant of that environment.

    Raises:
        RuleBroken: it is no reference.
    """
    slug, colon, which = ref.rpartition(":")
    number = which.removeprefix(GENERATION)
    is_number = number.isascii() and number.isdecimal() and len(number) < 10
    if not colon or not slug or not (which in {NOW, LIVE} or is_number):
        raise RuleBroken(
            f"{ref[:200]!r} names nothing that can be compared. Write an environment's short name "
            "and, behind a colon, a build's number, or g and a generation's, or live, or now: "
            "staging:12, production:g7, production:live."
        )
    return slug, which


def side(environment: Environment, which: str) -> Side:
    """Return a build or a generation by its number, what is live, or what is there now.

    Raises:
        RuleBroken: there is no such build or generation, or nothing went live.
        ElasticError, PromotionError: the cluster could not be read as it is now.
    """
    ref = f"{environment.slug}:{which}"
    if which == NOW:
        trees, content = _now(environment)
        return Side(ref, f"{environment} now", environment, trees, content)
    if which == LIVE:
        live = StoredGeneration.live_in(environment)
        if live is None:
            raise RuleBroken(f"Nothing of this console is live in {environment}. Adopt it first.")
        return _of_generation(ref, live)
    if which.startswith(GENERATION):
        number = int(which.removeprefix(GENERATION))
        stored = StoredGeneration.objects.filter(environment=environment, number=number).first()
        if stored is None:
            raise RuleBroken(f"{environment} has no generation {number}.")
        return _of_generation(ref, stored)
    build = Build.objects.filter(environment=environment, number=int(which)).first()
    if build is None:
        raise RuleBroken(f"{environment} has no build {which}.")
    return of_build(build)


def _of_generation(ref: str, stored: StoredGeneration) -> Side:
    held = {name: one.tree for name, one in stored.generation.resources.items()}
    environment = stored.environment
    words = f"{environment}, generation {stored.number}"
    return Side(ref, words, environment, held, DatabaseContent())


def of_build(build: Build) -> Side:
    """Return a build as a side."""
    trees = {name: part.tree for name, part in build.resources().items()}
    ref = f"{build.environment.slug}:{build.number}"
    return Side(ref, str(build), build.environment, trees, DatabaseContent(), build)


_Look = tuple[Mapping[str, TreeDigests], Overlay]
_looks: Final[dict[tuple[int, str], _Look]] = {}
_guard: Final = threading.Lock()


def _now(environment: Environment) -> _Look:
    """Read what an environment holds, unless nobody wrote to it since it was last read."""
    reader = ClusterReader(connect(environment.cluster))
    promoted = environment.catalogue.promoted
    # The first answer tells whether there is any: only for that a page does not wait.
    with for_a_page():
        reader.same_uuid(environment.cluster, "Nothing was read.")
    # Looked at first: what is written while it is read makes the next page read again.
    key = environment.pk, reader.glance([environment.naming.alias(r.name) for r in promoted])
    with _guard:
        look = _looks.get(key)
    if look is None or not key[1]:
        look = _read(reader, environment)
        with _guard:
            _looks.pop(key, None)
            _looks[key] = look
            while len(_looks) > _MOST_LOOKS:
                del _looks[next(iter(_looks))]
    return look


def _read(reader: ClusterReader, environment: Environment) -> _Look:
    naming, overlay = environment.naming, Overlay()
    aliases = [naming.alias(resource.name) for resource in naming.catalogue.promoted]
    states = reader.states(aliases)
    live, last = StoredGeneration.live_in(environment), Build.last_read(environment)
    if live is not None:
        previous = captured_before(live.generation, states)
    else:
        previous = last.resources() if last is not None else {}
    found = capture_content(
        reader,
        overlay,
        naming,
        previous=previous,
        limit=settings.MAX_DOCUMENT_BYTES,
        states=states,
    )
    return {name: part.tree for name, part in found.resources.items()}, overlay
