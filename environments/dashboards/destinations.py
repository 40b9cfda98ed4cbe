"""Where events are sent on to, and how many were due to each. Pure: no Django, no I/O.

Tracardi keeps no count of what it sent: it may note at an event who was served
(`metadata.processed_by.third_party`), and leaves that empty as a rule.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from environments.dashboards.answers import FAILED, Answers, trouble
from environments.dashboards.queries import MOST_DESTINATIONS, TOP, Destination
from environments.dashboards.tiles import Kind, Row, Series, State, Tile, changed
from environments.first_few import first_few
from environments.words.reading import inner, is_off, words

_MOST_NAMED: Final = 5
_UNTOLD: Final = "The destinations could not be read. Open the page again in a moment."


def destinations_in(documents: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Destination]:
    """Return the destinations that are switched on, by name, of documents as (id, source)."""
    found = []
    for key, source in documents:
        if is_off(source):
            continue
        by_event = source.get("on_profile_change_only") is False
        found.append(
            Destination(
                name=words(source.get("name")) or key,
                type=words(inner(source, "event_type", "id")) if by_event else "",
                source=words(inner(source, "source", "id")) if by_event else "",
                has_condition=bool(words(source.get("condition"))),
                id=key,
            )
        )
    return sorted(found, key=lambda one: (one.name.casefold(), one.id))


def destinations(got: Answers) -> Tile:
    """Return the tile of the events that were due to each destination."""
    tile = Tile(
        "destinations",
        "Events for destinations",
        Kind.BARS,
        ("Destination", "Events for it", "Noted as sent"),
        unit="events",
        help=(
            "Events of the type and the source that a destination is set to take, as it is set "
            "now. Tracardi rarely notes whether it sent one."
        ),
    )
    known = got.ask.destinations
    if known is None:
        return changed(tile, state=State.FAILED, note=_UNTOLD)
    if got.failed("work"):
        return changed(tile, state=State.FAILED, note=FAILED)
    noted = {str(b["key"]): int(b["doc_count"]) for b in got.buckets("work", "noted")}
    due = {(str(b["key"]), ""): int(b["doc_count"]) for b in got.buckets("work", "due")}
    for bucket in got.buckets("work", "due"):
        for source in bucket["sources"]["buckets"]:
            due[str(bucket["key"]), str(source["key"])] = int(source["doc_count"])
    rows = []
    for one in got.ask.counted_destinations:
        sent = sum(noted.pop(key, 0) for key in {one.id, one.name})
        rows.append(Row(one.name, (due.get((one.type, one.source), 0), sent)))
    # Who is not set up any more, or is noted under another name.
    rows += [Row(name, (None, sent)) for name, sent in noted.items()]
    rows.sort(key=lambda row: -int(row.values[0] or 0))
    notes = _notes(known)
    if len(rows) > TOP:
        notes.append(f"{len(rows) - TOP} more with fewer events are not shown.")
    rows = rows[:TOP]
    if not rows:
        note = "No destination that is switched on takes events."
        return changed(tile, state=State.EMPTY, note=" ".join([note, *notes]))
    return changed(
        tile,
        rows=tuple(rows),
        series=(Series("events", tuple(_number(row.values[0]) for row in rows)),),
        state=got.state("work"),
        notes=tuple(notes),
    )


def _number(value: float | str | None) -> float | None:
    return value if isinstance(value, int | float) else None


def _notes(known: Iterable[Destination]) -> list[str]:
    by_event = [one for one in known if one.type]
    by_profile = [one.name for one in known if not one.type]
    notes = []
    if conditional := [one.name for one in by_event if one.has_condition]:
        named = first_few(conditional, _MOST_NAMED)
        notes.append(f"Sent by a condition, so fewer perhaps: {named}.")
    if by_profile:
        named = first_few(by_profile, _MOST_NAMED)
        notes.append(f"Sent when a profile changes, which is not counted: {named}.")
    if len(by_event) > MOST_DESTINATIONS:
        notes.append(f"Only the first {MOST_DESTINATIONS} of {len(by_event)} were counted.")
    return notes


def destinations_of(answer: Mapping[str, Any]) -> list[Destination] | None:
    """Return the destinations that the answer to `destinations()` holds; None if it failed."""
    if trouble("Destinations", answer):
        return None
    return destinations_in((hit["_id"], hit["_source"]) for hit in answer["hits"]["hits"])
