"""Whether staging was written to since its last build: for many environments at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from environments.elastic import ElasticError, connect
from environments.models import Cluster, Environment
from promotion.again import for_a_page
from promotion.cluster import ClusterReader
from promotion.engine.errors import PromotionError
from promotion.models import Build, BuildPart
from promotion.together import together

Written = Mapping[str, tuple[str, tuple[int, ...]]]
# So many changed resources are named.
MOST_NAMED = 4


@dataclass(frozen=True)
class Changed:
    """`changed` is None where that is not known; `words` say what changed, or why."""

    changed: bool | None
    words: str


def changes_since(pairs: Sequence[tuple[Environment, Build | None]]) -> dict[int, Changed]:
    """Return for each environment, by its key, whether it was written to since its build.

    By sequence numbers alone: a change of a mapping shows when it is captured. A few requests a
    cluster, however many of its environments are asked about.
    """
    by_cluster: dict[Cluster, list[Environment]] = {}
    for environment, build in pairs:
        if build is not None:
            by_cluster.setdefault(environment.cluster, []).append(environment)
    reads = [partial(_written, connect(c), environments) for c, environments in by_cluster.items()]
    # Nothing of the database in them: connections to it belong to a thread.
    answers = together(*reads) if reads else []
    found = dict(zip(by_cluster, answers, strict=True))
    parts = _parts([build for _, build in pairs if build is not None])
    return {
        environment.pk: Changed(True, "Never captured")
        if build is None
        else _judge(environment, build, parts.get(build.pk, {}), found[environment.cluster])
        for environment, build in pairs
    }


def _written(connection: Any, environments: Sequence[Environment]) -> Written | str:
    names = [
        environment.naming.alias(resource.name)
        for environment in environments
        for resource in environment.catalogue.promoted
    ]
    try:
        with for_a_page():
            return ClusterReader(connection).written(names)
    except (PromotionError, ElasticError) as error:
        return str(error)


def _parts(builds: Sequence[Build]) -> dict[int, dict[str, tuple[str, Any]]]:
    """Return each build's resources with the index and fingerprint they were read under."""
    found: dict[int, dict[str, tuple[str, Any]]] = {}
    rows = BuildPart.objects.filter(build__in=builds)
    for build, resource, index, mark in rows.values_list(
        "build_id", "tree__resource", "index", "fingerprint"
    ):
        found.setdefault(build, {})[resource] = (index, mark)
    return found


def _judge(
    environment: Environment,
    build: Build,
    parts: Mapping[str, tuple[str, Any]],
    written: Written | str,
) -> Changed:
    if isinstance(written, str):
        return Changed(None, written)
    catalogue = environment.catalogue
    if all(index not in written for index, _mark in parts.values()):
        words = "None of the indices that it was captured from is there."
        return Changed(None, words)
    moved = [
        catalogue.get(name).label
        for name, (index, mark) in parts.items()
        if written.get(index) != (mark["uuid"], tuple(mark["max_seq_no"]))
    ]
    if not moved:
        return Changed(False, f"As in build {build.number}")
    rest = len(moved) - MOST_NAMED
    more = f" and {rest} more" if rest > 0 else ""
    return Changed(True, f"Since build {build.number}: {', '.join(moved[:MOST_NAMED])}{more}")
