"""The configuration of an environment as people browse it: read-only, with secrets masked.

Only promoted resources: events, profiles, sessions, logs and users are nobody's to browse here.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from environments.catalogue import Policy, Resource, UnknownResourceError
from environments.documents import DocumentError, parse, title
from environments.elastic import Refused, connect
from environments.flowgraph import shown
from environments.masking import masked
from environments.models import Environment
from environments.ways import RESOURCES

# The engine answers no more at once (`index.max_result_window`).
MOST: Final = 10_000

# Documents of one resource that the way of an event is drawn from.
MOST_ON_WAY: Final = 1_000
# In bytes, as engines refuse to write a longer one; asked for, it is an error of theirs.
LONGEST_ID: Final = 512
_FLOWS_AT_ONCE: Final = 50
_GRAPHS: Final = ["draft", "production", "backup"]


@dataclass(frozen=True)
class Listed:
    """One document of a list."""

    id: str
    title: str


@dataclass(frozen=True)
class Documents:
    """A resource's documents, sorted by title. `total` may be more than are listed."""

    rows: tuple[Listed, ...]
    total: int


def browsable(environment: Environment, name: str) -> Resource | None:
    """Return the promoted resource of that name, or None."""
    try:
        resource = environment.catalogue.get(name)
    except UnknownResourceError:
        return None
    return resource if resource.policy is Policy.PROMOTED else None


def documents(environment: Environment, resource: Resource) -> Documents:
    """Return the documents that Tracardi reads, the first MOST of them, as one search has them.

    Raises:
        environments.elastic.ElasticError: the cluster refused, or does not answer.
    """
    body = {"size": MOST, "_source": ["name"], "track_total_hits": True}
    answer = _search(environment, resource.name, body)
    hits = answer["hits"]["hits"]
    rows = [Listed(hit["_id"], shown(title(hit["_id"], hit.get("_source") or {}))) for hit in hits]
    rows.sort(key=lambda row: (row.title.casefold(), row.id))
    return Documents(tuple(rows), int(answer["hits"]["total"]["value"]))


def document(
    environment: Environment, resource: Resource, doc_id: str, without: Collection[str] = ()
) -> dict[str, Any] | None:
    """Return a document, decoded and with its secrets masked; None where there is none.

    Fields of `without` are left out: to mask a large flow's versions takes most of the time.

    Raises:
        environments.elastic.ElasticError: the cluster refused, or does not answer.
    """
    if not _is_id(doc_id):
        return None
    alias = quote(environment.naming.alias(resource.name))
    path = f"/{alias}/_source/{quote(doc_id, safe='')}"
    try:
        text = connect(environment.cluster).verbatim("GET", path)
    except Refused as error:
        if error.missing:
            return None
        raise
    try:
        source = parse(text)
        kept = {name: value for name, value in source.items() if name not in without}
        return masked(resource.name, kept)
    except DocumentError as error:
        return {"unreadable": str(error)}


def _is_id(doc_id: str) -> bool:
    """Answer whether an engine can hold a document of this id: it is UTF-8, and no longer."""
    try:
        return len(doc_id.encode()) <= LONGEST_ID
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True)
class Read:
    """The documents on an event's way by resource, as (id, masked source), without what it needs
    not; `partial` are the labels of resources that have more than are read.
    """

    documents: dict[str, list[tuple[str, dict[str, Any]]]]
    partial: tuple[str, ...]


def on_the_way(environment: Environment) -> Read:
    """Return what the way of an event is made of, MOST_ON_WAY of each resource at most.

    Raises:
        environments.elastic.ElasticError: the cluster refused, or does not answer.
    """
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    partial = []
    for name in RESOURCES:
        resource = environment.catalogue.get(name)
        # Of a flow the graphs are by far the most: they are read apart, and fewer at once.
        body = {"size": MOST_ON_WAY, "track_total_hits": True, "_source": {"excludes": _GRAPHS}}
        answer = _search(environment, name, body)
        hits = answer["hits"]["hits"]
        found[name] = [(hit["_id"], masked(name, hit.get("_source") or {})) for hit in hits]
        found[name].sort(key=lambda pair: pair[0])
        if int(answer["hits"]["total"]["value"]) > len(hits):
            partial.append(resource.label)
    flows = dict(found["flow"])
    ids = list(flows)
    for start in range(0, len(ids), _FLOWS_AT_ONCE):
        part = ids[start : start + _FLOWS_AT_ONCE]
        query = {"ids": {"values": part}}
        asked = {"size": len(part), "_source": ["production"], "query": query}
        for hit in _search(environment, "flow", asked)["hits"]["hits"]:
            # Only for its references, which hold ids: it is decoded there, and never shown.
            flows[hit["_id"]]["production"] = hit.get("_source", {}).get("production")
    return Read(found, tuple(partial))


def _search(environment: Environment, name: str, body: object) -> Any:
    path = f"/{quote(environment.naming.alias(name))}/_search"
    return connect(environment.cluster).request("POST", path, body=body)


def as_text(value: object) -> str:
    """Return a JSON value as lines for people."""
    return shown(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True))
