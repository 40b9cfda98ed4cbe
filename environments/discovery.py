"""Which Tracardi installations are in a cluster, by the names of its indices and aliases.

Pure: no Django, no I/O. An installation is a version prefix and a tenant; it has a staging set, a
production set, or both. What Tracardi makes is in docs/tracardi.md.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from environments.catalogue import CATALOGUES, Catalogue, Policy, Resource
from environments.first_few import first_few
from environments.naming import InvalidTenantError, NameKind, Naming, Side
from environments.visible import visible

# What may be an index of Tracardi's, of whichever version; the tenant may hold dots, to be told.
_INDEX: Final = re.compile(
    r"(?P<side>prod-|static-|)(?P<prefix>[0-9][0-9a-z]{1,9})(?:-g[0-9]{6})?"
    r"\.(?P<tenant>.+)\.(?P<storage>tracardi-[^.]+)"
)
_OWN: Final = "tracardi-console."
_MOST_NAMED: Final = 2
_MARKER: Final = re.compile(r"g([0-9]{6})-[a-z0-9]+")
_BY_PREFIX: Final[dict[str, Catalogue]] = {one.prefix: one for one in CATALOGUES.values()}
_LIVE: Final = frozenset({NameKind.CONCRETE, NameKind.GENERATION})


@dataclass(frozen=True)
class IndexFacts:
    """What the cluster says of one index."""

    aliases: frozenset[str] = frozenset()
    is_open: bool = True


class Fault(StrEnum):
    """What is wrong with one resource's names."""

    MISSING = "missing"
    NO_ALIAS = "no-alias"
    AMBIGUOUS = "ambiguous"
    ELSEWHERE = "elsewhere"
    IN_PLACE = "in-place"
    NO_NAME = "no-name"
    CLOSED = "closed"


@dataclass(frozen=True)
class Gap:
    """One resource whose index or alias is not as Tracardi makes it. `holders` have the alias."""

    resource: Resource
    fault: Fault
    words: str
    holders: tuple[str, ...] = ()


@dataclass(frozen=True)
class IndexSet:
    """The staging or production set of one installation.

    `generation` is the one that its marker names, where the console adopted it; `loose` counts the
    generations' indices where no marker names one. `unknown` are indices that are called as its own
    are, of which the catalogue has no resource.
    """

    naming: Naming
    indices: int
    gaps: tuple[Gap, ...]
    generation: int | None = None
    loose: int = 0
    unknown: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.naming.key

    @property
    def is_complete(self) -> bool:
        return not self.gaps

    def gaps_of(self, policy: Policy) -> list[Gap]:
        return [one for one in self.gaps if one.resource.policy is policy]

    @property
    def working(self) -> int:
        """How many of the promoted resources can be read and written as they are."""
        return len(self.naming.catalogue.promoted) - len(self.gaps_of(Policy.PROMOTED))

    @property
    def successor(self) -> str:
        """The prefix of the version whose set has taken this one's names over, or nothing."""
        gaps = self.gaps_of(Policy.PROMOTED)
        found = set()
        for gap in gaps:
            if gap.fault is not Fault.ELSEWHERE:
                return ""
            for holder in gap.holders:
                parts = _INDEX.fullmatch(holder)
                same = parts is not None and parts["tenant"] == self.naming.tenant
                found.add(parts["prefix"] if parts is not None and same else "")
        whole = len(gaps) == len(self.naming.catalogue.promoted)
        [only] = found if len(found) == 1 else {""}
        return only if whole else ""


@dataclass(frozen=True)
class Installation:
    """One version prefix and tenant. `problem` says why the console cannot work with it at all."""

    prefix: str
    tenant: str
    version: str = ""
    problem: str = ""
    sides: frozenset[Side] = frozenset()
    sets: Mapping[Side, IndexSet] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What it is called in a list of what is there."""
        sides = " and ".join(side.value for side in Side if side in self.sides)
        version = self.version or f"prefix {self.prefix}"
        rest = sides or "neither staging nor production"
        return visible(f"{self.tenant} ({version}: {rest})")


@dataclass(frozen=True)
class Discovery:
    """All installations, by tenant and prefix, and names that are like Tracardi's and are not."""

    installations: tuple[Installation, ...]
    strange: tuple[str, ...] = ()

    def find(self, key: str) -> IndexSet | None:
        """Return the set that a key names, such as `prod-08x.acme`."""
        for one in self.sets():
            if one.key == key:
                return one
        return None

    def sets(self) -> Iterator[IndexSet]:
        for installation in self.installations:
            yield from installation.sets.values()


def discover(indices: Mapping[str, IndexFacts]) -> Discovery:
    """Return what installations some indices are of. Names that are not Tracardi's are no matter.

    `indices` are all whose name or alias looks like Tracardi's or like the console's own.
    """
    groups: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    strange = []
    for name in sorted(indices):
        if (parts := _INDEX.fullmatch(name)) is not None:
            groups[parts["tenant"], parts["prefix"]][parts["side"]].append(name)
        elif not name.startswith(_OWN):
            strange.append(name)
    holders: dict[str, list[str]] = defaultdict(list)
    for name in sorted(indices):
        for alias in indices[name].aliases:
            holders[alias].append(name)
    found = [
        _installation(prefix, tenant, names, indices, holders)
        for (tenant, prefix), names in sorted(groups.items())
    ]
    return Discovery(tuple(found), tuple(strange))


def _installation(
    prefix: str,
    tenant: str,
    names: Mapping[str, Sequence[str]],
    indices: Mapping[str, IndexFacts],
    holders: Mapping[str, Sequence[str]],
) -> Installation:
    own = {Side.STAGING: names.get("", ()), Side.PRODUCTION: names.get("prod-", ())}
    sides = frozenset(side for side in Side if own[side])
    catalogue = _BY_PREFIX.get(prefix)
    if catalogue is None:
        known = ", ".join(f"{one.prefix} ({one.version})" for one in CATALOGUES.values())
        problem = f"The console knows no Tracardi with the prefix {prefix}; it knows {known}."
        return Installation(prefix, tenant, problem=problem, sides=sides)
    sets = {}
    for side in sides:
        try:
            naming = Naming(catalogue, tenant, side)
        except InvalidTenantError as error:
            return Installation(prefix, tenant, catalogue.version, str(error), sides)
        sets[side] = _index_set(naming, own[side], indices, holders)
    ordered = {side: sets[side] for side in Side if side in sets}
    return Installation(prefix, tenant, catalogue.version, sides=sides, sets=ordered)


def _index_set(
    naming: Naming,
    own: Sequence[str],
    indices: Mapping[str, IndexFacts],
    holders: Mapping[str, Sequence[str]],
) -> IndexSet:
    known = {name: what for name in own if (what := naming.classify(name)) is not None}
    of: dict[str, list[str]] = defaultdict(list)
    for name, what in known.items():
        if what.resource is not None and what.kind is not NameKind.UNKNOWN:
            of[what.resource.name].append(name)
    gaps = []
    for resource in naming.catalogue.resources:
        held = tuple(holders.get(naming.alias(resource.name), ()))
        look = _partitioned if resource.partitioned else _single
        found = _in_place(naming, resource, indices) or look(
            naming, resource, of[resource.name], held, indices, holders
        )
        if found is not None:
            gaps.append(Gap(resource, found[0], visible(found[1]), held))
    generation = _generation(naming, holders)
    made = sum(what.kind is NameKind.GENERATION for what in known.values())
    unknown = tuple(name for name, what in known.items() if what.kind is NameKind.UNKNOWN)
    loose = made if generation is None else 0
    return IndexSet(naming, len(own), tuple(gaps), generation, loose, unknown)


def _generation(naming: Naming, holders: Mapping[str, Sequence[str]]) -> int | None:
    """Return the number of the generation that the marker alias leads to."""
    for name in holders.get(naming.marker_alias, ()):
        found = _MARKER.fullmatch(name.removeprefix(f"{_OWN}{naming.key}."))
        if found is not None:
            return int(found[1])
    return None


def _in_place(
    naming: Naming, resource: Resource, indices: Mapping[str, IndexFacts]
) -> tuple[Fault, str] | None:
    alias = naming.alias(resource.name)
    if alias not in indices:
        return None
    return Fault.IN_PLACE, f"An index is called {alias}, which is to be an alias."


def _single(
    naming: Naming,
    resource: Resource,
    own: Sequence[str],
    held: tuple[str, ...],
    indices: Mapping[str, IndexFacts],
    holders: Mapping[str, Sequence[str]],
) -> tuple[Fault, str] | None:
    """Judge a resource of one index: its alias leads to that one alone."""
    alias, concrete = naming.alias(resource.name), naming.concrete(resource.name)
    if not held:
        if concrete in indices or own:
            return Fault.NO_ALIAS, f"No index has the alias {alias}."
        return Fault.MISSING, f"Neither {concrete} nor its alias {alias} is there."
    if len(held) > 1:
        return (
            Fault.AMBIGUOUS,
            f"The alias {alias} leads to {first_few(held, _MOST_NAMED)} at once.",
        )
    what = naming.classify(held[0])
    if what is None or what.kind not in _LIVE or what.resource != resource:
        return Fault.ELSEWHERE, f"The alias {alias} leads to {held[0]}."
    if what.kind is NameKind.GENERATION and tuple(holders.get(concrete, ())) != held:
        # Tracardi writes new documents to that name.
        return Fault.NO_NAME, f"The name {concrete} does not lead to {held[0]}."
    if not indices[held[0]].is_open:
        return Fault.CLOSED, f"The index {held[0]} is closed."
    return None


def _partitioned(
    naming: Naming,
    resource: Resource,
    own: Sequence[str],
    held: tuple[str, ...],
    indices: Mapping[str, IndexFacts],
    holders: Mapping[str, Sequence[str]],
) -> tuple[Fault, str] | None:
    """Judge a resource of an index a period: its alias leads to all of them and to nothing else."""
    alias = naming.alias(resource.name)
    if not own and not held:
        pattern = naming.template_pattern(resource.name)
        return Fault.MISSING, f"No index {pattern} and no alias {alias} is there."
    others = [name for name in held if name not in own]
    if others:
        return Fault.ELSEWHERE, f"The alias {alias} leads to {first_few(others, _MOST_NAMED)}."
    without = [name for name in own if name not in held]
    if without:
        return Fault.NO_ALIAS, f"{first_few(without, _MOST_NAMED)} has not the alias {alias}."
    closed = [name for name in own if not indices[name].is_open]
    if closed:
        return Fault.CLOSED, f"The index {first_few(closed, _MOST_NAMED)} is closed."
    return None
