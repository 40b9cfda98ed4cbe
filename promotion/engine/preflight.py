"""Checks before any write. Pure: facts in, findings out."""

from collections.abc import Mapping

from environments.engines import SUPPORTED_WORDS
from environments.findings import Finding, Severity
from environments.naming import NameKind, Naming
from promotion.engine.diff import Counts
from promotion.engine.ports import Capacity, IndexState


def check_indices(naming: Naming, names: list[str]) -> list[Finding]:
    """Find indices of this environment that the catalogue does not know."""
    found = []
    for name in sorted(names):
        what = naming.classify(name)
        if what is not None and what.kind is NameKind.UNKNOWN:
            found.append(
                Finding(
                    "unknown-index",
                    Severity.ERROR,
                    f"Index {name} is of this environment, but Tracardi {naming.catalogue.version} "
                    "has no such index.",
                    "Check the environment's version, or remove the index if nothing needs it.",
                    name,
                )
            )
    return found


def check_mappings(wanted: Mapping[str, str], live: Mapping[str, IndexState]) -> list[Finding]:
    """Compare the mapping digests that a build was captured under with the live indices'."""
    return [
        Finding(
            "mapping-differs",
            Severity.ERROR,
            f"The mapping of {resource} in the build is not that of {live[resource].name}.",
            "Bring staging and production to the same Tracardi version and mappings, then capture "
            "again.",
            resource,
        )
        for resource, digest in wanted.items()
        if digest not in live[resource].mapping_digests
    ]


def check_versions(build: str, target: str) -> list[Finding]:
    """Compare the Tracardi version of a build with the target's."""
    if build == target:
        return []
    return [
        Finding(
            "version-differs",
            Severity.ERROR,
            f"The build is of Tracardi {build}, the target of {target}.",
            "Upgrade one of them, then capture again.",
        )
    ]


def check_basis(build: str, target: str, *, rests: bool) -> list[Finding]:
    """Refuse what was composed on another content than the target's, where it does not rest."""
    if rests:
        return []
    return [
        Finding(
            "composed-on-another",
            Severity.ERROR,
            f"{target} serves another configuration than {build} was composed on.",
            "Compose it again, with the same choice.",
        )
    ]


def check_engine(capacity: Capacity) -> list[Finding]:
    """Refuse an engine that the console was never tested with."""
    engine = capacity.engine
    if engine is None or engine.is_supported:
        return []
    return [
        Finding(
            "engine-unsupported",
            Severity.ERROR,
            f"The cluster is {engine}, which the console was never tested with.",
            f"Use {SUPPORTED_WORDS}. Rollback and release are not refused.",
        )
    ]


def check_health(status: str) -> list[Finding]:
    """Refuse a cluster whose health is red."""
    if status != "red":
        return []
    return [
        Finding(
            "cluster-red",
            Severity.ERROR,
            "The cluster's health is red: some primary shard is not there.",
            "Bring the cluster to yellow or green first.",
        )
    ]


def check_disks(capacity: Capacity) -> list[Finding]:
    """Refuse a cluster with a disk over its flood stage: alias changes answer 429 there."""
    return [
        Finding(
            "disk-full",
            Severity.ERROR,
            f"The disk of node {node} is over the cluster's flood stage.",
            "Free space on it first; a rollback would be refused too.",
            node,
        )
        for node in capacity.flooded
    ]


def check_shards(capacity: Capacity, wanted: int) -> list[Finding]:
    """Refuse where the cluster's limit leaves no room for `wanted` shards more."""
    if capacity.free_shards is None or wanted <= capacity.free_shards:
        return []
    return [
        Finding(
            "no-shards-left",
            Severity.ERROR,
            f"The cluster may hold {capacity.free_shards} shards more, and {wanted} are needed.",
            "Remove indices that nothing needs, or raise cluster.max_shards_per_node.",
        )
    ]


def shards_of(state: IndexState) -> int:
    """Return how many shards an index like this one has, copies included."""
    copies = str(state.settings.get("index.number_of_replicas", "1"))
    return state.primaries * (1 + (int(copies) if copies.isdigit() else 1))


def consents(counts: Mapping[str, Counts], drifted: list[str]) -> list[Finding]:
    """Return what a person must agree to one by one before this plan may run."""
    found = [
        Finding(
            f"large-deletion:{resource}",
            Severity.WARNING,
            f"{count.removed} of {count.total_before} documents of {resource} will be deleted.",
            "Agree to it, or change staging and capture again.",
            resource,
        )
        for resource, count in counts.items()
        if count.removes_much
    ]
    for resource in drifted:
        found.append(
            Finding(
                f"drift:{resource}",
                Severity.WARNING,
                f"Production's {resource} was changed since it was last promoted.",
                "Agree to overwrite it; what it holds is kept as a build first.",
                resource,
            )
        )
    return found
