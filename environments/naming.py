"""How Tracardi names its indices, aliases and templates, and how the console names its own.

Pure: no Django, no I/O. Facts are from docs/tracardi.md.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from environments.catalogue import Catalogue, Policy, Resource

LEASE_INDEX = "tracardi-console.leases"
LAST_GENERATION = 999_999
# No dot: names are read by splitting at dots.
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
# Tracardi writes a month without a zero, and a day after it: `2026-9`, `2026-926`.
_SUFFIX = re.compile(r"[0-9]{4}-(?:[0-9]{1,4}|q[1-4]|year)")
_ATTEMPT = re.compile(r"[a-z0-9]{1,32}")
_GENERATION = re.compile(r"g([0-9]{6})")


class InvalidTenantError(ValueError):
    """The tenant's name cannot be part of an index name without doubt about its meaning."""


class Side(StrEnum):
    STAGING = "staging"
    PRODUCTION = "production"


class NameKind(StrEnum):
    CONCRETE = "concrete"
    PARTITION = "partition"
    GENERATION = "generation"
    ALIAS = "alias"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Classified:
    """What a name of an environment is. `resource` is None where the catalogue has none."""

    kind: NameKind
    resource: Resource | None = None
    number: int | None = None


def default_tenant(prefix: str) -> str:
    """Return the tenant of an installation that names none: five hex digits of md5(prefix)."""
    return hashlib.md5(prefix.encode(), usedforsecurity=False).hexdigest()[:5]


@dataclass(frozen=True)
class Naming:
    """All names of one tenant's staging or production set.

    Raises:
        InvalidTenantError: the tenant has characters that make a name ambiguous or illegal, or
            starts as production's or the static indices' names do.
    """

    catalogue: Catalogue
    tenant: str
    side: Side

    def __post_init__(self) -> None:
        if not _TENANT.fullmatch(self.tenant):
            raise InvalidTenantError(
                f"Tenant {self.tenant!r} is not usable: take 1 to 60 lower-case letters, digits, "
                "dashes or underscores, starting with a letter or a digit."
            )
        if self.tenant.startswith(("prod-", "static-")):
            # The alias of staging's `prod-acme` would be that of production's `acme`.
            raise InvalidTenantError(
                f"Tenant {self.tenant!r} is not usable: its staging names would read as another "
                "tenant's production or static names."
            )

    @property
    def _side_prefix(self) -> str:
        return "prod-" if self.side is Side.PRODUCTION else ""

    def _prefix_of(self, resource: Resource) -> str:
        return "static-" if resource.policy is Policy.SHARED else self._side_prefix

    @property
    def key(self) -> str:
        """What identifies this set inside a cluster, such as `prod-08x.acme`."""
        return f"{self._side_prefix}{self.catalogue.prefix}.{self.tenant}"

    def concrete(self, name: str) -> str:
        """Return the concrete index of a resource that is not partitioned.

        Raises:
            ValueError: the resource is partitioned.
        """
        resource = self.catalogue.get(name)
        if resource.partitioned:
            raise ValueError(f"Resource {name} has one index a period; ask for a partition.")
        return self._stem(resource)

    def _stem(self, resource: Resource) -> str:
        prefix = f"{self._prefix_of(resource)}{self.catalogue.prefix}"
        return f"{prefix}.{self.tenant}.{resource.storage}"

    def alias(self, name: str) -> str:
        """Return the alias through which Tracardi reads a resource."""
        resource = self.catalogue.get(name)
        return f"{self._prefix_of(resource)}{self.tenant}.{resource.storage}"

    def partition(self, name: str, suffix: str) -> str:
        """Return a partitioned resource's index of one period (`2026-11`, `2026-q4`, `2026-year`).

        Raises:
            ValueError: the resource is not partitioned, or the suffix is of no known form.
        """
        resource = self.catalogue.get(name)
        if not resource.partitioned or not _SUFFIX.fullmatch(suffix):
            raise ValueError(f"{name} with suffix {suffix!r} is no partition.")
        return f"{self._stem(resource)}-{suffix}"

    def template(self, name: str) -> str:
        """Return the name of a partitioned resource's index template."""
        resource = self._partitioned(name)
        prefix = f"{self._side_prefix}template.{self.catalogue.prefix}"
        return f"{prefix}.{self.tenant}.{resource.storage}"

    def template_pattern(self, name: str) -> str:
        """Return the pattern of a partitioned resource's index template."""
        return f"{self._stem(self._partitioned(name))}-*-*"

    def _partitioned(self, name: str) -> Resource:
        resource = self.catalogue.get(name)
        if not resource.partitioned:
            raise ValueError(f"Resource {name} has no index template.")
        return resource

    def generation_index(self, name: str, number: int) -> str:
        """Return the index of a promoted resource that generation `number` made.

        The number stands before the tenant, where no template pattern of Tracardi's matches.

        Raises:
            ValueError: the resource is not promoted, or the number is out of range.
        """
        resource = self.catalogue.get(name)
        if resource.policy is not Policy.PROMOTED:
            raise ValueError(f"Resource {name} is {resource.policy}, and never written.")
        prefix = f"{self._side_prefix}{self.catalogue.prefix}-{_generation(number)}"
        return f"{prefix}.{self.tenant}.{resource.storage}"

    @property
    def marker_alias(self) -> str:
        """Return the alias that points at the live generation's marker index."""
        return f"tracardi-console.{self.key}.live"

    @property
    def marker_pattern(self) -> str:
        """Return an index expression that lists the marker indices of this set."""
        return f"tracardi-console.{self.key}.g*"

    def marker_index(self, number: int, attempt: str) -> str:
        """Return the marker index of one attempt at generation `number`.

        Raises:
            ValueError: the number is out of range, or `attempt` is no short lower-case word.
        """
        if not _ATTEMPT.fullmatch(attempt):
            raise ValueError(f"{attempt!r} is no attempt token.")
        return f"tracardi-console.{self.key}.{_generation(number)}-{attempt}"

    def classify(self, name: str) -> Classified | None:
        """Say what `name` is in this set; None if it belongs elsewhere.

        UNKNOWN means that it looks like this set's own but the catalogue has no such resource.
        """
        head, *rest = name.split(".")
        if len(rest) == 1 and rest[0].startswith("tracardi-"):
            return self._classify_alias(head, rest[0])
        if len(rest) != 2 or rest[0] != self.tenant:
            return None
        if head == f"static-{self.catalogue.prefix}":
            resource = self.catalogue.by_storage(rest[1])
            shared = resource is not None and resource.policy is Policy.SHARED
            return (
                Classified(NameKind.CONCRETE, resource) if shared else Classified(NameKind.UNKNOWN)
            )
        plain = f"{self._side_prefix}{self.catalogue.prefix}"
        if head == plain:
            return self._classify_stem(rest[1])
        number = head.removeprefix(f"{plain}-")
        found = _GENERATION.fullmatch(number)
        if number == head or found is None:
            return None
        resource = self.catalogue.by_storage(rest[1])
        if resource is None or resource.policy is not Policy.PROMOTED:
            return Classified(NameKind.UNKNOWN, number=int(found[1]))
        return Classified(NameKind.GENERATION, resource, int(found[1]))

    def _classify_alias(self, head: str, storage: str) -> Classified | None:
        resource = self.catalogue.by_storage(storage)
        shared = resource is not None and resource.policy is Policy.SHARED
        if head == f"static-{self.tenant}":
            return Classified(NameKind.ALIAS, resource) if shared else Classified(NameKind.UNKNOWN)
        if head != f"{self._side_prefix}{self.tenant}":
            return None
        if resource is None or shared:
            return Classified(NameKind.UNKNOWN)
        return Classified(NameKind.ALIAS, resource)

    def _classify_stem(self, storage: str) -> Classified:
        resource = self.catalogue.by_storage(storage)
        if resource is not None and resource.policy is not Policy.SHARED:
            kind = NameKind.UNKNOWN if resource.partitioned else NameKind.CONCRETE
            return Classified(kind, resource)
        for candidate in self.catalogue.resources:
            suffix = storage.removeprefix(f"{candidate.storage}-")
            if candidate.partitioned and suffix != storage and _SUFFIX.fullmatch(suffix):
                return Classified(NameKind.PARTITION, candidate)
        return Classified(NameKind.UNKNOWN)

    def search_patterns(self) -> list[str]:
        """Return index expressions that list everything of this set; classify what they find."""
        plain = f"{self._side_prefix}{self.catalogue.prefix}"
        return [
            f"{plain}.{self.tenant}.*",
            f"{plain}-g*.{self.tenant}.*",
            f"static-{self.catalogue.prefix}.{self.tenant}.*",
        ]


def _generation(number: int) -> str:
    if not 1 <= number <= LAST_GENERATION:
        raise ValueError(f"Generation numbers go from 1 to {LAST_GENERATION}, not {number}.")
    return f"g{number:06d}"
