"""What the engine's answers say, as figures and tiles. Pure: no Django, no I/O."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from environments.dashboards.answers import Answer, Answers
from environments.dashboards.queries import STACKED, TOP, Ask
from environments.dashboards.ranges import Period, Unit, day_words
from environments.dashboards.stats import stats
from environments.dashboards.tiles import SMALL, Kind, Row, Series, Stat, State, Tile, folded

_FAILED: Final = "It could not be counted. What the search engine said stands above."
_UNIT_WORDS: Final = {Unit.HOUR: "an hour", Unit.DAY: "a day", Unit.WEEK: "a week"}
# An address may hold what its visitor typed.
_PERSONAL: Final = re.compile(
    r"[^/\s@]+@[^/\s]+|(?<=/)[0-9a-fA-F-]{16,}(?=/|$)|(?<=/)\d{6,}(?=/|$)"
)
_DAYS_OF_A_GAP: Final = 7


@dataclass(frozen=True)
class Figures:
    """What a dashboard shows. `offers` are a filter's values with their words, by its name."""

    stats: tuple[Stat, ...]
    tiles: tuple[Tile, ...]
    notes: tuple[str, ...]
    offers: Mapping[str, tuple[tuple[str, str], ...]]
    total: int | None
    of_tests: int = 0
    first_event: datetime | None = None
    # The sizes of segments at present, by key, with their names.
    segments: Mapping[str, int] | None = None
    segment_names: Mapping[str, str] | None = None
    withheld: bool = False

    def tile(self, key: str) -> Tile | None:
        return next((tile for tile in self.tiles if tile.key == key), None)


def figures(ask: Ask, answers: Mapping[str, Answer], asked: Mapping[str, str]) -> Figures:
    """Return what the answers to `searches(ask)` say; `asked` has the resource of each."""
    got = Answers(ask, answers, asked)
    sources = _names(got.documents("source_names"))
    flows = _names(got.documents("flow_names"))
    segments = {
        str(hit["_source"].get("machine_name") or hit["_id"]): str(
            hit["_source"].get("name") or hit["_id"]
        )
        for hit in got.documents("segment_names")
    }
    first = _moment(got.found("reach").get("first", {}).get("value"))
    visitors = got.count("totals", "visitors")
    # A group of fewer is not broken down.
    withheld = visitors is not None and 0 < visitors < SMALL
    tiles: tuple[Tile, ...] = (
        _over_time(got),
        _types(got),
        _listed(got, "sources", "Event sources", "Source", sources, "source"),
        _pages(got),
        _visits(got, "campaigns", "Campaigns", "Campaign"),
        _visits(got, "campaign_sources", "Where visitors came from", "Source of the visit"),
        _visits(got, "devices", "Devices", "Device"),
        _visits(got, "countries", "Countries", "Country"),
        _listed(got, "flows", "Flows that ran", "Flow", flows, ""),
        _listed(got, "rules", "Rules that applied", "Rule", {}, ""),
        _listed(got, "destinations", "Destinations that were served", "Destination", {}, ""),
        _errors(got, sources),
    )
    if withheld:
        tiles = tuple(_hidden(tile) for tile in tiles)
    return Figures(
        stats=stats(got, first),
        tiles=tiles,
        notes=(*got.notes, *_gaps(got, first)),
        offers=_offers(got, sources, segments),
        total=got.total("totals"),
        of_tests=got.count("events", "tests") or 0,
        first_event=first,
        segments={b["key"]: b["doc_count"] for b in got.buckets("profiles", "segments")}
        if got.state("profiles") is State.WHOLE and "segments" not in ask.lacking
        else None,
        segment_names=segments,
        withheld=withheld,
    )


def _names(hits: Sequence[Answer]) -> dict[str, str]:
    return {hit["_id"]: str(hit["_source"].get("name") or hit["_id"]) for hit in hits}


def _moment(value: float | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value / 1000, UTC)


def _along(period: Period, buckets: Sequence[Answer]) -> list[int]:
    """Return the counts of a histogram along the time axis."""
    counts = [0] * (len(period.edges) - 1)
    for bucket in buckets:
        counts[period.place(datetime.fromtimestamp(bucket["key"] / 1000, UTC))] += bucket[
            "doc_count"
        ]
    return counts


def _over_time(got: Answers) -> Tile:
    period = got.period
    tile = Tile(
        "over_time",
        f"Events in {_UNIT_WORDS[period.unit]}, by type",
        Kind.STACK,
        (),
        unit="events",
        help="The dashed line is the period before.",
    )
    totals = _along(period, got.buckets("totals", "over_time"))
    if not sum(totals) or got.failed("totals"):
        return _without(tile, got, "totals")
    types = [
        Series(str(part["key"]), tuple(_along(period, part["over_time"]["buckets"])))
        for part in got.buckets("events", "types")[:STACKED]
    ]
    other = [
        max(0, whole - sum(int(one.values[place] or 0) for one in types))
        for place, whole in enumerate(totals)
    ]
    series = [*types, *([Series("other types", tuple(other), "other")] if any(other) else [])]
    before = _before(got)
    return _replace(
        tile,
        columns=("Time", *(one.label for one in series), "All", "Period before"),
        rows=tuple(
            Row(
                period.part_words(place),
                (*(one.values[place] for one in series), whole, before[place]),
            )
            for place, whole in enumerate(totals)
        ),
        series=(*series, Series("period before", tuple(before), "before")),
        ticks=tuple(period.tick_words(place) for place in range(len(totals))),
        state=got.state("totals"),
    )


def _before(got: Answers) -> list[float | None]:
    """Return what was counted at the same place of the period before; None where nothing can."""
    before = got.period.before()
    places = len(got.period.edges) - 1
    if got.failed("before"):
        return [None] * places
    counts = _along(before, got.buckets("before", "over_time"))
    known: list[float | None] = [
        count if before.edges[place] < before.until else None for place, count in enumerate(counts)
    ]
    # A day with a change of clocks, and a week cut short, have a part more or less.
    return (known + [None] * places)[:places]


def _without(tile: Tile, got: Answers, name: str) -> Tile:
    """Return a tile that has nothing to show, with why."""
    if got.failed(name):
        return _replace(tile, state=State.FAILED, note=_FAILED)
    return _replace(tile, state=State.EMPTY, note="Nothing of this kind happened in this time.")


def _replace(tile: Tile, **changes: Any) -> Tile:
    return Tile(**{**tile.__dict__, **changes})


def _hidden(tile: Tile) -> Tile:
    return Tile(
        tile.key,
        tile.title,
        tile.kind,
        (),
        state=State.WITHHELD,
        note=f"Fewer than {SMALL} visitors: they are not broken down further.",
    )


def _types(got: Answers) -> Tile:
    return _rows(got, "events", "types", "Event types", "Type", {}, "type")


def _listed(
    got: Answers, key: str, title: str, heading: str, names: Mapping[str, str], narrows: str
) -> Tile:
    return _rows(got, "work", key, title, heading, names, narrows)


def _rows(
    got: Answers,
    search: str,
    key: str,
    title: str,
    heading: str,
    names: Mapping[str, str],
    narrows: str,
) -> Tile:
    tile = Tile(key, title, Kind.BARS, (heading, "Events", "Share", "Failed"), unit="events")
    if key in got.ask.lacking:
        return _lacking(tile)
    total = got.total("totals")
    buckets = got.buckets(search, key)
    if not buckets:
        return _without(tile, got, search)
    rows = tuple(
        Row(
            names.get(bucket["key"], str(bucket["key"])),
            (
                bucket["doc_count"],
                100 * bucket["doc_count"] / total if total else None,
                bucket["failed"]["doc_count"],
            ),
            (narrows, str(bucket["key"])) if narrows else None,
        )
        for bucket in buckets[:TOP]
    )
    rest = got.found(search)[key].get("sum_other_doc_count", 0)
    return _replace(
        tile,
        rows=rows,
        series=(
            Series(
                "not failed", tuple(int(r.values[0] or 0) - int(r.values[2] or 0) for r in rows)
            ),
            Series("failed", tuple(int(row.values[2] or 0) for row in rows), "bad"),
        ),
        state=got.state(search),
        notes=(f"{rest:,} more are of others.",) if rest else (),
    )


def _lacking(tile: Tile) -> Tile:
    return _replace(
        tile,
        state=State.LACKING,
        note="This installation's indices have no field for it, so there is nothing to count.",
    )


def _pages(got: Answers) -> Tile:
    tile = Tile(
        "pages",
        "Pages",
        Kind.BARS,
        ("Page", "Events", "Visitors"),
        unit="events",
        help="Without what follows a question mark, and without what looks like a person's.",
    )
    if "pages" in got.ask.lacking:
        return _lacking(tile)
    buckets = got.buckets("pages", "pages")
    if not buckets:
        return _without(tile, got, "pages")
    rows = [
        Row(page_words(str(b["key"])), (b["doc_count"], b["visitors"]["value"])) for b in buckets
    ]
    return _told(tile, got, "pages", rows)


def page_words(address: str) -> str:
    """Return a page's address without its query, and without what may be a person's in it."""
    plain = re.split(r"[?#;]", address, maxsplit=1)[0]
    return _PERSONAL.sub("…", plain) or "/"


def _visits(got: Answers, key: str, title: str, heading: str) -> Tile:
    tile = Tile(key, title, Kind.BARS, (heading, "Sessions", "Visitors"), unit="sessions")
    if key in got.ask.lacking:
        return _lacking(tile)
    buckets = got.buckets("visits", key)
    if not buckets:
        return _without(tile, got, "visits")
    rows = [
        Row(
            str(bucket["key"]),
            (
                bucket["sessions"]["value"] if "sessions" in bucket else bucket["doc_count"],
                bucket["visitors"]["value"],
            ),
        )
        for bucket in buckets
    ]
    return _told(tile, got, "visits", rows)


def _told(tile: Tile, got: Answers, search: str, rows: Sequence[Row]) -> Tile:
    """Return a tile of visitors, without the rows of so few that they would tell of persons."""
    merged: dict[str, Row] = {}
    shown, small = folded(rows, 1, 2 * TOP)
    for row in shown:
        # Two addresses that differ in their query alone are one page; its visitors may be the same.
        if row.label in merged:
            first = merged[row.label].values
            events = int(first[0] or 0) + int(row.values[0] or 0)
            row = Row(row.label, (events, max(int(first[1] or 0), int(row.values[1] or 0))))
        merged[row.label] = row
    kept = tuple(sorted(merged.values(), key=lambda row: -int(row.values[0] or 0))[:TOP])
    if not kept:
        note = f"Each is of fewer than {SMALL} visitors: such small groups are not shown."
        return _replace(tile, state=State.WITHHELD, note=note)
    notes = (
        (f"Groups of fewer than {SMALL} visitors are left out: {small} of them.",) if small else ()
    )
    return _replace(
        tile,
        rows=kept,
        series=(Series(tile.unit, tuple(int(row.values[0] or 0) for row in kept)),),
        state=got.state(search),
        notes=notes,
    )


def _errors(got: Answers, sources: Mapping[str, str]) -> Tile:
    tile = Tile(
        "errors", "Errors by source", Kind.BARS, ("Source", "Failed", "Mostly"), unit="events"
    )
    buckets = got.found("work").get("failed", {}).get("sources", {}).get("buckets", ())
    if not buckets:
        if got.failed("work"):
            return _without(tile, got, "work")
        return _replace(tile, state=State.EMPTY, note="No event failed in this time.")
    rows = tuple(
        Row(
            sources.get(bucket["key"], str(bucket["key"])),
            (bucket["doc_count"], ", ".join(str(t["key"]) for t in bucket["types"]["buckets"])),
            ("source", str(bucket["key"])),
        )
        for bucket in buckets
    )
    return _replace(
        tile,
        rows=rows,
        series=(Series("failed", tuple(int(row.values[0] or 0) for row in rows), "bad"),),
        state=got.state("work"),
    )


def _offers(
    got: Answers, sources: Mapping[str, str], segments: Mapping[str, str]
) -> dict[str, tuple[tuple[str, str], ...]]:
    def offered(search: str, key: str, words: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        keys = [str(bucket["key"]) for bucket in got.buckets(search, key)]
        return tuple(
            sorted(((one, words.get(one, one)) for one in keys), key=lambda p: p[1].casefold())
        )

    return {
        "source": offered("offers", "sources", sources),
        "type": offered("offers", "types", {}),
        "channel": offered("offers", "channels", {}),
        "segment": offered("profiles", "segments", segments),
    }


def _gaps(got: Answers, first: datetime | None) -> list[str]:
    """Say where there was nothing to count: before the first event, and in whole months."""
    period, notes = got.period, []
    if first is not None and period.start < first < period.until:
        local = first.astimezone(period.zone)
        notes.append(
            f"The first event there is came on {day_words(local.date())} {local.year}: before it "
            "nothing can be counted."
        )
    if period.unit is not Unit.DAY or got.failed("totals") or got.ask.chosen.filters:
        return notes
    counts = _along(period, got.buckets("totals", "over_time"))
    months: dict[tuple[int, int], list[int]] = {}
    for place, count in enumerate(counts):
        start = period.edges[place]
        if start < period.until and (first is None or period.edges[place + 1] > first):
            local = start.astimezone(period.zone)
            months.setdefault((local.year, local.month), []).append(count)
    if any(sum(one) for one in months.values()):
        for (year, month), found in months.items():
            if len(found) >= _DAYS_OF_A_GAP and not sum(found):
                notes.append(
                    f"There is no event of {datetime(year, month, 1):%B %Y} at all: its index may "
                    "have been removed."
                )
    return notes
