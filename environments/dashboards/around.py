"""The figures before and after one moment, such as a promotion: what changed, and how much it
changes anyway. Nothing here says why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from elasticsearch_dsl import Q, Search

from environments.dashboards.queries import EVENT_FIELDS, SEARCH_SECONDS, TIME, TOP
from environments.dashboards.reading import in_turn, lacking, search_all
from environments.models import Environment
from environments.small_groups import is_small

# How many days on each side; whole weeks have the same weekdays.
LENGTHS: Final = (1, 7, 28)
_SHORTEST: Final = timedelta(hours=1)
_EXACT: Final = 40_000
_ENOUGH: Final = 30


@dataclass(frozen=True)
class Window:
    """A span of time; `end` is not in it."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Line:
    """One figure before and after, and in the span before that. None where it was not counted."""

    label: str
    earlier: float | None
    before: float | None
    after: float | None
    percent: bool = False

    @property
    def change(self) -> float | None:
        """From before to after: percent, or percentage points."""
        return _change(self.before, self.after, self.percent)

    @property
    def usual(self) -> float | None:
        """How much it changed from the span before that, when nothing went live between them."""
        return _change(self.earlier, self.before, self.percent)

    @property
    def stands_out(self) -> bool:
        """Whether it changed at least twice as much as it did the time before.

        Of a few, one more or less is a large part: they are never pointed out.
        """
        if self.change is None or self.usual is None:
            return False
        if not self.percent and max(self.before or 0, self.after or 0) < _ENOUGH:
            return False
        return abs(self.change) >= max(2 * abs(self.usual), 1.0)


def _change(first: float | None, then: float | None, percent: bool) -> float | None:
    if first is None or then is None:
        return None
    if percent:
        return then - first
    return 100 * (then - first) / first if first else None


@dataclass(frozen=True)
class Around:
    """What was counted around a moment, in three spans of one length."""

    at: datetime
    windows: tuple[Window, Window, Window]
    totals: tuple[Line, ...]
    types: tuple[Line, ...]
    flows: tuple[Line, ...]
    # Whether a group is so small that it is not broken down.
    withheld: bool
    notes: tuple[str, ...]

    @property
    def length(self) -> timedelta:
        return self.windows[1].end - self.windows[1].start

    @property
    def same_weekdays(self) -> bool:
        return self.length % timedelta(days=7) == timedelta(0)


class TooEarlyError(Exception):
    """The moment is in the future, or so near that nothing came after it. `str()` says so."""


def windows_of(at: datetime, days: int, now: datetime) -> tuple[Window, Window, Window]:
    """Return the span before the one before, the one before, and the one after a moment.

    All are as long: `days`, or what has passed since; of more than a day, whole days.

    Raises:
        TooEarlyError: less than an hour has passed.
    """
    passed = min(timedelta(days=days), now - at)
    if passed < _SHORTEST:
        raise TooEarlyError(
            "Less than an hour has passed since then: there is nothing to compare yet. Look again "
            "later."
        )
    if passed > timedelta(days=1):
        passed = timedelta(days=passed.days)
    return (
        Window(at - 2 * passed, at - passed),
        Window(at - passed, at),
        Window(at, at + passed),
    )


def around(environment: Environment, at: datetime, days: int, now: datetime) -> Around:
    """Count what happened before and after `at`, in one request.

    Raises:
        TooEarlyError: nothing has passed since.
        ElasticError: it could not be counted.
    """
    windows = windows_of(at, days, now)
    with in_turn(environment):
        missing = lacking(environment)
        wanted = {str(n): ("event", _search(w, missing)) for n, w in enumerate(windows)}
        wanted["flow_names"] = (
            "flow",
            Search().extra(size=500, _source=["name"], timeout=f"{SEARCH_SECONDS}s"),
        )
        answers = search_all(environment, wanted)
    found = [answers[str(number)] for number in range(3)]
    hits = answers["flow_names"].get("hits", {}).get("hits", ())
    names = {hit["_id"]: str(hit["_source"].get("name") or hit["_id"]) for hit in hits}
    notes = []
    if any("error" in one for one in found):
        notes.append("The search engine refused to count a part: it is left out here.")
    if any(one.get("timed_out") or one.get("_shards", {}).get("failed") for one in found):
        notes.append("A part of the data gave no answer in time, so figures may be too low.")
    visitors = [_value(one, "visitors") for one in found]
    withheld = any(count is not None and is_small(count) for count in visitors[1:])
    return Around(
        at,
        windows,
        _totals(found),
        () if withheld else _listed(found, "types", {}),
        () if withheld else _listed(found, "flows", names),
        withheld,
        tuple(notes),
    )


def _search(window: Window, missing: frozenset[str]) -> Search:
    limits = {"gte": window.start.isoformat(), "lt": window.end.isoformat()}
    search = (
        Search()
        .extra(size=0, track_total_hits=True, timeout=f"{SEARCH_SECONDS}s")
        .filter("range", **{TIME: limits})
    )
    failed = Q("term", metadata__error=True) | Q("term", metadata__status="error")
    search.aggs.bucket("failed", "filter", filter=failed)
    for name, field in (("visitors", "profile.id"), ("sessions", "session.id")):
        search.aggs.metric(name, "cardinality", field=field, precision_threshold=_EXACT)
    for name in ("types", "flows"):
        if name not in missing:
            # More than are shown: one that came lately may be far down in the span before.
            search.aggs.bucket(name, "terms", field=EVENT_FIELDS[name], size=10 * TOP)
    return search


def _total(answer: Mapping[str, Any]) -> int | None:
    return None if "error" in answer else int(answer["hits"]["total"]["value"])


def _value(answer: Mapping[str, Any], name: str) -> int | None:
    if "error" in answer:
        return None
    part = answer.get("aggregations", {}).get(name, {})
    return int(part.get("value", part.get("doc_count", 0)) or 0)


def _line(label: str, values: Sequence[float | None], *, percent: bool = False) -> Line:
    earlier, before, after = values
    return Line(label, earlier, before, after, percent)


def _totals(found: Sequence[Mapping[str, Any]]) -> tuple[Line, ...]:
    def share(answer: Mapping[str, Any]) -> float | None:
        whole, failed = _total(answer), _value(answer, "failed")
        return 100 * failed / whole if whole and failed is not None else None

    return (
        _line("Events", [_total(one) for one in found]),
        _line("Visitors", [_value(one, "visitors") for one in found]),
        _line("Sessions with an event", [_value(one, "sessions") for one in found]),
        _line("Failed events", [share(one) for one in found], percent=True),
    )


def _listed(
    found: Sequence[Mapping[str, Any]], name: str, words: Mapping[str, str]
) -> tuple[Line, ...]:
    counts: list[dict[str, int]] = [
        {
            str(bucket["key"]): bucket["doc_count"]
            for bucket in one.get("aggregations", {}).get(name, {}).get("buckets", ())
        }
        for one in found
    ]
    keys = sorted(
        set(counts[1]) | set(counts[2]),
        key=lambda key: (-max(counts[1].get(key, 0), counts[2].get(key, 0)), key),
    )
    return tuple(
        _line(words.get(key, key), [one.get(key, 0) for one in counts]) for key in keys[:TOP]
    )
