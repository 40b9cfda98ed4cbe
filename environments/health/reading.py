"""Reads how a cluster and an environment's set of indices are, in few and bounded requests.

Four requests a cluster and four an environment. Nothing is written, and no document leaves the
engine.
"""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from environments.documents import digest
from environments.elastic import ElasticError, Refused, Requester, Unreachable, connect
from environments.engines import engine_of
from environments.health.facts import (
    ClusterFacts,
    Disk,
    IndexFacts,
    SetFacts,
    Traffic,
    Watermark,
)
from environments.mappings import fixed
from environments.models import Cluster
from environments.naming import Naming
from environments.together import is_whole, together

# One look at an environment, its cluster included; and one request.
LOOK_SECONDS: Final = 10.0
REQUEST_SECONDS: Final = 5.0
# What fails sooner did not fail because nobody answered in time.
_AT_ONCE_SECONDS: Final = 0.5
# What a search has by then counts.
_SEARCH: Final = "4s"
_MOST_INDICES: Final = 10_000
_DISK: Final = "cluster.routing.allocation.disk."
_SETTINGS: Final = (
    f"*.{_DISK}threshold_enabled,*.{_DISK}watermark,*.cluster.max_shards_per_node,"
    "*.cluster.routing.allocation.total_shards_limit"
)
_TIME: Final = "metadata.time.insert"
_CLOSED_TOO: Final = {"expand_wildcards": "open,closed"}
_THERE: Final = {"ignore_unavailable": "true", "allow_no_indices": "true"}
# What is worse in the console log is an error (docs/tracardi.md).
_HARMLESS: Final = ("info", "debug", "warning")


class OtherClusterError(ElasticError):
    """Behind a cluster's address is another one than before; nothing of it was read."""


class Asker:
    """Sends requests to one cluster until a moment, and none later."""

    def __init__(self, cluster: Cluster, seconds: float = LOOK_SECONDS) -> None:
        self.cluster = cluster
        self._connection = connect(cluster)
        self._seconds = seconds
        self.begin()

    def begin(self) -> None:
        """Count the seconds anew, for the next environment."""
        self._end = time.monotonic() + self._seconds

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: object = None,
        timeout: float | None = None,
    ) -> Any:
        """Send one request and return its answer, as `elastic.Requester`.

        Raises:
            ElasticError: as `Connection.request`; Unreachable too where the time is up.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise Unreachable(
                f"Cluster {self.cluster} cannot be reached: it did not answer in time."
            )
        seconds = min(left, timeout or REQUEST_SECONDS)
        return self._connection.request(method, path, params=params, body=body, timeout=seconds)


def read_cluster(asker: Asker) -> ClusterFacts:
    """Read how a cluster is.

    Raises:
        ElasticError: it does not answer or refuses; or it is another one than before.
    """
    about, latency = _greeted(asker)
    uuid, cluster = str(about["cluster_uuid"]), asker.cluster
    if cluster.uuid and uuid != cluster.uuid:
        raise OtherClusterError(
            f"Behind the address of {cluster} is another cluster than before. Nothing of it was "
            "read. Correct the address."
        )
    health = asker.ask("GET", "/_cluster/health")
    params = {"include_defaults": "true", "filter_path": _SETTINGS}
    levels = asker.ask("GET", "/_cluster/settings", params=params)
    params = {"format": "json", "bytes": "b", "h": "node,disk.total,disk.avail"}
    rows = asker.ask("GET", "/_cat/allocation", params=params)
    found: dict[str, str] = {}
    for level in ("defaults", "persistent", "transient"):
        found |= _flat(levels.get(level, {}))
    return ClusterFacts(
        uuid=uuid,
        engine=engine_of(about),
        latency_ms=latency,
        status=str(health["status"]),
        open_shards=int(health["active_shards"]) + int(health["unassigned_shards"]),
        most_shards=_most_shards(found, int(health["number_of_data_nodes"])),
        # A row for shards without a node has no disk.
        disks=tuple(
            Disk(str(row["node"]), int(row["disk.total"]), int(row["disk.avail"]))
            for row in rows
            if row["disk.total"] and row["disk.avail"]
        ),
        watermarks=_watermarks(found),
    )


def _greeted(asker: Asker) -> tuple[Mapping[str, Any], float]:
    """Ask for the cluster's name, and return the answer with its milliseconds."""
    began = time.monotonic()
    try:
        about = asker.ask("GET", "/")
    except Unreachable:
        if time.monotonic() - began > _AT_ONCE_SECONDS:
            raise
        # A proxy may have closed a connection that was kept since the last look.
        began = time.monotonic()
        about = asker.ask("GET", "/")
    return about, 1000 * (time.monotonic() - began)


def _flat(settings: Mapping[str, Any], before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[before + name] = str(value)
    return found


def _most_shards(settings: Mapping[str, str], nodes: int) -> int | None:
    limit = settings.get("cluster.max_shards_per_node")
    if limit is None:
        return None
    most = int(limit) * nodes
    # OpenSearch alone has a limit of the whole cluster too; -1 is none.
    whole = int(settings.get("cluster.routing.allocation.total_shards_limit", "-1"))
    return most if whole < 0 else min(most, whole)


def _watermarks(settings: Mapping[str, str]) -> tuple[Watermark, ...]:
    if settings.get(f"{_DISK}threshold_enabled") == "false":
        return ()
    defaults = {"low": "85%", "high": "90%", "flood_stage": "95%"}
    found = [
        Watermark.read(key.replace("_", " "), settings.get(f"{_DISK}watermark.{key}", text))
        for key, text in defaults.items()
    ]
    return tuple(mark for mark in found if mark is not None)


def read_set(asker: Asker, naming: Naming) -> SetFacts:
    """Read an environment's indices, what holds one of its names, and what its events say.

    Raises:
        ElasticError: the cluster does not answer, or refuses.
    """
    state = asker.ask(
        "GET",
        f"/_cluster/state/metadata/{_path(_expressions(naming))}",
        params={
            "ignore_unavailable": "true",
            "allow_no_indices": "true",
            **_CLOSED_TOO,
            "flat_settings": "true",
            "filter_path": ",".join(
                f"metadata.indices.*.{part}"
                for part in ("state", "aliases", "settings", "mappings")
            ),
        },
    )
    indices = state.get("metadata", {}).get("indices", {})
    if not indices:
        return SetFacts()
    params = {"format": "json", "bytes": "b", "h": "index,health,pri.store.size", **_CLOSED_TOO}
    path = f"/_cat/indices/{_path(naming.search_patterns())}"
    rows = asker.ask("GET", path, params=params)
    cat = {str(row["index"]): row for row in rows}
    promoted = [naming.alias(resource.name) for resource in naming.catalogue.promoted]
    counts = documents_of(asker.ask, promoted)
    found = {
        name: _index(name, facts, cat.get(name, {}), counts) for name, facts in indices.items()
    }
    return SetFacts(found, _traffic(asker, naming))


def _expressions(naming: Naming) -> list[str]:
    """Return what lists a set: its indices, and whatever else holds one of its names."""
    alias = naming.alias("flow").removesuffix(naming.catalogue.get("flow").storage)
    shared = naming.alias("bridge").removesuffix(naming.catalogue.get("bridge").storage)
    return [*naming.search_patterns(), f"{alias}tracardi-*", f"{shared}tracardi-*"]


def _path(names: Iterable[str]) -> str:
    return ",".join(quote(name, safe="*") for name in names)


def _index(
    name: str, facts: Mapping[str, Any], row: Mapping[str, Any], counts: Mapping[str, int] | None
) -> IndexFacts:
    settings, health = facts.get("settings", {}), str(row.get("health") or "")
    size = row.get("pri.store.size")
    # A part that is nowhere is not counted, and others may be.
    known = counts is not None and health != "red"
    return IndexFacts(
        name=name,
        aliases=frozenset(facts.get("aliases", ())),
        is_open=facts.get("state") != "close",
        health=health,
        mapping=_digest(fixed(facts.get("mappings", {}).get("_doc", {}))),
        analysis=_digest({k: v for k, v in settings.items() if k.startswith("index.analysis.")}),
        size=int(size) if size is not None else None,
        documents=(counts or {}).get(name, 0) if known else None,
        blocks=frozenset(
            key.removeprefix("index.blocks.")
            for key, value in settings.items()
            if key.startswith("index.blocks.") and str(value) == "true"
        ),
    )


def _digest(value: object) -> str:
    return digest(value)[:32]


def documents_of(ask: Requester, aliases: Iterable[str]) -> dict[str, int] | None:
    """Return by index how many documents a search through some aliases finds, in one request.

    What holds none is left out. None where the engine counted a part alone. An index's own
    statistics count each nested object as a document, and a few of Tracardi's mappings have some.
    """
    body = {
        "size": 0,
        "timeout": _SEARCH,
        "aggs": {"indices": {"terms": {"field": "_index", "size": _MOST_INDICES}}},
    }
    try:
        answer = ask("POST", f"/{_path(aliases)}/_search", params=_THERE, body=body)
    except Refused as error:
        # Each part of the data is nowhere: how many there are, nobody knows.
        if error.kind == "search_phase_execution_exception" or error.status == 503:
            return None
        raise
    if answer["timed_out"]:
        return None
    buckets = answer.get("aggregations", {}).get("indices", {}).get("buckets", ())
    return {str(bucket["key"]): int(bucket["doc_count"]) for bucket in buckets}


def _traffic(asker: Asker, naming: Naming) -> Traffic:
    # The flag and the status of one event may be written by different parts of Tracardi.
    marks = [{"term": {"metadata.error": True}}, {"term": {"metadata.status": "error"}}]
    failed = {"bool": {"should": marks}}
    of_day = {"range": {_TIME: {"gte": "now-24h"}}}
    events = {
        "size": 0,
        "timeout": _SEARCH,
        "track_total_hits": True,
        "aggs": {
            "last": {"max": {"field": _TIME}},
            "day": {"filter": of_day, "aggs": {"failed": {"filter": failed}}},
        },
    }
    logs = {
        "size": 0,
        "timeout": _SEARCH,
        "query": {
            "bool": {
                "filter": [{"range": {"metadata.timestamp": {"gte": "now-24h"}}}],
                "must_not": [{"terms": {"type": list(_HARMLESS)}}],
            }
        },
        "aggs": {"events": {"cardinality": {"field": "event_id"}}},
    }
    body = together(naming, (("event", events), ("console-log", logs)))
    event, log = asker.ask("POST", "/_msearch", body=body)["responses"]
    logged = None
    if is_whole(log):
        logged = int(log.get("aggregations", {}).get("events", {}).get("value", 0))
    if not is_whole(event):
        return Traffic(logged=logged)
    # Without any index the engine leaves the aggregations out.
    found = event.get("aggregations")
    if not found:
        return Traffic(events=0, day=0, failed=0, logged=logged)
    last = found["last"]["value"]
    return Traffic(
        events=int(event["hits"]["total"]["value"]),
        last_event=datetime.fromtimestamp(last / 1000, UTC) if last is not None else None,
        day=int(found["day"]["doc_count"]),
        failed=int(found["day"]["failed"]["doc_count"]),
        logged=logged,
    )
