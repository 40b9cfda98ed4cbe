"""What has to be known of a document to tell what depends on it, in a form to keep for many.

Pure: no Django, no I/O. Never a secret: of credentials only whether there are any.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from environments.references import mentions

# What a resource's credentials lack: those that production uses, or all.
LACKS_PRODUCTION: Final = "production"
LACKS_ALL: Final = "all"


class Link(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one document says of another, however often: `soft` and `name` as in `Reference`."""

    resource: str
    id: str
    soft: bool = False
    name: str = ""


class Links(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a document refers to, and what others that refer to it must know.

    `alias` is a name that it is referred to by besides its id. `is_off` says that it is disabled,
    `runs_nothing` that it is a flow without anything deployed, `lacks` which credentials a
    resource has not: LACKS_PRODUCTION, LACKS_ALL, or empty.
    """

    to: tuple[Link, ...] = ()
    alias: str = ""
    is_off: bool = False
    runs_nothing: bool = False
    lacks: str = ""


NOTHING: Final = Links()


class Linker:
    """Finds documents' links; equal ones are one object, as most of many thousand are."""

    def __init__(self) -> None:
        self._links: dict[tuple[str, str, bool, str], Link] = {}
        self._known: dict[Links, Links] = {}

    def same(self, links: Links) -> Links:
        """Return equal links that were seen before, or these."""
        return self._known.setdefault(links, links)

    def links(self, resource: str, doc_id: str, plain: Mapping[str, Any]) -> Links | None:
        """Return a decoded document's links, or None where there is nothing to say."""
        found: dict[tuple[str, str], Link] = {}
        for _path, target, target_id, soft, name in mentions(resource, doc_id, plain):
            earlier = found.get((target, target_id))
            if earlier is None or (earlier.soft and not soft):
                found[target, target_id] = self._link((target, target_id, soft, name))
        links = Links(
            tuple(found.values()),
            _alias(plain) if resource == "segment" else "",
            plain.get("enabled") is False,
            resource == "flow" and _runs_nothing(plain.get("production")),
            _lacks(plain.get("credentials")) if resource == "resource" else "",
        )
        return None if links == NOTHING else self.same(links)

    def _link(self, facts: tuple[str, str, bool, str]) -> Link:
        link = self._links.get(facts)
        if link is None:
            link = self._links[facts] = Link(*facts)
        return link


def _alias(plain: Mapping[str, Any]) -> str:
    name = plain.get("machine_name")
    return name if isinstance(name, str) else ""


def _runs_nothing(production: object) -> bool:
    """Answer whether a flow's deployed part is empty; one that cannot be read is given credit."""
    if not production:
        return True
    if not isinstance(production, Mapping):
        return False
    graph = production.get("flowGraph")
    return not (isinstance(graph, Mapping) and graph.get("nodes"))


def _lacks(credentials: object) -> str:
    """Say what is not there; what is there but cannot be read is given credit."""
    if credentials and not isinstance(credentials, Mapping):
        return ""
    held = credentials if isinstance(credentials, Mapping) else {}
    if _says_anything(held.get("production")):
        return ""
    return LACKS_PRODUCTION if _says_anything(held.get("test")) else LACKS_ALL


def _says_anything(value: object) -> bool:
    """Answer whether there is any text or number in a value; a switch alone is none."""
    if isinstance(value, Mapping):
        return any(map(_says_anything, value.values()))
    if isinstance(value, list):
        return any(map(_says_anything, value))
    return isinstance(value, int | float | str) and not isinstance(value, bool) and value != ""
