"""What an engine's answers say, as the facts that promotions need."""

from collections.abc import Mapping
from typing import Any, Final

from promotion.engine.ports import IndexState, ShardMarks, digest

_BYTES: Final = {"kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4, "pb": 1024**5}
# They differ between equal indices, or move without a change of meaning.
_VOLATILE: Final = (
    "index.blocks.",
    "index.uuid",
    "index.creation_date",
    "index.version.",
    "index.provided_name",
    "index.resize.",
    "index.routing.allocation.initial_recovery.",
    "index.history.uuid",
)


def flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested settings with one dotted name each."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= flat(value, f"{before}{name}.")
        else:
            found[before + name] = value
    return found


def is_flooded(disk: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Answer whether a node's disk (of `_cat/allocation`, in bytes) is over its flood stage."""
    if settings.get("cluster.routing.allocation.disk.threshold_enabled") == "false":
        return False
    # A row for shards without a node has no disk.
    total, free = disk.get("disk.total"), disk.get("disk.avail")
    if total is None or free is None:
        return False
    mark = str(settings.get("cluster.routing.allocation.disk.watermark.flood_stage", "95%"))
    if mark.endswith("%"):
        return int(free) < int(total) * (1 - float(mark[:-1]) / 100)
    if (ratio := _number(mark)) is not None:
        return int(free) < int(total) * (1 - ratio)
    unit = _BYTES.get(mark.lstrip("0123456789.").lower(), 1)
    return int(free) < float(mark.rstrip("abcdefghijklmnopqrstuvwxyzKMGTPB")) * unit


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def state_of(name: str, facts: Mapping[str, Any]) -> IndexState:
    """Return an index's state, of `_cluster/state/metadata` with flat settings."""
    settings = facts["settings"]
    lasting = {k: v for k, v in settings.items() if not k.startswith(_VOLATILE)}
    mapping = facts["mappings"].get("_doc", {})
    return IndexState(
        name=name,
        uuid=settings["index.uuid"],
        aliases=tuple(sorted(facts["aliases"])),
        mapping_version=facts["mapping_version"],
        mapping=mapping,
        settings=lasting,
        settings_digest=digest(lasting),
        write_blocked=settings.get("index.blocks.write") == "true",
    )


def marks_of(shards: Mapping[str, Any]) -> ShardMarks:
    """Return the sequence numbers of an index's primaries, of `_stats?level=shards`."""
    primaries = [
        copy["seq_no"]
        for number in sorted(shards, key=int)
        for copy in shards[number]
        if copy["routing"]["primary"]
    ]
    return ShardMarks(
        tuple(seq["max_seq_no"] for seq in primaries),
        # What not every copy in sync has yet could still be lost, and its number be used again.
        tuple(min(seq["local_checkpoint"], seq["global_checkpoint"]) for seq in primaries),
    )
