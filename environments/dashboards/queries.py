"""The searches behind a dashboard. None returns an event, a profile or a session: counts alone.

The fields are those of Tracardi 0.8.1's mappings (docs/tracardi.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from elasticsearch_dsl import A, Q, Search

from environments.dashboards.chosen import Chosen
from environments.dashboards.ranges import Period, Unit
from environments.marks import TEST_MARK

TIME: Final = "metadata.time.insert"
SEARCH_SECONDS: Final = 3
TOP: Final = 10
# Event types that have a colour of their own; the rest is summed up.
STACKED: Final = 6
# A shard's own top list, long enough that the merged one is as good as exact.
_SHARD_TOP: Final = 200
_MOST_OFFERED: Final = 100
_MOST_NAMED: Final = 500
MOST_SEGMENTS: Final = 200
MOST_DESTINATIONS: Final = 50
# Below this a distinct count is as good as exact; each costs 8 bytes and a half.
EXACT: Final = 40_000
# So high for a row, not for its exactness alone: the engine tells visitors apart by their place in
# the index's own list, which is four times as fast as by their ids, only where that takes less
# than a quarter of the room that this asks for (measured on 7.17).
_EXACT_IN_ROW: Final = 10_000
# Rows whose visitors are counted cost by the row: so many of a shard are enough for twenty.
_SHARD_ROWS: Final = 40
# What each search needs, by the resource: a field that a mapping lacks leaves its part out.
EVENT_FIELDS: Final = {
    "types": "type",
    "sources": "source.id",
    "channels": "metadata.channel",
    "pages": "hit.url",
    "flows": "metadata.processed_by.flows",
    "rules": "metadata.processed_by.rules",
    "destinations": "metadata.processed_by.third_party",
}
VISIT_FIELDS: Final = {
    "devices": "device.type",
    "countries": "device.geo.country.name",
    "campaigns": "utm.campaign",
    "campaign_sources": "utm.source",
}
PROFILE_FIELDS: Final = {"segments": "segments"}
_FILTERED: Final = {"source": "source.id", "type": "type", "channel": "metadata.channel"}


@dataclass(frozen=True)
class Destination:
    """Where Tracardi sends events of a `type` to, from any source where `source` is empty.

    Without a type it sends a profile on when that changes.
    """

    id: str
    name: str
    type: str
    source: str
    has_condition: bool


@dataclass(frozen=True)
class Ask:
    """What is counted. `profiles` are the ids of a segment's members, where one is chosen.

    `lacking` are the names out of the three tables of fields that cannot be counted;
    `destinations` is None where they could not be read.
    """

    chosen: Chosen
    period: Period
    lacking: frozenset[str] = frozenset()
    profiles: Sequence[str] | None = None
    destinations: Sequence[Destination] | None = ()

    @property
    def counted_destinations(self) -> Sequence[Destination]:
        """The destinations whose events are counted."""
        return [one for one in self.destinations or () if one.type][:MOST_DESTINATIONS]

    @property
    def visits_by_events(self) -> bool:
        """Whether sessions are told by their events: a session knows no source and no type."""
        return bool(self.chosen.sources or self.chosen.types)

    @property
    def counts_profiles(self) -> bool:
        """Whether profiles can be counted: they know no source, no type and no channel."""
        return not (self.chosen.sources or self.chosen.types or self.chosen.channels)


def _within(start: datetime, end: datetime) -> Q:
    return Q("range", **{TIME: {"gte": start.isoformat(), "lt": end.isoformat()}})


def counting(start: datetime | None = None, end: datetime | None = None) -> Search:
    """Return a search that counts, from `start` until before `end` where they are given."""
    search = Search().extra(size=0, track_total_hits=True, timeout=f"{SEARCH_SECONDS}s")
    return search if start is None or end is None else search.filter(_within(start, end))


def _chosen(search: Search, ask: Ask, *names: str) -> Search:
    for name in names:
        if values := ask.chosen.filters.get(name):
            search = search.filter("terms", **{_FILTERED[name]: list(values)})
    if ask.profiles is not None:
        search = search.filter("terms", profile__id=list(ask.profiles))
    return search


def failed() -> Q:
    """Return the query of events that failed."""
    # The flag and the status of one event may be written by different parts of Tracardi.
    return Q("term", metadata__error=True) | Q("term", metadata__status="error")


def _over_time(period: Period, unit: Unit | None = None) -> Any:
    return A(
        "date_histogram",
        field=TIME,
        calendar_interval=(unit or period.unit).value,
        time_zone=getattr(period.zone, "key", "UTC"),
        min_doc_count=1,
    )


def _terms(field: str, size: int = TOP, of_shard: int = _SHARD_TOP) -> Any:
    return A("terms", field=field, size=size, shard_size=max(size, of_shard))


def distinct(field: str, exact: int = EXACT) -> Any:
    """Return the aggregation that counts different values, as good as exactly up to `exact`."""
    return A("cardinality", field=field, precision_threshold=exact)


def _totals(ask: Ask, period: Period, unit: Unit | None = None) -> Search:
    """Events of a period: how many, of how many visitors, and when."""
    search = _chosen(counting(period.start, period.until), ask, "source", "type", "channel")
    search.aggs.bucket("failed", "filter", filter=failed())
    search.aggs.bucket("visitors", distinct("profile.id"))
    if ask.visits_by_events:
        search.aggs.bucket("sessions", distinct("session.id"))
    search.aggs.bucket("over_time", _over_time(period, unit))
    return search


def _events(ask: Ask) -> Search:
    """Events by type, over time too, and how many of them workflow tests sent."""
    period = ask.period
    search = _chosen(counting(period.start, period.until), ask, "source", "type", "channel")
    search.aggs.bucket("tests", "filter", filter=Q("prefix", session__id=TEST_MARK))
    types = search.aggs.bucket("types", _terms("type"))
    types.bucket("failed", "filter", filter=failed())
    types.bucket("over_time", _over_time(period))
    return search


def _work(ask: Ask) -> Search:
    """Events by where they came from and what they set off, with those that failed."""
    period = ask.period
    search = _chosen(counting(period.start, period.until), ask, "source", "type", "channel")
    for name in ("sources", "flows", "rules"):
        if name not in ask.lacking:
            search.aggs.bucket(name, _terms(EVENT_FIELDS[name])).bucket(
                "failed", "filter", filter=failed()
            )
    if types := sorted({one.type for one in ask.counted_destinations}):
        # Half as dear as a filter for each destination: 0.11 and 0.22 s over 5 million events.
        due = search.aggs.bucket("due", "terms", field="type", include=types, size=len(types))
        due.bucket("sources", "terms", field="source.id", size=_MOST_OFFERED)
    if "destinations" not in ask.lacking:
        search.aggs.bucket("noted", _terms(EVENT_FIELDS["destinations"], MOST_DESTINATIONS))
    bad = search.aggs.bucket("failed", "filter", filter=failed())
    bad.bucket("sources", _terms("source.id")).bucket("types", _terms("type", 3))
    return search


def _pages(ask: Ask) -> Search:
    """Events by page, with how many visitors saw it."""
    period = ask.period
    search = _chosen(counting(period.start, period.until), ask, "source", "type", "channel")
    if "pages" not in ask.lacking:
        pages = search.aggs.bucket("pages", _terms(EVENT_FIELDS["pages"], 2 * TOP, _SHARD_ROWS))
        pages.bucket("visitors", distinct("profile.id", _EXACT_IN_ROW))
    return search


def _visits(ask: Ask, period: Period, *, whole: bool) -> Search:
    """Sessions, by what they tell of the device, the country and the campaign where `whole`."""
    names = ("source", "type", "channel") if ask.visits_by_events else ("channel",)
    search = _chosen(counting(period.start, period.until), ask, *names)
    if not whole:
        return search
    for name, field in VISIT_FIELDS.items():
        if name in ask.lacking:
            continue
        row = search.aggs.bucket(name, _terms(field, 2 * TOP, _SHARD_ROWS))
        row.bucket("visitors", distinct("profile.id", _EXACT_IN_ROW))
        if ask.visits_by_events:
            row.bucket("sessions", distinct("session.id", _EXACT_IN_ROW))
    return search


def _profiles(ask: Ask) -> Search:
    """Profiles: how many were made in each period."""
    search = counting()
    if ask.chosen.segment:
        search = search.filter("term", segments=ask.chosen.segment)
    before = ask.period.before()
    for name, period in (("new", ask.period), ("new_before", before)):
        search.aggs.bucket(name, "filter", filter=_within(period.start, period.until))
    return search


def _segments(ask: Ask) -> Search:
    """The segments that there are now, whatever is chosen: those of one person tell of them."""
    search = counting()
    if "segments" not in ask.lacking:
        search.aggs.bucket("segments", _terms("segments", MOST_SEGMENTS))
    return search


def _offers(ask: Ask) -> Search:
    """What the filters offer: all that there is in those days, whatever is chosen."""
    search = counting(ask.period.start, ask.period.until)
    for name in ("types", "sources", "channels"):
        if name not in ask.lacking:
            search.aggs.bucket(name, _terms(EVENT_FIELDS[name], _MOST_OFFERED))
    return search


def reach() -> Search:
    """Return the search for when the first event was: before it nothing can be counted."""
    search = Search().extra(size=0, track_total_hits=False, timeout=f"{SEARCH_SECONDS}s")
    search.aggs.metric("first", "min", field=TIME)
    return search


def naming(*fields: str) -> Search:
    """Return the search for what documents are called, and for further fields of theirs."""
    source = ["name", *fields]
    return Search().extra(size=_MOST_NAMED, _source=source, timeout=f"{SEARCH_SECONDS}s")


def destinations() -> Search:
    """Return the search for all destinations, with what decides which events they take."""
    return naming("enabled", "on_profile_change_only", "event_type", "source", "condition")


def searches(ask: Ask) -> Mapping[str, tuple[str, Search]]:
    """Return the searches by what they are for, each with the resource that it asks."""
    before = ask.period.before()
    visits = "event" if ask.visits_by_events else "session"
    found: dict[str, tuple[str, Search]] = {
        "events": ("event", _events(ask)),
        "totals": ("event", _totals(ask, ask.period)),
        "work": ("event", _work(ask)),
        # Its weeks begin on other days than those that it stands beside.
        "before": ("event", _totals(ask, before, Unit.DAY if before.unit is Unit.WEEK else None)),
        "visits": (visits, _visits(ask, ask.period, whole=True)),
        "pages": ("event", _pages(ask)),
        "offers": ("event", _offers(ask)),
        "reach": ("event", reach()),
        "source_names": ("event-source", naming()),
        "flow_names": ("flow", naming()),
        "segment_names": ("segment", naming("machine_name")),
        "profiles": ("profile", _profiles(ask)),
        "segments": ("profile", _segments(ask)),
    }
    if not ask.visits_by_events:
        found["visits_before"] = ("session", _visits(ask, before, whole=False))
    return found


def of_segment(segment: str, most: int) -> Search:
    """Return the search for the ids of a segment's members: at least one more than `most`."""
    search = counting().filter("term", segments=segment)
    # Of a profile that took others in, `ids` has theirs too: their events keep them.
    search.aggs.bucket("ids", "terms", field="ids", size=most + 1)
    return search
