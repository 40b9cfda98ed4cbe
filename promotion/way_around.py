"""The way of an event around some documents of a side, or as it is on two sides."""

from collections.abc import Callable, Collection
from typing import Any, Final

from environments.documents import DocumentError, parse
from environments.masking import masked
from environments.waypictures import WayView, way_view
from environments.ways import RESOURCES, Ways, compared, read_ways
from promotion.engine.dependencies import Key, around
from promotion.sides import Side

# A picture of more documents is none; what is left out is said.
MOST: Final = 80
ASIDE: Final = frozenset({"draft", "backup"})


def way_around(
    before: Side | None, after: Side, changed: Collection[Key], address: Callable[[Key], str]
) -> WayView | None:
    """Return the picture of what the changed documents are a part of, marked where it is another.

    With one side, as it is there. None where no event comes by any of them.
    """
    focus = [key for key in changed if key[0] in RESOURCES][:MOST]
    if not focus:
        return None
    now = _ways(after, around(after.configuration, focus, most=MOST))
    if before is None:
        return way_view(now, address, focus)
    then = _ways(before, around(before.configuration, focus, most=MOST))
    both = compared(then, now, focus)
    view = way_view(both, address, [key for key in focus if key in both.stops], compared=True)
    return None if view.is_empty else view


def _ways(side: Side, keys: Collection[Key]) -> Ways:
    documents: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    held = [key for key in sorted(keys) if key[0] in RESOURCES]
    entries = {key: entry for key in held if (entry := side.configuration.entry(key)) is not None}
    sources = side.content.sources_of([entry.oid for entry in entries.values()])
    for (resource, doc_id), entry in entries.items():
        try:
            source = parse(sources[entry.oid])
            # Only what runs is on the way, and a flow's other versions are most of it.
            plain = masked(resource, {k: v for k, v in source.items() if k not in ASIDE})
        except DocumentError:
            continue
        documents.setdefault(resource, []).append((doc_id, plain))
    return read_ways(documents)
