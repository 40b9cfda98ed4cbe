"""The chain of audit events: each carries a digest of itself and of the one before; pure."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

# What the first event carries as the digest before it.
BEGINNING: Final = "0" * 64
# All that an event says, in the order of nothing: keys are sorted. A new one makes a new VERSION.
VERSION: Final = 1
FIELDS: Final = (
    "number",
    "at",
    "actor_id",
    "actor_name",
    "action",
    "outcome",
    "object_type",
    "object_id",
    "object_label",
    "environment_id",
    "environment_label",
    "reason",
    "detail",
    "channel",
    "address",
    "system_user",
    "request_id",
    "group",
    "previous",
)


def digest(facts: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hex, of an event's FIELDS."""
    held = {name: _plain(facts[name]) for name in FIELDS}
    text = json.dumps([VERSION, held], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    """Return a value as JSON has it, the same whichever database kept it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if value is None or isinstance(value, bool | int | str | Mapping | list):
        return value
    return str(value)
