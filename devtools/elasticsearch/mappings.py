"""Gives an engine the nearest that it has to `flattened`, which many of Tracardi's mappings use."""

from functools import cache
from typing import Any, Final

from environments.elastic import Connection, Refused

# The first that an engine knows is taken: Elasticsearch's own (not in builds under the open
# licence before 7.17), OpenSearch's since 2.7, and what every engine keeps without indexing it.
_NEAREST: Final[tuple[dict[str, Any], ...]] = (
    {"type": "flattened"},
    {"type": "flat_object"},
    {"type": "object", "enabled": False},
)


def fitted(connection: Connection, shape: dict[str, Any]) -> dict[str, Any]:
    """Return settings and mappings of an index with each `flattened` field as the engine has it.

    Raises:
        environments.elastic.ElasticError: the engine does not answer.
    """
    nearest = _nearest(connection)
    if nearest == _NEAREST[0]:
        return shape
    fit: dict[str, Any] = _replaced(shape, nearest)
    return fit


@cache
def _nearest(connection: Connection) -> dict[str, Any]:
    for field in _NEAREST[:-1]:
        # Checked by the engine as a real template would be, and made nowhere.
        template = {
            "index_patterns": ["tracardi-console.no-such-index"],
            "template": {"mappings": {"properties": {"any": field}}},
        }
        try:
            connection.request("POST", "/_index_template/_simulate", body=template)
        except Refused as error:
            if error.temporary:
                raise
            continue
        return field
    return _NEAREST[-1]


def _replaced(value: Any, nearest: dict[str, Any]) -> Any:
    if value == _NEAREST[0]:
        return nearest
    if isinstance(value, dict):
        return {name: _replaced(part, nearest) for name, part in value.items()}
    return value
