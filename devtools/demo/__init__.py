"""The demo's data: the web shop "Harbour & Pine", its configuration and its traffic.

Everything here is invented and deterministic: the same arguments give the same documents.
"""

from typing import Any, NamedTuple


class Document(NamedTuple):
    """One document to load. `month`, such as `2026-11`, is None where a resource has one index."""

    resource: str
    month: str | None
    id: str
    source: dict[str, Any]
