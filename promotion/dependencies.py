"""What a build's documents depend on, judged against what its target serves."""

from collections.abc import Hashable, Mapping
from typing import Final

from environments.elastic import ElasticError, connect
from environments.findings import Finding
from environments.models import Environment
from promotion.engine.dangling import findings
from promotion.engine.dependencies import Configuration
from promotion.engine.manifest import TreeDigests
from promotion.engine.recent import Recent
from promotion.models import Build, StoredGeneration
from promotion.store import DatabaseContent

# An installation has a handful; with more than these nothing is said about any.
_MOST_BRIDGES: Final = 1000
_SECONDS: Final = 3.0
# So many findings are kept for the next page, and one for each that was judged.
_judged: Final[Recent[Hashable, tuple[Finding, ...]]] = Recent(10_000)


def configuration(trees: Mapping[str, TreeDigests]) -> Configuration:
    """Return a configuration of kept trees; nothing is written."""
    content = DatabaseContent()
    digests = {name: tree.digest for name, tree in trees.items()}
    content.prefetch_links(digests.values())
    return Configuration(digests, content)


def configuration_of(build: Build) -> Configuration:
    """Return what a build holds."""
    return configuration({name: part.tree for name, part in build.resources().items()})


def live_configuration(target: Environment | None) -> Configuration | None:
    """Return what is recorded as live in a target, or None where nothing is."""
    live = StoredGeneration.live_in(target) if target is not None else None
    if live is None:
        return None
    return configuration({name: held.tree for name, held in live.generation.resources.items()})


def findings_of(build: Build) -> list[Finding]:
    """Return what is wrong with a build's references, against what its target serves."""
    target = build.target
    return judge(configuration_of(build), live_configuration(target), target)


def judge(
    wanted: Configuration, base: Configuration | None, target: Environment | None
) -> list[Finding]:
    """Return what is wrong with a configuration's references; the target's bridges are asked for.

    `base` is what the target serves: what is wrong with that in the same way does not block.
    """
    bridges = None
    if target is not None and _bridges(wanted) - (_bridges(base) if base is not None else set()):
        bridges = installed_bridges(target)
    # Both are content-addressed: the same three are always wrong in the same ways.
    held = [
        tuple(sorted(one.digests.items())) if one is not None else None for one in (wanted, base)
    ]
    key = (*held, bridges)
    found = _judged.get(key)
    if found is None:
        found = tuple(findings(wanted, base, bridges=bridges))
        _judged.put(key, found)
    return list(found)


def _bridges(held: Configuration) -> set[str]:
    """Return the ids of the bridges that event sources receive by."""
    return {
        link.id
        for links in held.links("event-source").values()
        for link in links.to
        if link.resource == "bridge"
    }


def installed_bridges(environment: Environment) -> frozenset[str] | None:
    """Return the ids of the bridges in an environment; None where that cannot be told now."""
    alias = environment.naming.alias("bridge")
    try:
        answer = connect(environment.cluster).request(
            "POST",
            f"/{alias}/_search",
            body={"size": _MOST_BRIDGES, "_source": False, "track_total_hits": True},
            timeout=_SECONDS,
        )
    except ElasticError:
        return None
    hits = answer["hits"]
    if int(hits["total"]["value"]) > len(hits["hits"]):
        return None
    return frozenset(hit["_id"] for hit in hits["hits"])
