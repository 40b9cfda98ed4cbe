"""The change on staging that two of the demo's workflow tests wait for.

Somebody at the shop made it, as it were: smaller orders count as large, and smaller baskets are
worth a reminder.
"""

from typing import Any

from devtools.demo import Document, indices, shop
from environments.elastic import Connection
from environments.naming import Naming

WORDS = (
    "Large orders begin at 100 euros, and baskets worth a reminder at 25. Two workflow tests of "
    "the demo wait for that."
)


def documents() -> list[tuple[str, str, dict[str, Any]]]:
    """Return (resource, id, source) of what is changed."""
    return [
        shop.edited("flow", "flow-order", _large),
        shop.edited("flow", "flow-basket", _worth),
    ]


def _large(plain: dict[str, Any]) -> None:
    plain["nodes"]["large"][3]["condition"] = "event@properties.total > 100"


def _worth(plain: dict[str, Any]) -> None:
    plain["nodes"]["worth"][3]["condition"] = "event@properties.total > 25"


def improve(connection: Connection, naming: Naming) -> None:
    """Write the change to staging; again, it changes nothing more."""
    changed = (Document(resource, None, doc_id, source) for resource, doc_id, source in documents())
    indices.load(connection, naming, changed)
