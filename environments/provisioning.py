"""What a missing set of indices is made of, like another set; pure (docs/provision.md).

Two looks go in, one at the set that is copied from and one at the set that is missing, and out
comes an ordered plan. Nothing that is there is ever written over: what stands in the way is a
finding.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Protocol

from environments.catalogue import Policy, Resource
from environments.documents import canonical, digest
from environments.findings import Finding, Severity
from environments.mappings import fixed, retold
from environments.naming import NameKind, Naming
from environments.periods import period, suffix

# What is said of the nodes of one cluster means nothing in another.
PLACEMENT: Final = "index.routing.allocation."
# A clone says it, as a generation is one; it is what every index has.
_OF_CLONES: Final = "index.routing_partition_size"


class Kind(StrEnum):
    """What is made."""

    TEMPLATE = "index template"
    # One of `_template`, as engines had before 7.8, and have still.
    LEGACY_TEMPLATE = "legacy template"
    INDEX = "index"


class Index(Protocol):
    """An index as its cluster has it; the settings are flat, without blocks and ids."""

    @property
    def name(self) -> str: ...
    @property
    def aliases(self) -> tuple[str, ...]: ...
    @property
    def mapping(self) -> Mapping[str, Any]: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Look:
    """A set as its cluster has it: what is of it, and whatever else holds one of its names.

    `templates` are all of its cluster, by kind and name, `cluster` is the cluster's own id.
    """

    naming: Naming
    cluster: str
    indices: Mapping[str, Index]
    templates: Mapping[tuple[Kind, str], Mapping[str, Any]]

    def holders(self, alias: str) -> list[Index]:
        return [index for index in self.indices.values() if alias in index.aliases]


@dataclass(frozen=True)
class Step:
    """One thing that is to be there. `body` is what it is made with; `is_there` leaves it alone.

    `by_template` says that its template makes it so: the body is for comparing alone.
    """

    kind: Kind
    name: str
    resource: str
    alias: str
    body: Mapping[str, Any]
    is_there: bool = False
    by_template: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "name": self.name,
            "resource": self.resource,
            "alias": self.alias,
            "there": self.is_there,
        }


@dataclass(frozen=True)
class Plan:
    """What makes one set like another, in order."""

    target: str
    like: str
    target_cluster: str
    like_cluster: str
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...] = ()

    @cached_property
    def digest(self) -> str:
        """What a person confirms: it moves with all that would be made, and with what is there."""
        facts = [
            [self.target, self.like, self.target_cluster, self.like_cluster],
            *([step.to_dict(), step.body] for step in self.steps),
        ]
        return digest(facts)

    @property
    def due(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if not step.is_there)

    def with_findings(self, more: Iterable[Finding]) -> "Plan":
        return replace(self, findings=(*self.findings, *more))

    def to_dict(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "like": self.like,
            "digest": self.digest,
            "steps": [step.to_dict() for step in self.steps],
            "findings": [finding.to_dict() for finding in self.findings],
        }


def make_plan(like: Look, target: Look, today: date) -> Plan:
    """Plan what is missing of `target`, like `like`. Templates come first: Tracardi may write."""
    return _Planner(like, target, today).plan()


def unlike(step: Step, made: Index) -> list[str]:
    """Return what of an index is not as the step says: of its mapping, its settings, its alias."""
    wrong: list[str] = []
    # What has no other one to be like is as its template says.
    if "mappings" in step.body:
        # A Tracardi that runs may write to it already.
        wrong += [] if fixed(made.mapping) == fixed(step.body["mappings"]) else ["mapping"]
        wanted, found = _lasting(step.body["settings"]), _lasting(made.settings)
        wrong += sorted(name for name in wanted | found if wanted.get(name) != found.get(name))
    return wrong if made.aliases == (step.alias,) else [*wrong, "aliases"]


def _lasting(settings: Mapping[str, Any]) -> dict[str, Any]:
    # Each cluster adds its own.
    return {name: value for name, value in settings.items() if not name.startswith(PLACEMENT)}


class _Planner:
    def __init__(self, like: Look, target: Look, today: date) -> None:
        self.like, self.target, self.today = like, target, today
        self.findings: list[Finding] = []

    def plan(self) -> Plan:
        facts = (
            self.target.naming.key,
            self.like.naming.key,
            self.target.cluster,
            self.like.cluster,
        )
        steps: list[Step] = []
        if self._comparable():
            resources = self.target.naming.catalogue.resources
            partitioned = [one for one in resources if one.partitioned]
            steps += [step for one in partitioned for step in self._template(one)]
            steps += [step for one in partitioned for step in self._partition(one)]
            steps += [step for one in resources if not one.partitioned for step in self._plain(one)]
            for step in steps:
                self._claims(step)
        return Plan(*facts, tuple(steps), tuple(self.findings))

    def _wrong(self, code: str, message: str, remedy: str, subject: str = "") -> None:
        self.findings.append(Finding(code, Severity.ERROR, message, remedy, subject))

    def _comparable(self) -> bool:
        like, target = self.like.naming, self.target.naming
        if like.catalogue.version != target.catalogue.version:
            self._wrong(
                "version-differs",
                f"{like.key} is of Tracardi {like.catalogue.version}, {target.key} is of "
                f"{target.catalogue.version}.",
                "Take an environment of the same version.",
            )
        elif (self.like.cluster, like.key) == (self.target.cluster, target.key):
            self._wrong(
                "same-set",
                f"Both are {target.key} of one cluster: the very same indices.",
                "Take another environment, or correct this one's cluster, tenant or kind.",
            )
        elif any(self._is_generation(index) for index in self.target.indices.values()):
            self._wrong(
                "adopted",
                f"{target.key} serves a generation of this console: its indices are there.",
                "There is nothing to make. If names are missing, reconcile or release it.",
            )
        return not self.findings

    def _is_generation(self, index: Index) -> bool:
        what = self.target.naming.classify(index.name)
        return what is not None and what.kind is NameKind.GENERATION and bool(index.aliases)

    # --- What is copied ----------------------------------------------------------------------

    def _source(self, resource: Resource) -> Index | None:
        """Return the index that serves a resource on the other side, the newest of several."""
        naming = self.like.naming
        alias = naming.alias(resource.name)
        kinds = {NameKind.PARTITION} if resource.partitioned else _WHOLE
        found = []
        for index in self.like.holders(alias):
            what = naming.classify(index.name)
            if what is not None and what.kind in kinds and what.resource == resource:
                found.append(index)
        if resource.partitioned:
            return max(found, key=lambda one: period(one.name), default=None)
        if len(found) == 1 and len(self.like.holders(alias)) == 1:
            return found[0]
        said = f"No index of {resource.name}" if not found else f"{len(found)} indices"
        self._wrong(
            "like-lacks",
            f"{said} holds the alias {alias} in {naming.key}, which is to be copied from.",
            "Take an environment whose indices are as Tracardi makes them.",
            resource.name,
        )
        return None

    def _body(self, source: Index, alias: str) -> dict[str, Any]:
        settings = dict(source.settings)
        if settings.get(_OF_CLONES) == "1":
            del settings[_OF_CLONES]
        if self.like.cluster != self.target.cluster:
            settings = _lasting(settings)
        mapping = retold(source.mapping, self.like.naming, self.target.naming)
        return {"mappings": mapping, "settings": settings, "aliases": {alias: {}}}

    # --- What is made ------------------------------------------------------------------------

    def _template(self, resource: Resource) -> list[Step]:
        ours, theirs = self.target.naming, self.like.naming
        name, alias = ours.template(resource.name), ours.alias(resource.name)
        kinds = (Kind.TEMPLATE, Kind.LEGACY_TEMPLATE)
        like = theirs.template(resource.name)
        kind = next((one for one in kinds if (one, like) in self.like.templates), None)
        if kind is None:
            self._wrong(
                "like-lacks",
                f"{theirs.key} has no index template {like}.",
                "Take an environment whose templates are as Tracardi makes them.",
                resource.name,
            )
            return []
        body = self._retold(resource, self.like.templates[kind, like])
        if body is None:
            return []
        there = next((k for k in kinds if (k, name) in self.target.templates), None)
        if there is not None and (
            there is not kind or canonical(self.target.templates[there, name]) != canonical(body)
        ):
            self._in_the_way(f"The {there} {name}", "is not like the other one", resource.name)
            return []
        return [Step(kind, name, resource.name, alias, body, there is not None)]

    def _retold(self, resource: Resource, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a template's body with this set's names; None where it has names of others."""
        ours, theirs = self.target.naming, self.like.naming
        told = dict(body)
        inner = dict(told.get("template") or {}) if "template" in told else told
        strange = [p for p in told["index_patterns"] if p != theirs.template_pattern(resource.name)]
        strange += [a for a in inner.get("aliases") or {} if a != theirs.alias(resource.name)]
        if strange:
            self._wrong(
                "template-strange",
                f"The template {theirs.template(resource.name)} names {', '.join(strange)} too, "
                "which Tracardi did not.",
                "Nobody can say what that is to be here: remove it there, or take another "
                "environment.",
                resource.name,
            )
            return None
        told["index_patterns"] = [ours.template_pattern(resource.name)]
        held = (inner.get("aliases") or {}).values()
        inner["aliases"] = {ours.alias(resource.name): value for value in held}
        if "mappings" in inner:
            inner["mappings"] = retold(inner["mappings"], theirs, ours)
        if "template" in told:
            told["template"] = inner
        return told

    def _partition(self, resource: Resource) -> list[Step]:
        source = self._source(resource)
        naming = self.target.naming
        alias = naming.alias(resource.name)
        holders = self.target.holders(alias)
        strangers = [one for one in holders if not self._is_partition(one, resource)]
        if strangers:
            self._taken(alias, strangers, resource.name)
            return []
        body = self._body(source, alias) if source is not None else {"aliases": {alias: {}}}
        if holders:
            newest = max(holders, key=lambda one: period(one.name))
            return [Step(Kind.INDEX, newest.name, resource.name, alias, body, is_there=True)]
        today = suffix(source.name if source is not None else "", self.today)
        name = naming.partition(resource.name, today)
        found = self._index(resource, name, alias, body)
        return [replace(step, by_template=True) for step in found]

    def _is_partition(self, index: Index, resource: Resource) -> bool:
        what = self.target.naming.classify(index.name)
        return what is not None and (what.kind, what.resource) == (NameKind.PARTITION, resource)

    def _plain(self, resource: Resource) -> list[Step]:
        naming = self.target.naming
        name, alias = naming.concrete(resource.name), naming.alias(resource.name)
        if resource.policy is Policy.SHARED and name in self.target.indices:
            # Both sides' own, and perhaps another installation's: it is used as it is.
            return self._index(resource, name, alias, {})
        source = self._source(resource)
        return self._index(resource, name, alias, self._body(source, alias)) if source else []

    def _index(
        self, resource: Resource, name: str, alias: str, body: Mapping[str, Any]
    ) -> list[Step]:
        others = [one for one in self.target.holders(alias) if one.name != name]
        if others:
            self._taken(alias, others, resource.name)
            return []
        if (served := self.target.holders(name)) or alias in self.target.indices:
            words = f"is an alias of {served[0].name}" if served else f"and an index {alias}"
            self._in_the_way(f"{name} is to be an index, with the alias {alias}: it", words, name)
            return []
        there = self.target.indices.get(name)
        if there is None:
            return [Step(Kind.INDEX, name, resource.name, alias, body)]
        if alias not in there.aliases:
            self._in_the_way(f"The index {name}", f"has not the alias {alias}", resource.name)
            return []
        wrong = _differ(there, body) if body else ""
        if wrong:
            words = f"has another {wrong} than in {self.like.naming.key}"
            self._in_the_way(f"The index {name}", words, resource.name)
            return []
        return [Step(Kind.INDEX, name, resource.name, alias, body, is_there=True)]

    def _claims(self, step: Step) -> None:
        """Find templates of others that would change an index that is to be made."""
        if step.kind is not Kind.INDEX or step.is_there:
            return
        own = ""
        if self.target.naming.catalogue.get(step.resource).partitioned:
            own = self.target.naming.template(step.resource)
        for (kind, name), body in self.target.templates.items():
            if name != own and any(_matches(one, step.name) for one in body["index_patterns"]):
                self._wrong(
                    "template-claims",
                    f"The {kind} {name} of the cluster would change {step.name}.",
                    "Narrow that template's patterns, then look again.",
                    step.resource,
                )

    def _taken(self, alias: str, holders: Sequence[Index], subject: str) -> None:
        names = ", ".join(sorted(one.name for one in holders))
        self._wrong(
            "alias-taken",
            f"The alias {alias} points at {names}, which is no index of this set.",
            "Find out who uses it. Remove it there if nobody does, then look again.",
            subject,
        )

    def _in_the_way(self, what: str, why: str, subject: str) -> None:
        self._wrong(
            "in-the-way",
            f"{what} {why}.",
            "It is left as it is. Remove or rename it if nobody needs it, then look again.",
            subject,
        )


_WHOLE: Final = frozenset({NameKind.CONCRETE, NameKind.GENERATION})


def _matches(pattern: str, name: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def _differ(there: Index, body: Mapping[str, Any]) -> str:
    """Return what makes an index that is there another one; shards and copies are its own."""
    if fixed(there.mapping) != fixed(body["mappings"]):
        return "mapping"
    analysis = "index.analysis."
    own = {name: value for name, value in there.settings.items() if name.startswith(analysis)}
    due = {name: value for name, value in body["settings"].items() if name.startswith(analysis)}
    return "analysis" if own != due else ""
