"""The ordered intent of a promotion, computed without side effects (design section 5)."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

from environments.documents import canonical
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
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        held = {name: Held.from_dict(value) for name, value in raw["resources"].items()}
        return cls(raw["number"], raw["marker"], held)


@dataclass(frozen=True)
class ResourcePlan:
    """One resource: what is expected live, and what is to be live."""

    resource: str
    live: Held
    next_index: str
    next_tree: TreeDigests
    counts: Counts

    @property
    def changed(self) -> bool:
        return self.next_index != self.live.index


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
        return hashlib.sha256(canonical(self.to_dict())).hexdigest()

    @property
    def changed(self) -> tuple[ResourcePlan, ...]:
        return tuple(part for part in self.resources if part.changed)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

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
            )
            for part in raw["resources"]
        )
        return cls(**{**raw, "resources": parts})

    def switch(self, naming: Naming) -> list[AliasAction]:
        """Return the actions of the one request that makes this plan live.

        All resources are named, the unchanged ones too: a promotion planned from an older
        generation then fails whole, where it would else leave a mix that nobody approved.
        """
        actions = []
        for part in self.resources:
            for name in names_of(naming, part.resource):
                if part.changed:
                    actions.append(AliasAction("remove", part.live.index, name))
                actions.append(AliasAction("add", part.next_index, name))
        return [
            *actions,
            AliasAction("remove", self.base_marker, naming.marker_alias),
            AliasAction("add", self.marker, naming.marker_alias),
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
) -> Plan:
    """Plan generation `number` from the live one.

    `wanted` has a tree for every promoted resource, `counts` the difference of each to the live
    one. A resource whose content digest is equal keeps its index, noise and all.
    """
    parts = []
    for resource in naming.catalogue.promoted:
        held, tree = live.resources[resource.name], wanted[resource.name]
        same = held.tree.content == tree.content
        parts.append(
            ResourcePlan(
                resource.name,
                held,
                held.index if same else naming.generation_index(resource.name, number),
                held.tree if same else tree,
                counts[resource.name],
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
