"""What is not as it should be in a cluster. Pure: facts in, findings out."""

from collections.abc import Iterator
from typing import Final

from environments.engines import SUPPORTED_WORDS
from environments.findings import Finding, Severity
from environments.flowgraph import shown
from environments.health.facts import ClusterFacts, Disk, Watermark
from environments.health.judging import worst_first

# A disk that the engine does not guard.
UNGUARDED: Final = 0.9
SHARDS_SHORT: Final = 0.9


def judge_cluster(facts: ClusterFacts) -> list[Finding]:
    """Return what is not as it should be in a cluster."""
    return worst_first([*_engine(facts), *_status(facts), *_disks(facts), *_shards(facts)])


def _engine(facts: ClusterFacts) -> Iterator[Finding]:
    if not facts.engine.is_supported:
        yield Finding(
            "cluster.engine",
            Severity.ERROR,
            f"The cluster is {facts.engine}, which the console was never tested with.",
            f"Use {SUPPORTED_WORDS}. Nothing is promoted until then.",
        )


def _status(facts: ClusterFacts) -> Iterator[Finding]:
    if facts.status == "red":
        yield Finding(
            "cluster.red",
            Severity.ERROR,
            "The cluster's health is red: some primary shard is nowhere, of this environment or of "
            "what else is there.",
            "Bring the cluster to yellow or green. Nothing is promoted until then.",
        )


def passed(facts: ClusterFacts, disk: Disk) -> Watermark | None:
    """Return the last watermark that a disk is over."""
    over = [mark for mark in facts.watermarks if mark.is_passed(disk)]
    return over[-1] if over else None


_OVER: Final = {
    "low": ("cluster.disk-low", Severity.WARNING, "no new copy of a shard is put there"),
    "high": ("cluster.disk-high", Severity.WARNING, "shards are moved away from it"),
    "flood stage": (
        "cluster.disk-full",
        Severity.ERROR,
        "the engine refuses writes to every index there, events too",
    ),
}


def _disks(facts: ClusterFacts) -> Iterator[Finding]:
    for disk in facts.disks:
        node, used = shown(disk.node[:100]), f"{100 * disk.used:.0f} % used"
        mark = passed(facts, disk)
        if mark is not None:
            code, severity, effect = _OVER[mark.name]
            yield Finding(
                code,
                severity,
                f"The disk of node {node} is over its watermark ({mark.words}; it is {used}): "
                f"{effect}.",
                "Free space on it, or add a node.",
                node,
            )
        elif not facts.watermarks and disk.used >= UNGUARDED:
            yield Finding(
                "cluster.disk-unguarded",
                Severity.WARNING,
                f"The disk of node {node} is {used}, and the engine does not guard it: "
                "cluster.routing.allocation.disk.threshold_enabled is false.",
                "Free space on it, and let the engine guard its disks.",
                node,
            )


def _shards(facts: ClusterFacts) -> Iterator[Finding]:
    most = facts.most_shards
    if most is None:
        return
    if facts.open_shards >= most:
        yield Finding(
            "cluster.shards-none",
            Severity.ERROR,
            f"The cluster holds {facts.open_shards:,} shards and may hold {most:,}: it makes no "
            "index any more, not for next month's events either.",
            "Remove indices that nothing needs, or raise cluster.max_shards_per_node.",
        )
    elif facts.open_shards >= SHARDS_SHORT * most:
        yield Finding(
            "cluster.shards-few",
            Severity.WARNING,
            f"The cluster holds {facts.open_shards:,} of the {most:,} shards that it may hold.",
            "Remove indices that nothing needs, or raise cluster.max_shards_per_node, before it "
            "makes no index any more.",
        )
