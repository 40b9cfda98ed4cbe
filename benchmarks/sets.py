"""Makes, changes and removes one side's indices in the engine."""

import json
import time
from collections.abc import Callable
from typing import Final

from benchmarks.data import Configuration, Key
from devtools.demo import indices
from environments.elastic import Connection, Refused
from environments.naming import LEASE_INDEX, Naming
from promotion.writer import ClusterWriter

MONTH: Final = "2026-11"
_BATCH: Final = 2000


def create(connection: Connection, naming: Naming, *, whole: bool = False) -> None:
    """Make one side's promoted indices with Tracardi's mappings and aliases.

    `whole` makes the protected ones too, of one month: a promotion's receipt looks at them.
    """
    shapes = indices.shapes(naming)
    wanted = [*naming.catalogue.promoted, *(naming.catalogue.protected if whole else ())]
    for resource in wanted:
        name = resource.name
        index = naming.partition(name, MONTH) if resource.partitioned else naming.concrete(name)
        body = {**shapes[name], "aliases": {naming.alias(name): {}}}
        params = {"wait_for_active_shards": "0"}
        connection.request("PUT", f"/{index}", params=params, body=body)


def write(
    connection: Connection,
    naming: Naming,
    configuration: Configuration,
    keys: list[Key],
    token: str,
) -> None:
    """Write documents as the change called `token`, and make them visible.

    Raises:
        RuntimeError: the engine refused one.
    """
    for start in range(0, len(keys), _BATCH):
        lines = []
        for key in keys[start : start + _BATCH]:
            index = naming.concrete(key.resource)
            lines.append(json.dumps({"index": {"_index": index, "_id": key.id}}))
            lines.append(json.dumps(configuration.source(key, token)))
        answer = connection.request("POST", "/_bulk", body="\n".join(lines) + "\n", timeout=120)
        if answer["errors"]:
            bad = next(item["index"] for item in answer["items"] if "error" in item["index"])
            raise RuntimeError(f"{bad['_index']} refused {bad['_id']}: {bad['error']}")
    names = ",".join(sorted({naming.concrete(key.resource) for key in keys}))
    connection.request("POST", f"/{names}/_refresh", timeout=120)


def remove(connection: Connection, naming: Naming) -> None:
    """Delete what is there of one side, by exact names, and the console's claim on it."""
    writer = ClusterWriter(connection)
    patterns = [*naming.search_patterns(), f"tracardi-console.{naming.key}.*"]
    writer.delete(sorted(writer.states(patterns)))
    try:
        connection.request("DELETE", f"/{LEASE_INDEX}/_doc/{naming.key}")
    except Refused as error:
        if not error.missing:
            raise


def timed(act: Callable[[], object]) -> float:
    """Return how many seconds it took."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started
