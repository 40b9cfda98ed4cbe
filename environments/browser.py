"""The configuration of an environment as people browse it: read-only, with secrets masked.

Only promoted resources: events, profiles, sessions, logs and users are nobody's to browse here.
"""

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from environments.catalogue import Policy, Resource, UnknownResourceError
from environments.documents import DocumentError, parse, title
from environments.elastic import Refused, connect
from environments.masking import masked
from environments.models import Environment

# The engine answers no more at once (`index.max_result_window`).
MOST: Final = 10_000


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
    answer = connect(environment.cluster).request(
        "POST",
        f"/{quote(environment.naming.alias(resource.name))}/_search",
        body={"size": MOST, "_source": ["name"], "track_total_hits": True},
    )
    hits = answer["hits"]["hits"]
    rows = [Listed(hit["_id"], title(hit["_id"], hit.get("_source") or {})) for hit in hits]
    rows.sort(key=lambda row: (row.title.casefold(), row.id))
    return Documents(tuple(rows), int(answer["hits"]["total"]["value"]))


def document(environment: Environment, resource: Resource, doc_id: str) -> dict[str, Any] | None:
    """Return a document, decoded and with its secrets masked; None where there is none.

    Raises:
        environments.elastic.ElasticError: the cluster refused, or does not answer.
    """
    alias = quote(environment.naming.alias(resource.name))
    path = f"/{alias}/_source/{quote(doc_id, safe='')}"
    try:
        text = connect(environment.cluster).verbatim("GET", path)
    except Refused as error:
        if error.missing:
            return None
        raise
    try:
        return masked(resource.name, parse(text))
    except DocumentError as error:
        return {"unreadable": str(error)}


def as_text(value: object) -> str:
    """Return a JSON value as lines for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
