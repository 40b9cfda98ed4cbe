"""Events along the time axis, and where there was nothing to count. Pure: no Django, no I/O."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from environments.dashboards.answers import Answer, Answers, without
from environments.dashboards.queries import STACKED
from environments.dashboards.ranges import Period, Unit, day_words
from environments.dashboards.stats import compares
from environments.dashboards.tiles import Kind, Row, Series, Tile, changed

_UNIT_WORDS: Final = {Unit.HOUR: "an hour", Unit.DAY: "a day", Unit.WEEK: "a week"}
_DAYS_OF_A_GAP: Final = 7


def along(period: Period, buckets: Sequence[Answer]) -> list[int]:
    """Return the counts of a histogram along the time axis."""
    counts = [0] * (len(period.edges) - 1)
    for bucket in buckets:
        counts[period.place(datetime.fromtimestamp(bucket["key"] / 1000, UTC))] += bucket[
            "doc_count"
        ]
    return counts


def over_time(got: Answers, first: datetime | None) -> Tile:
    period = got.period
    tile = Tile(
        "over_time",
        f"Events in {_UNIT_WORDS[period.unit]}, by type",
        Kind.STACK,
        (),
        unit="events",
    )
    totals = along(period, got.buckets("totals", "over_time"))
    if not sum(totals) or got.failed("totals"):
        return without(tile, got, "totals")
    types = [
        Series(str(part["key"]), tuple(along(period, part["over_time"]["buckets"])))
        for part in got.buckets("events", "types")[:STACKED]
    ]
    other = [
        max(0, whole - sum(int(one.values[place] or 0) for one in types))
        for place, whole in enumerate(totals)
    ]
    series = [*types, *([Series("other types", tuple(other), "other")] if any(other) else [])]
    before: list[float | None] = [None] * len(totals)
    # What few did the time before is not broken down either.
    if compares(got, first) and not (got.is_short("before") or got.may_be_few("before")):
        before = _before(got)
        series.append(Series("period before", tuple(before), "before"))
        tile = changed(tile, help="The dashed line is the period before.")
    return changed(
        tile,
        columns=(
            "Time",
            *(one.label for one in series if one.tone != "before"),
            "All",
            "Period before",
        ),
        rows=tuple(
            Row(
                period.part_words(place),
                (
                    *(one.values[place] for one in series if one.tone != "before"),
                    whole,
                    before[place],
                ),
            )
            for place, whole in enumerate(totals)
        ),
        series=tuple(series),
        ticks=tuple(period.tick_words(place) for place in range(len(totals))),
        state=got.state("totals"),
    )


def _before(got: Answers) -> list[float | None]:
    """Return what was counted at the same place of the period before; None where nothing can.

    The same place is so many days later, at the same time by the zone's own clock.
    """
    period = got.period
    counts = [0] * (len(period.edges) - 1)
    for bucket in got.buckets("before", "over_time"):
        local = datetime.fromtimestamp(bucket["key"] / 1000, period.zone)
        day = local.date() + timedelta(days=period.days)
        later = datetime.combine(day, local.time(), period.zone).astimezone(UTC)
        counts[period.place(later)] += bucket["doc_count"]
    return [
        count if period.edges[place] < period.until else None for place, count in enumerate(counts)
    ]


def gaps(got: Answers, first: datetime | None) -> list[str]:
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
    counts = along(period, got.buckets("totals", "over_time"))
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
