"""The way of an event through a configuration: source, event type, rule, flow, destination.

Pure: no Django, no I/O. Only what the documents' references say is a link, and each link knows the
documents that say it: a rule names its source, its event type and its flow.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, TypeAlias

from environments.documents import DocumentError, title
from environments.flowgraph import Mark, shown
from environments.references import references

# Resource and id.
Key: TypeAlias = tuple[str, str]
LinkKey: TypeAlias = tuple[Key, Key]
Documents: TypeAlias = Mapping[str, Iterable[tuple[str, Mapping[str, Any]]]]

# From left to right; the first of a column gives it its heading.
COLUMNS: Final = (
    ("event-source",),
    ("event-management", "segment"),
    ("rule", "live-segment"),
    ("flow",),
    ("destination",),
)
WORDS: Final[Mapping[str, str]] = {
    "event-source": "event source",
    "event-management": "event type",
    "segment": "segment",
    "rule": "rule",
    "live-segment": "live segment",
    "flow": "flow",
    "destination": "destination",
}
# What is read, besides the columns: a redirect says which event type its source sends.
RESOURCES: Final = (*WORDS, "event-redirect")
# Events carry types, and profiles segments, that no document describes.
_NEED_NO_DOCUMENT: Final = ("event-management", "segment")
# How many documents one picture holds, and still is one.
MOST: Final = 120


@dataclass(frozen=True)
class Stop:
    """A document on the way. `takes` says what it takes, such as `Web shop: Order placed`.

    `missing` says that there is no such document though there must be one, `implied` that there is
    none and need not be: events carry types that no document describes.
    """

    key: Key
    title: str
    takes: str = ""
    off: bool = False
    missing: bool = False
    implied: bool = False
    mark: Mark = Mark.SAME


@dataclass(frozen=True)
class Link:
    """One step from a document to the next, and the documents that say so.

    `shared` is the resource that a flow and a destination both use: they have no other link.
    """

    source: Key
    target: Key
    by: frozenset[Key]
    shared: str = ""
    mark: Mark = Mark.SAME

    @property
    def key(self) -> LinkKey:
        return (self.source, self.target)


@dataclass(frozen=True)
class Ways:
    """Documents and the links between them; `left_out` counts documents that are not here."""

    stops: Mapping[Key, Stop]
    links: Mapping[LinkKey, Link]
    left_out: int = 0

    @property
    def alone(self) -> tuple[Stop, ...]:
        """The documents that no link leads to or from."""
        linked = {key for link in self.links for key in link}
        return tuple(stop for key, stop in self.stops.items() if key not in linked)


def read_ways(documents: Documents) -> Ways:
    """Return the ways of a configuration's documents, given as (id, masked source) by resource.

    Resources beyond RESOURCES are passed over; so is what cannot be decoded.
    """
    stops: dict[Key, Stop] = {}
    links: dict[LinkKey, Link] = {}
    users: dict[str, list[Key]] = {}
    ends: list[tuple[Key, str]] = []
    for resource in RESOURCES:
        for doc_id, source in documents.get(resource, ()):
            key = (resource, doc_id)
            found = _references(resource, doc_id, source)
            for link in _said(key, found):
                old = links.get(link.key, link)
                links[link.key] = replace(link, by=link.by | old.by)
            if resource in WORDS:
                stops[key] = _stop(key, source, found, stops)
            for used in found.get("resource", ()):
                if resource == "destination":
                    ends.append((key, used))
                else:
                    users.setdefault(used, []).append(key)
    for end, used in ends:
        for flow in users.get(used, ()):
            links.setdefault((flow, end), Link(flow, end, frozenset((end,)), shown(used)))
    for key in (key for link in links for key in link):
        if key not in stops:
            stops[key] = _unknown(key)
    return Ways(stops, links)


def _references(resource: str, doc_id: str, source: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the ids that a document names, by resource; of a flow only what runs counts."""
    if resource == "flow":
        source = {"production": source.get("production")}
    try:
        named = references(resource, doc_id, source)
    except DocumentError:
        return {}
    found: dict[str, list[str]] = {}
    for one in named:
        ids = found.setdefault(one.resource, [])
        if one.id not in ids:
            ids.append(one.id)
    return found


def _chain(key: Key, found: Mapping[str, list[str]]) -> list[Key]:
    """Return the source and the event type that a document names, then the document itself."""
    before = [
        (kind, found[kind][0]) for kind in ("event-source", "event-management") if kind in found
    ]
    return [*before, key]


def _said(key: Key, found: Mapping[str, list[str]]) -> Iterator[Link]:
    """Yield the links that one document says."""
    resource, by = key[0], frozenset((key,))
    steps: list[LinkKey] = []
    if resource in ("rule", "destination"):
        steps += pairwise(_chain(key, found))
    if resource == "event-redirect":
        # It stands on no way itself: its source sends the event for it.
        steps += pairwise(_chain(key, found)[:-1])
    if resource == "rule":
        steps += [(("segment", one), key) for one in found.get("segment", ())]
    if resource in ("rule", "live-segment"):
        steps += [(key, ("flow", one)) for one in found.get("flow", ())]
    for source, target in steps:
        yield Link(source, target, by)


def _stop(
    key: Key, source: Mapping[str, Any], found: Mapping[str, list[str]], known: Mapping[Key, Stop]
) -> Stop:
    takes = ""
    if key[0] in ("rule", "destination"):
        # Rules that share an event type are told apart by the source that each takes it from.
        before = _chain(key, found)[:-1]
        takes = ": ".join(known[one].title if one in known else shown(one[1]) for one in before)
    return Stop(key, shown(title(key[1], source)), takes, off=source.get("enabled") is False)


def _unknown(key: Key) -> Stop:
    implied = key[0] in _NEED_NO_DOCUMENT
    return Stop(key, shown(key[1]), missing=not implied, implied=implied)


def compared(before: Ways, after: Ways, changed: Collection[Key] = ()) -> Ways:
    """Return what either has, with marks; `changed` are the documents whose content differs."""
    stops: dict[Key, Stop] = {}
    for key in {**after.stops, **before.stops}:
        old, new = before.stops.get(key), after.stops.get(key)
        was, is_now = (stop is not None and not stop.missing for stop in (old, new))
        stop = old if was and not is_now else new or old
        if stop is not None:
            described = old is not None and new is not None and old.implied != new.implied
            mark = Mark.CHANGED if key in changed or described else Mark.SAME
            if was != is_now:
                mark = Mark.REMOVED if was else Mark.ADDED
            stops[key] = replace(stop, mark=mark)
    links: dict[LinkKey, Link] = {}
    for place in {**after.links, **before.links}:
        earlier, later = before.links.get(place), after.links.get(place)
        link = later or earlier
        if link is not None:
            mark = Mark.ADDED if earlier is None else Mark.REMOVED if later is None else Mark.SAME
            links[place] = replace(link, mark=mark)
    return Ways(stops, links, before.left_out + after.left_out)


def way_of(ways: Ways, focus: Collection[Key] | None = None, *, most: int = MOST) -> Ways:
    """Return the part of the ways around the documents of `focus`, or the whole; bounded.

    Around a document are the rules and destinations that name it, with all that these name, and
    what the flows on their way share a resource with. Of `most` documents at once, marked ones
    come first; `left_out` counts the others that are on a way.
    """
    wanted = None if focus is None else set(focus)
    saying: dict[Key, list[Link]] = {}
    for link in ways.links.values():
        for key in link.by:
            saying.setdefault(key, []).append(link)

    def touches(key: Key) -> bool:
        return (
            wanted is None
            or key in wanted
            or any(
                not link.shared and (link.source in wanted or link.target in wanted)
                for link in saying[key]
            )
        )

    def order(key: Key) -> tuple[bool, str, Key]:
        marks = [link.mark for link in saying[key]]
        marks += [ways.stops[key].mark for link in saying[key] for key in link.key]
        same = all(mark is Mark.SAME for mark in marks)
        return same, ways.stops[key].title.casefold() if key in ways.stops else "", key

    chosen = sorted(filter(touches, saying), key=order)
    flows = {key for one in chosen for link in saying[one] for key in link.key if key[0] == "flow"}
    parts = [saying[key] for key in chosen]
    if wanted is not None:
        flows |= {key for key in wanted if key[0] == "flow"}
        parts.append([link for link in ways.links.values() if link.shared and link.source in flows])
    return _bounded(ways, parts, wanted or set(), most)


def _bounded(ways: Ways, parts: Iterable[list[Link]], wanted: set[Key], most: int) -> Ways:
    kept = {key for key in wanted if key in ways.stops}
    links: dict[LinkKey, Link] = {}
    missed: set[Key] = set()
    for part in parts:
        keys = {key for link in part for key in link.key}
        if len(kept | keys) > most:
            missed |= keys
        else:
            kept |= keys
            links.update({link.key: link for link in part})
    stops = {key: stop for key, stop in ways.stops.items() if key in kept}
    return Ways(stops, links, len(missed - kept) + ways.left_out)
