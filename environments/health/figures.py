"""The history of an environment's health as figures with sparklines. Pure: no Django, no I/O."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

WIDTH, HEIGHT = 160, 36
_EDGE = 3
Number: TypeAlias = float | None
Say: TypeAlias = Callable[[float], str]


@dataclass(frozen=True)
class Span:
    """A range that a person may choose; `step` is how much time one point of it stands for."""

    key: str
    words: str
    length: timedelta
    step: timedelta


SPANS = (
    Span("24h", "24 hours", timedelta(hours=24), timedelta(minutes=30)),
    Span("30d", "30 days", timedelta(days=30), timedelta(days=1)),
    Span("1y", "12 months", timedelta(days=364), timedelta(days=7)),
)
DEFAULT_SPAN = SPANS[0]


class Look(Protocol):
    """One row of the history."""

    @property
    def at(self) -> datetime: ...
    @property
    def is_reachable(self) -> bool: ...


@dataclass(frozen=True)
class Part:
    """One point of the time axis: the last look in it that got an answer, and the last of all."""

    start: datetime
    end: datetime
    answered: Any = None
    last: Any = None

    @property
    def is_out(self) -> bool:
        """Whether nothing answered in all of it, though somebody looked."""
        return self.last is not None and self.answered is None


def parts(span: Span, looks: Iterable[Look], now: datetime) -> list[Part]:
    """Return the points of a range in ascending order; the last one ends now."""
    count = round(span.length / span.step)
    edges = [now - span.step * number for number in range(count, -1, -1)]
    answered: list[Any] = [None] * count
    last: list[Any] = [None] * count
    for look in sorted(looks, key=lambda one: one.at):
        if look.at < edges[0]:
            continue
        # Whoever looks at this very moment belongs to the last point.
        place = min(int((look.at - edges[0]) / span.step), count - 1)
        last[place] = look
        if look.is_reachable:
            answered[place] = look
    return [
        Part(start, end, *looks)
        for start, end, *looks in zip(edges[:-1], edges[1:], answered, last, strict=True)
    ]


@dataclass(frozen=True)
class Spark:
    """A sparkline: lines between neighbours, dots where a point stands alone.

    `gaps` are where nothing answered; `words` say the same.
    """

    lines: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    gaps: tuple[tuple[float, float], ...]
    words: str
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def is_empty(self) -> bool:
        return not self.lines and not self.dots


def spark(values: Sequence[Number], say: Say, *, gaps: Sequence[bool] = ()) -> Spark:
    """Return the sparkline of values, where None is one that is not known."""
    known = [value for value in values if value is not None]
    step = WIDTH / max(1, len(values))
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    room = HEIGHT - 2 * _EDGE

    def place(number: int, value: float) -> tuple[float, float]:
        part = (value - low) / (high - low) if high > low else 0.5
        return round((number + 0.5) * step, 1), round(HEIGHT - _EDGE - part * room, 1)

    lines, dots = [], []
    for run in _runs(values):
        points = [place(number, value) for number, value in run]
        if len(points) == 1:
            dots.append(points[0])
        else:
            lines.append(" ".join(f"{x:g},{y:g}" for x, y in points))
    out = tuple(
        (round(number * step, 1), round(step, 1)) for number, is_gap in enumerate(gaps) if is_gap
    )
    return Spark(tuple(lines), tuple(dots), out, _words(known, say, len(out)))


def _runs(values: Sequence[Number]) -> list[list[tuple[int, float]]]:
    """Return the values that stand side by side, with their places."""
    runs: list[list[tuple[int, float]]] = [[]]
    for number, value in enumerate(values):
        if value is not None:
            runs[-1].append((number, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _words(known: Sequence[float], say: Say, out: int) -> str:
    if not known:
        return "Nothing is known of this time."
    first, last, low, high = (say(one) for one in (known[0], known[-1], min(known), max(known)))
    if low == high:
        words = f"{last} all the time"
    else:
        words = f"from {first} to {last}; lowest {low}, highest {high}"
    return f"{words}; no answer in {out} of its parts." if out else f"{words}."


def whole(value: float) -> str:
    return f"{round(value):,}"


def percent(value: float) -> str:
    return f"{value:.1f} %"


def milliseconds(value: float) -> str:
    return f"{value:,.0f} ms"


def size(value: float) -> str:
    """Return bytes as people say them."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1024:
            return f"{value:,.0f} {unit}" if unit == "bytes" else f"{value:,.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} TB"


@dataclass(frozen=True)
class Figure:
    """One figure: its value now, what explains it, and its course."""

    label: str
    value: str
    note: str
    spark: Spark


@dataclass(frozen=True)
class Measure:
    """How a figure is had of one look, and said. What is `of_cluster` is its administrator's."""

    label: str
    of: Callable[[Any], Number]
    say: Say
    note: Callable[[Any], str] = lambda _look: ""
    of_cluster: bool = False


def _percent_of(share: float | None) -> Number:
    return 100 * share if share is not None else None


def _failed_words(look: Any) -> str:
    if not look.day:
        return "no event in the last 24 hours" if look.day == 0 else ""
    more = f"; {look.logged:,} with an error in the log" if look.logged else ""
    return f"{look.failed:,} of the last day's {look.day:,}{more}"


MEASURES = (
    Measure("Documents", lambda one: one.documents, whole, lambda _: "of the configuration"),
    Measure("Size", lambda one: one.size, size, lambda _: "of the configuration"),
    Measure("Events", lambda one: one.events, whole, lambda _: "kept in all"),
    Measure("Size of events", lambda one: one.events_size, size),
    Measure("Events of the day", lambda one: one.day, whole, lambda _: "in the last 24 hours"),
    Measure("Failed events", lambda one: one.failed_share, percent, _failed_words),
    Measure("Answer", lambda one: one.latency_ms, milliseconds, lambda _: "of the cluster"),
    Measure(
        "Fullest disk",
        lambda one: _percent_of(one.disk_used),
        percent,
        lambda _: "of its room is used",
        of_cluster=True,
    ),
    Measure(
        "Shards",
        lambda one: one.open_shards,
        whole,
        lambda one: f"of {one.most_shards:,} at most" if one.most_shards else "without a limit",
        of_cluster=True,
    ),
)


def figures(latest: Any, course: Sequence[Part], *, with_cluster: bool) -> list[Figure]:
    """Return the figures of the latest look that got an answer, with their course."""
    gaps = [part.is_out for part in course]
    found = []
    for measure in MEASURES:
        if measure.of_cluster and not with_cluster:
            continue
        value = measure.of(latest)
        values = [measure.of(part.answered) if part.answered else None for part in course]
        drawn = spark(values, measure.say, gaps=gaps)
        said = measure.say(value) if value is not None else "—"
        found.append(Figure(measure.label, said, measure.note(latest), drawn))
    return found


def table(course: Sequence[Part], *, with_cluster: bool) -> list[tuple[Part, list[str]]]:
    """Return the same as text, the latest first; parts that nobody looked in are left out."""
    rows = []
    for part in reversed(course):
        if part.last is None:
            continue
        cells = []
        for measure in MEASURES:
            if not measure.of_cluster or with_cluster:
                value = measure.of(part.answered) if part.answered else None
                cells.append(measure.say(value) if value is not None else "—")
        rows.append((part, cells))
    return rows


def resource_spark(name: str, course: Sequence[Part]) -> Spark:
    """Return the course of one resource's number of documents."""

    def documents(look: Any) -> Number:
        pair = look.resources.get(name) if look else None
        return pair[0] if pair else None

    return spark([documents(part.answered) for part in course], whole)
