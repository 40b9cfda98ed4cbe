"""What of an index's mapping Tracardi decides, and what the index learnt from documents; pure."""

from collections.abc import Mapping
from typing import Any, Final

from environments.naming import Naming

_LEARNS: Final = (True, "true")


def fixed(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping without the fields that were learnt from documents.

    Tracardi's mappings are strict but for some objects, such as a content's `traits`, which learn
    each field that a document brings. Two sets of one version differ in that alone, and may.
    """
    told = dict(mapping)
    inner = told.get("properties")
    if isinstance(inner, Mapping):
        told["properties"] = {name: _field(field) for name, field in inner.items()}
    return told


def _field(field: Any) -> Any:
    if not isinstance(field, Mapping):
        return field
    if field.get("dynamic") in _LEARNS:
        # An object without fields says its type, one with fields does not.
        kept = {name: value for name, value in field.items() if name != "properties"}
        return {"type": "object", **kept}
    return fixed(field)


def retold(mapping: Mapping[str, Any], before: Naming, after: Naming) -> dict[str, Any]:
    """Return a mapping with the other tenant's name, where Tracardi noted the tenant in `_meta`."""
    told = dict(mapping)
    meta = told.get("_meta")
    if isinstance(meta, Mapping) and meta.get("name") == before.tenant:
        told["_meta"] = {**meta, "name": after.tenant}
    return told
