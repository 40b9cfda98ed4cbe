"""The least that the console needs to be allowed at the search engine, by name; pure.

Of events, profiles, sessions, logs and users it reads, and never writes. What it changes is the
configuration: staging's documents where drift is carried back, and production's indices, the
generations' and the console's own.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final

from environments.catalogue import Policy, Resource
from environments.naming import LEASE_INDEX, Naming, Side


class Need(StrEnum):
    """What is done to an index."""

    LOOK = "look"
    READ = "read"
    REFRESH = "refresh"
    WRITE = "write"
    # Made, cloned, blocked, given a name, deleted.
    MANAGE = "manage"


_ELASTICSEARCH: Final = {
    Need.LOOK: ("monitor", "view_index_metadata"),
    Need.READ: ("read",),
    Need.REFRESH: ("maintenance",),
    Need.WRITE: ("write",),
    Need.MANAGE: ("manage",),
}
_OPENSEARCH: Final = {
    Need.LOOK: ("indices_monitor", "indices:admin/mappings/get", "indices:monitor/settings/get"),
    Need.READ: ("read",),
    Need.REFRESH: ("indices:admin/refresh*",),
    Need.WRITE: ("write",),
    Need.MANAGE: ("manage", "create_index", "delete_index", "indices:admin/resize"),
}
# Health, state and settings; and which template would claim an index that is to be made.
CLUSTER: Final = {
    "elasticsearch": ("monitor", "manage_index_templates"),
    "opensearch": ("cluster_monitor", "cluster_manage_index_templates"),
}
# What dashboards, workflow tests and the page of accounts read of what Tracardi runs.
_READ_OF: Final = ("event", "profile", "session", "console-log", "user")


@dataclass(frozen=True)
class Grant:
    """What is allowed to some names; a `*` stands for anything."""

    names: tuple[str, ...]
    needs: tuple[Need, ...]

    def allows(self, need: Need, name: str) -> bool:
        return need in self.needs and any(
            name == one or fnmatchcase(name, one) for one in self.names
        )


def grants(namings: Iterable[Naming], *, provisioning: bool = False) -> list[Grant]:
    """Return what the console needs for some environments' sets of indices.

    With `provisioning`, also what making a missing set needs, and nothing else does.
    """
    # Made once, by whichever console comes first.
    found = [Grant((LEASE_INDEX,), (Need.READ, Need.WRITE, Need.MANAGE))]
    for naming in namings:
        found += _of(naming)
        if provisioning:
            found.append(_made(naming))
    return found


def _made(naming: Naming) -> Grant:
    """Return what makes a whole set: each index with its alias. No document is written by it."""
    resources = list(naming.catalogue.resources)
    names = [naming.alias(one.name) for one in resources]
    for one in resources:
        partitioned = one.partitioned
        names.append(
            naming.template_pattern(one.name) if partitioned else naming.concrete(one.name)
        )
    return Grant(tuple(names), (Need.LOOK, Need.MANAGE))


def _of(naming: Naming) -> Iterator[Grant]:
    catalogue = naming.catalogue
    promoted = list(catalogue.promoted)
    shared = [one for one in catalogue.resources if one.policy is Policy.SHARED]
    runtime = [catalogue.get(name) for name in _READ_OF]
    # Which there are, and how large: the receipt of what was not touched is made of it.
    yield Grant(tuple(naming.search_patterns()), (Need.LOOK,))
    yield Grant(_names(naming, [*promoted, *shared]), (Need.LOOK, Need.READ))
    yield Grant(_names(naming, promoted), (Need.REFRESH,))
    # What a workflow test did shows at once on staging.
    is_staging = naming.side is Side.STAGING
    yield Grant(_names(naming, runtime), (Need.READ, *([Need.REFRESH] if is_staging else [])))
    concrete = tuple(naming.concrete(one.name) for one in promoted)
    if is_staging:
        yield Grant(concrete, (Need.WRITE,))
        return
    aliases = tuple(naming.alias(one.name) for one in promoted)
    made = tuple(_generations(naming, one) for one in promoted)
    own = (naming.marker_alias, naming.marker_pattern)
    needs = (Need.LOOK, Need.READ, Need.REFRESH, Need.WRITE, Need.MANAGE)
    yield Grant((*concrete, *aliases, *made, *own), needs)


def _names(naming: Naming, resources: Sequence[Resource]) -> tuple[str, ...]:
    found = []
    for one in resources:
        found.append(naming.alias(one.name))
        if one.partitioned:
            found.append(naming.template_pattern(one.name))
        else:
            found.append(naming.concrete(one.name))
        if one.policy is Policy.PROMOTED:
            found.append(_generations(naming, one))
    return tuple(found)


def _generations(naming: Naming, resource: Resource) -> str:
    """Return the pattern of a resource's generations."""
    return naming.generation_index(resource.name, 1).replace("g000001", "g*", 1)


def role(namings: Iterable[Naming], engine: str, *, provisioning: bool = False) -> dict[str, Any]:
    """Return the role as the engine's security takes it: `elasticsearch` or `opensearch`.

    Raises:
        KeyError: it is another engine.
    """
    cluster = list(CLUSTER[engine])
    words = _ELASTICSEARCH if engine == "elasticsearch" else _OPENSEARCH
    rows = []
    for grant in grants(namings, provisioning=provisioning):
        allowed = list(dict.fromkeys(word for need in grant.needs for word in words[need]))
        rows.append((sorted(set(grant.names)), allowed))
    if engine == "elasticsearch":
        indices = [{"names": names, "privileges": allowed} for names, allowed in rows]
        return {"cluster": cluster, "indices": indices}
    permissions = [{"index_patterns": names, "allowed_actions": allowed} for names, allowed in rows]
    return {"cluster_permissions": cluster, "index_permissions": permissions}
