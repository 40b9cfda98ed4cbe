"""The ordered intent of a promotion, computed without side effects (docs/promotion.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import msgspec

from environments.documents import digest
from environments.naming import Naming
from promotion.engine.diff import Counts
from promotion.engine.manifest import TreeDigests
from promotion.engine.ports import AliasAction, Fingerprint


@dataclass(frozen=True)
class Held:
    """What one resource's names point at: the index, the tree in it, its fingerprint."""

    index: str
    tree: TreeDigests
    fingerprint: Fingerprint

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        return cls(
            raw["index"], TreeDigests(**raw["tree"]), Fingerprint.from_dict(raw["fingerprint"])
        )


@dataclass(frozen=True)
class Generation:
    """A numbered map of an environment: resource to what its names point at."""

    number: int
    marker: str
    resources: Mapping[str, Held]

    def to_dict(self) -> dict[str, Any]:
        return dict(msgspec.to_builtins(self))

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        held = {name: Held.from_dict(value) for name, value in raw["resources"].items()}
        return cls(raw["number"], raw["marker"], held)


@dataclass(frozen=True)
class ResourcePlan:
    """One resource: what is expected live, and what is to be live.

    `kept` is the fingerprint of an index that is there already; None for one that is to be made.
    """

    resource: str
    live: Held
    next_index: str
    next_tree: TreeDigests
    counts: Counts
    kept: Fingerprint | None = None

    @property
    def changed(self) -> bool:
        return self.next_index != self.live.index

    @property
    def fresh(self) -> bool:
        """Whether the index has to be made and filled."""
        return self.kept is None


@dataclass(frozen=True)
class Plan:
    """Makes `environment` (its naming key) equal a content, as generation `number`."""

    environment: str
    cluster_uuid: str
    number: int
    base: int
    base_marker: str
    marker: str
    content: str
    resources: tuple[ResourcePlan, ...]

    @cached_property
    def digest(self) -> str:
        """What a person confirms; it moves with everything in the plan."""
        return digest(self.to_dict())

    @property
    def changed(self) -> tuple[ResourcePlan, ...]:
        return tuple(part for part in self.resources if part.changed)

    @property
    def fresh(self) -> tuple[ResourcePlan, ...]:
        return tuple(part for part in self.resources if part.fresh)

    @property
    def counts(self) -> dict[str, Counts]:
        """How many documents differ, by resource; without the resources that stay as they are."""
        return {part.resource: part.counts for part in self.resources if part.counts.any}

    def overwritten(self, drifted: Sequence[str]) -> list[str]:
        """Return those of the edited resources whose edit this plan takes away."""
        changed = {part.resource for part in self.changed}
        return [resource for resource in drifted if resource in changed]

    def to_dict(self) -> dict[str, Any]:
        return dict(msgspec.to_builtins(self))

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Return the plan that `to_dict` was asked of."""
        parts = tuple(
            ResourcePlan(
                part["resource"],
                Held.from_dict(part["live"]),
                part["next_index"],
                TreeDigests(**part["next_tree"]),
                Counts(**part["counts"]),
                Fingerprint.from_dict(part["kept"]) if part["kept"] else None,
            )
            for part in raw["resources"]
        )
        return cls(**{**raw, "resources": parts})

    def switch(self, naming: Naming) -> list[AliasAction]:
        """Return the actions of the one request that makes this plan live.

        All resources are named, the unchanged ones too: a promotion planned from an older
        generation then fails whole, where it would else leave a mix that nobody approved.
        """
        ways = {part.resource: (part.live.index, part.next_index) for part in self.resources}
        return _moves(naming, ways, self.base_marker, self.marker)

    def switch_back(self, naming: Naming) -> list[AliasAction]:
        """Return the actions of the one request that undoes `switch`."""
        ways = {part.resource: (part.next_index, part.live.index) for part in self.resources}
        return _moves(naming, ways, self.marker, self.base_marker)


def marker_facts(plan: Plan, generation: Generation, lineage: Mapping[str, str]) -> dict[str, Any]:
    """Return what a planned generation's marker says.

    `lineage` has the markers of the generation that it restores, and of the one that Roll back
    goes to from it. Whoever has lost the record of them reads it there (docs/recovery.md).
    """
    back = {"restores": "", "previous": plan.base_marker, **lineage}
    return {**generation.to_dict(), "plan": plan.digest, "base": plan.base_marker, **back}


def _moves(
    naming: Naming, ways: Mapping[str, tuple[str, str]], old_marker: str, new_marker: str
) -> list[AliasAction]:
    actions = []
    for resource, (before, after) in ways.items():
        for name in names_of(naming, resource):
            if before != after:
                actions.append(AliasAction("remove", before, name))
            actions.append(AliasAction("add", after, name))
    return [
        *actions,
        AliasAction("remove", old_marker, naming.marker_alias),
        AliasAction("add", new_marker, naming.marker_alias),
    ]


def names_of(naming: Naming, resource: str) -> tuple[str, str]:
    """Return the two names of an adopted resource: Tracardi's alias and the concrete name."""
    return naming.alias(resource), naming.concrete(resource)


def make_plan(
    naming: Naming,
    *,
    cluster_uuid: str,
    number: int,
    attempt: str,
    live: Generation,
    content: str,
    wanted: Mapping[str, TreeDigests],
    counts: Mapping[str, Counts],
    reusable: Mapping[str, Sequence[Held]] | None = None,
) -> Plan:
    """Plan generation `number` from the live one.

    `wanted` has a tree for every promoted resource, `counts` the difference of each to the live
    one. A resource whose content digest is equal keeps its index, noise and all. `reusable` are
    kept indices, known to be as recorded: one that holds the wanted tree is used again.
    """
    parts = []
    for resource in naming.catalogue.promoted:
        name = resource.name
        held: Held | None = live.resources[name]
        tree = wanted[name]
        if live.resources[name].tree.content != tree.content:
            kept = (reusable or {}).get(name, ())
            held = next((h for h in kept if h.tree.exact == tree.exact), None)
        parts.append(
            ResourcePlan(
                name,
                live.resources[name],
                held.index if held else naming.generation_index(name, number),
                held.tree if held else tree,
                counts[name],
                held.fingerprint if held else None,
            )
        )
    return Plan(
        naming.key,
        cluster_uuid,
        number,
        live.number,
        live.marker,
        naming.marker_index(number, attempt),
        content,
        tuple(parts),
    )
