"""What the engine's answers say, as figures and tiles. Pure: no Django, no I/O."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from environments.dashboards.answers import Answer, Answers, without
from environments.dashboards.destinations import destinations
from environments.dashboards.over_time import gaps, over_time
from environments.dashboards.queries import TOP, Ask
from environments.dashboards.stats import stats
from environments.dashboards.tiles import (
    SMALL,
    Kind,
    Row,
    Series,
    Stat,
    State,
    Tile,
    changed,
    folded,
)

_FEW: Final = f"Fewer than {SMALL} visitors: they are not broken down further."
_UNTOLD: Final = "How many visitors there were could not be counted: they are not broken down."
# An address may hold what its visitor typed.
_PERSONAL: Final = re.compile(
    r"[^/\s@]+(?:@|%40)[^/\s]+|(?<=/)[0-9a-fA-F-]{16,}(?=/|$)|(?<=/)\d{6,}(?=/|$)"
)


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
    withheld: bool = False
    # Whether the engine gave all that it was asked for.
    is_whole: bool = True

    def tile(self, key: str) -> Tile | None:
        return next((tile for tile in self.tiles if tile.key == key), None)


def figures(ask: Ask, answers: Mapping[str, Answer], asked: Mapping[str, str]) -> Figures:
    """Return what the answers to `searches(ask)` say; `asked` has the resource of each."""
    got = Answers(ask, answers, asked)
    sources = got.names("source_names")
    flows = got.names("flow_names")
    segments = {
        str(hit["_source"].get("machine_name") or hit["_id"]): str(
            hit["_source"].get("name") or hit["_id"]
        )
        for hit in got.documents("segment_names")
    }
    first = got.first()
    withheld = got.may_be_few("totals")
    tiles: tuple[Tile, ...] = (
        over_time(got, first),
        _types(got),
        _listed(got, "sources", "Event sources", "Source", sources, "source"),
        _pages(got),
        _visits(got, "campaigns", "Campaigns", "Campaign"),
        _visits(got, "campaign_sources", "Where visitors came from", "Source of the visit"),
        _visits(got, "devices", "Devices", "Device"),
        _visits(got, "countries", "Countries", "Country"),
        _listed(got, "flows", "Flows that ran", "Flow", flows, ""),
        _listed(got, "rules", "Rules that applied", "Rule", {}, ""),
        destinations(got),
        _errors(got, sources),
    )
    if withheld:
        note = _UNTOLD if got.failed("totals") else _FEW
        tiles = tuple(_hidden(tile, note) for tile in tiles)
    return Figures(
        stats=stats(got, first),
        tiles=tiles,
        notes=(*got.notes, *gaps(got, first)),
        offers=_offers(got, sources, segments),
        total=got.total("totals"),
        of_tests=got.count("events", "tests") or 0,
        first_event=first,
        withheld=withheld and not got.failed("totals"),
        is_whole=not got.notes and ask.destinations is not None,
    )


def _hidden(tile: Tile, note: str) -> Tile:
    return Tile(
        tile.key,
        tile.title,
        tile.kind,
        (),
        state=State.WITHHELD,
        note=note,
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
        return without(tile, got, search)
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
    return changed(
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
    return changed(
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
        return without(tile, got, "pages")
    words = [page_words(str(bucket["key"])) for bucket in buckets]
    sites = {urlsplit(one)[:2] for one in words}
    if len(sites) == 1 and "" not in (site := next(iter(sites))):
        # One shop: what differs is what is after its name.
        words = [one.removeprefix(f"{site[0]}://{site[1]}") or "/" for one in words]
    rows = [
        Row(label, (bucket["doc_count"], bucket["visitors"]["value"]))
        for label, bucket in zip(words, buckets, strict=True)
    ]
    told = _told(tile, got, "pages", rows)
    if rest := got.found("pages")["pages"].get("sum_other_doc_count", 0):
        more = f"{rest:,} more events are of other addresses. With what follows the question mark "
        more += "each is an address of its own until it is in this list."
        told = changed(told, notes=(*told.notes, more))
    return told


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
        return without(tile, got, "visits")
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
        return changed(tile, state=State.WITHHELD, note=note)
    notes = (
        (f"Groups of fewer than {SMALL} visitors are left out: {small} of them.",) if small else ()
    )
    return changed(
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
            return without(tile, got, "work")
        return changed(tile, state=State.EMPTY, note="No event failed in this time.")
    rows = tuple(
        Row(
            sources.get(bucket["key"], str(bucket["key"])),
            (bucket["doc_count"], ", ".join(str(t["key"]) for t in bucket["types"]["buckets"])),
            ("source", str(bucket["key"])),
        )
        for bucket in buckets
    )
    return changed(
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
        "segment": offered("segments", "segments", segments),
    }
