"""The time axis and the shapes of the chart of events. Pure: no Django, no I/O.

Lengths are units of the SVG's view box, counted from its top left corner.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from math import ceil, floor, log10
from typing import Protocol

WIDTH, HEIGHT = 760, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 32, 34, 30
_FLAG_HEIGHT = 18
# Flags nearer than this would cover each other.
_FLAG_ROOM = 26


@dataclass(frozen=True)
class Span:
    """A range that a person may choose, and how long one of its buckets is."""

    key: str
    words: str
    bucket_words: str
    days: int
    hours: int


SPANS = (
    Span("24h", "24 hours", "an hour", 1, 1),
    Span("7d", "7 days", "six hours", 7, 6),
    Span("30d", "30 days", "a day", 30, 24),
)
DEFAULT_SPAN = SPANS[1]


def edges(span: Span, now: datetime, zone: tzinfo) -> list[datetime]:
    """Return the moments, in UTC and ascending, between which events are counted.

    The last bucket holds `now`. Buckets longer than an hour begin at the zone's own 0, 6, 12 or
    18 o'clock: where the clocks change, one of them is longer or shorter.
    """
    local = now.astimezone(zone)
    if span.hours == 1:
        last = local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        return [last + timedelta(hours=number) for number in range(-23, 2)]
    days = [local.date() + timedelta(days=number) for number in range(1 - span.days, 2)]
    starts = [
        datetime.combine(day, time(hour), zone).astimezone(UTC)
        for day in days
        for hour in range(0, 24, span.hours)
    ]
    return starts[: bisect_right(starts, now) + 1]


@dataclass(frozen=True)
class Bucket:
    """The events of one part of the time axis; `end` is not in it."""

    start: datetime
    end: datetime
    events: int
    failed: int


def period(span: Span, bucket: Bucket, zone: tzinfo) -> str:
    """Return a bucket's time in words, such as `Wed 18 Nov, 06:00 to 12:00`."""
    start, end = bucket.start.astimezone(zone), bucket.end.astimezone(zone)
    return _day(start) if span.hours == 24 else f"{_day(start)}, {start:%H:%M} to {end:%H:%M}"


def _day(local: datetime) -> str:
    return f"{local:%a} {local.day} {local:%b}"


def scale(highest: int) -> list[int]:
    """Return round numbers from 0 to `highest` or just above it, five or six at most."""
    wanted = max(1.0, highest / 4)
    power: int = 10 ** floor(log10(wanted))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted)
    return list(range(0, step * max(1, ceil(highest / step)) + 1, step))


def short(number: int) -> str:
    """Return a round number as an axis shows it: 500, 2,000, 15k, 2.5M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size and number >= 10_000:
            return f"{number / size:g}{letter}"
    return f"{number:,}"


@dataclass(frozen=True)
class Tick:
    """A place on an axis, and its words."""

    at: float
    label: str


@dataclass(frozen=True)
class Column:
    """One bucket: where it stands, and how high its events and the failed ones among them are."""

    left: float
    room: float
    x: float
    width: float
    y: float
    height: float
    failed_y: float
    failed_height: float
    title: str


class Moment(Protocol):
    """What a flag stands for."""

    @property
    def time(self) -> datetime: ...
    @property
    def label(self) -> str: ...
    @property
    def url(self) -> str: ...


@dataclass(frozen=True)
class Flag:
    """Moments numbered `first` to `last`; several share a flag where there is no room.

    The flag is a box of `width` at `left`, on a line at `x`.
    """

    x: float
    left: float
    width: float
    first: int
    last: int
    url: str
    title: str

    @property
    def middle(self) -> float:
        return round(self.left + self.width / 2, 2)

    @property
    def text(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}\N{EN DASH}{self.last}"


@dataclass(frozen=True)
class Chart:
    """Everything that the SVG shows."""

    columns: tuple[Column, ...]
    counts: tuple[Tick, ...]
    times: tuple[Tick, ...]
    flags: tuple[Flag, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM
    flag_top: int = _TOP - _FLAG_HEIGHT - 8
    flag_bottom: int = _TOP - 8
    flag_height: int = _FLAG_HEIGHT

    @property
    def tall(self) -> int:
        return self.bottom - self.top

    @property
    def flag_middle(self) -> float:
        return self.flag_top + self.flag_height / 2


def draw(
    span: Span, buckets: Sequence[Bucket], moments: Sequence[Moment], zone: tzinfo, several_url: str
) -> Chart:
    """Return the chart of at least one bucket, with a flag for each of the ascending moments.

    A flag of several moments leads to `several_url`.
    """
    counts = scale(max(bucket.events for bucket in buckets))
    room = (WIDTH - _LEFT - _RIGHT) / len(buckets)
    tall = HEIGHT - _TOP - _BOTTOM

    def height(count: int) -> float:
        return round(count / counts[-1] * tall, 2)

    columns = []
    for number, bucket in enumerate(buckets):
        whole, failed = height(bucket.events), height(bucket.failed)
        columns.append(
            Column(
                left=round(_LEFT + number * room, 2),
                room=round(room, 2),
                x=round(_LEFT + number * room + room * 0.12, 2),
                width=round(room * 0.76, 2),
                y=HEIGHT - _BOTTOM - whole,
                height=whole,
                failed_y=HEIGHT - _BOTTOM - failed,
                failed_height=failed,
                title=f"{period(span, bucket, zone)}: {bucket.events:,} events, "
                f"{bucket.failed:,} failed",
            )
        )
    return Chart(
        columns=tuple(columns),
        counts=tuple(Tick(HEIGHT - _BOTTOM - height(count), short(count)) for count in counts),
        times=tuple(_times(span, buckets, room, zone)),
        flags=tuple(_flags(buckets, moments, room, several_url)),
    )


def _times(span: Span, buckets: Sequence[Bucket], room: float, zone: tzinfo) -> list[Tick]:
    """Return words for each third hour, for each day of a week, or for each Monday."""
    ticks = []
    for number, bucket in enumerate(buckets):
        start = bucket.start.astimezone(zone)
        edge = round(_LEFT + number * room, 2)
        if span.hours == 24:
            if start.weekday() == 0:
                ticks.append(Tick(round(edge + room / 2, 2), _day(start)))
        elif span.hours > 1:
            if number % (24 // span.hours) == 0:
                ticks.append(Tick(edge, _day(start)))
        elif start.hour % 3 == 0:
            ticks.append(Tick(edge, f"{start:%H:%M}" if start.hour else _day(start)))
    return ticks


def _flags(
    buckets: Sequence[Bucket], moments: Sequence[Moment], room: float, several_url: str
) -> list[Flag]:
    """Return the flags from left to right; each stands where its first moment is."""
    starts = [bucket.start for bucket in buckets]
    groups: list[tuple[float, list[int]]] = []
    for number, moment in enumerate(moments):
        index = max(0, bisect_right(starts, moment.time) - 1)
        bucket = buckets[index]
        # A bucket of a day with a change of clocks is as wide as the others.
        part = (moment.time - bucket.start) / (bucket.end - bucket.start)
        x = round(_LEFT + (index + min(1.0, max(0.0, part))) * room, 2)
        if groups and x - groups[-1][0] < _FLAG_ROOM:
            groups[-1][1].append(number)
        else:
            groups.append((x, [number]))
    flags = []
    for x, numbers in groups:
        first, last = numbers[0] + 1, numbers[-1] + 1
        alone = first == last
        width = 18.0 if last < 10 and alone else 26.0 if alone or last < 10 else 44.0
        flags.append(
            Flag(
                x=x,
                left=round(min(max(x - width / 2, 0), WIDTH - width), 2),
                width=width,
                first=first,
                last=last,
                url=moments[numbers[0]].url if alone else several_url,
                title="; ".join(dict.fromkeys(moments[number].label for number in numbers)),
            )
        )
    return flags
