"""Makes and fills the indices of one demo side, named and mapped as Tracardi 0.8.1 does."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from devtools.demo import Document
from devtools.elasticsearch.mappings import fitted
from environments.catalogue import Policy
from environments.elastic import Connection, Refused
from environments.naming import Naming

_SHAPES = Path(__file__).parent / "mappings" / "indices.json"
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_BATCH = 1500
_SECONDS = 120.0


class LoadError(RuntimeError):
    """The engine refused a document."""


@dataclass(frozen=True)
class Names:
    """Exact names: each index with its alias, and each template. `shared` serve both sides."""

    indices: dict[str, str]
    shared: dict[str, str]
    templates: tuple[str, ...]


def names(naming: Naming, months: Iterable[str]) -> Names:
    """Return the names of all that `create` makes. `months` are such as `2026-11`.

    Raises:
        ValueError: no month, or one of another form.
    """
    wanted = sorted(set(months))
    if not wanted or not all(_MONTH.fullmatch(month) for month in wanted):
        raise ValueError(f"{wanted} are no months such as 2026-11.")
    indices, shared, templates = {}, {}, []
    for resource in naming.catalogue.resources:
        alias = naming.alias(resource.name)
        if resource.policy is Policy.SHARED:
            shared[naming.concrete(resource.name)] = alias
        elif resource.partitioned:
            templates.append(naming.template(resource.name))
            for month in wanted:
                indices[naming.partition(resource.name, month)] = alias
        else:
            indices[naming.concrete(resource.name)] = alias
    return Names(indices, shared, tuple(templates))


def shapes(naming: Naming) -> dict[str, dict[str, Any]]:
    """Return resource to settings and mappings, marked with the tenant as Tracardi does."""
    loaded = json.loads(_SHAPES.read_text())
    meta = {"name": naming.tenant, "version": naming.catalogue.prefix}
    return {
        resource.name: {
            "settings": loaded[resource.storage]["settings"],
            "mappings": {**loaded[resource.storage]["mappings"], "_meta": meta},
        }
        for resource in naming.catalogue.resources
    }


def create(connection: Connection, naming: Naming, months: Sequence[str]) -> Names:
    """Make every template, index and alias of one side, and the shared indices if they lack.

    Stops at the first name that exists already: call `names` first and note them, so that what
    was made can be removed.

    Raises:
        ValueError: as `names`.
        environments.elastic.ElasticError: the engine refused, or does not answer.
    """
    made, wanted = names(naming, months), shapes(naming)
    for resource in naming.catalogue.resources:
        shape = fitted(connection, wanted[resource.name])
        shape = {**shape, "aliases": {naming.alias(resource.name): {}}}
        if resource.partitioned:
            template = {
                "index_patterns": [naming.template_pattern(resource.name)],
                "template": shape,
            }
            _put(connection, f"/_index_template/{naming.template(resource.name)}", template)
            for month in sorted(set(months)):
                # The template gives it mapping, settings and alias.
                _put(connection, f"/{naming.partition(resource.name, month)}", None)
            continue
        try:
            _put(connection, f"/{naming.concrete(resource.name)}", shape)
        except Refused as error:
            exists = error.kind == "resource_already_exists_exception"
            if not (exists and resource.policy is Policy.SHARED):
                raise
    _wait(connection, [*made.indices, *made.shared])
    return made


def _wait(connection: Connection, wanted: Sequence[str]) -> None:
    # In parts: an address has a greatest length.
    for start in range(0, len(wanted), 20):
        path = f"/_cluster/health/{','.join(wanted[start : start + 20])}"
        params = {"wait_for_status": "yellow", "timeout": f"{_SECONDS:.0f}s"}
        connection.request("GET", path, params=params, timeout=_SECONDS + 10)


def _put(connection: Connection, path: str, body: object) -> None:
    if path.startswith("/_index_template/"):
        # Otherwise a template of that name would be overwritten.
        params = {"create": "true"}
    else:
        # `create` waits for all shards at its end: in turn it would take three times as long.
        params = {"wait_for_active_shards": "0"}
    connection.request("PUT", path, params=params, body=body, timeout=_SECONDS)


def load(connection: Connection, naming: Naming, documents: Iterable[Document]) -> dict[str, int]:
    """Write the documents, refresh, and return how many each resource got.

    Raises:
        LoadError: a document was refused; the words say which, and why.
        environments.elastic.ElasticError: the engine refused, or does not answer.
    """
    counts: dict[str, int] = {}
    touched: set[str] = set()
    rest = iter(documents)
    while batch := list(islice(rest, _BATCH)):
        lines = []
        for document in batch:
            if document.month is None:
                index = naming.concrete(document.resource)
            else:
                index = naming.partition(document.resource, document.month)
            touched.add(index)
            counts[document.resource] = counts.get(document.resource, 0) + 1
            lines.append(json.dumps({"index": {"_index": index, "_id": document.id}}))
            lines.append(json.dumps(document.source))
        answer = connection.request(
            "POST", "/_bulk", body="\n".join(lines) + "\n", timeout=_SECONDS
        )
        if answer["errors"]:
            bad = next(item["index"] for item in answer["items"] if "error" in item["index"])
            raise LoadError(f"{bad['_index']} refused {bad['_id']}: {bad['error']}")
    if touched:
        connection.request("POST", f"/{','.join(sorted(touched))}/_refresh", timeout=_SECONDS)
    return counts
