"""The figures before and after one moment, such as a promotion: what changed, and how much it
changes anyway. Nothing here says why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from elasticsearch_dsl import Search

from environments.dashboards.answers import (
    UNANSWERED,
    Answer,
    buckets_of,
    count_of,
    first_of,
    found_in,
    may_be_few,
    names_in,
    share_of,
    total_of,
)
from environments.dashboards.queries import (
    EVENT_FIELDS,
    TOP,
    counting,
    distinct,
    failed,
    naming,
    reach,
)
from environments.dashboards.reading import in_turn, lacking, search_all
from environments.dashboards.tiles import change_of
from environments.models import Environment
from environments.together import is_whole

# How many days on each side; whole weeks have the same weekdays.
LENGTHS: Final = (1, 7, 28)
_SHORTEST: Final = timedelta(hours=1)
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
        return change_of(self.before, self.after, percent=self.percent)

    @property
    def usual(self) -> float | None:
        """How much it changed from the span before that, when nothing went live between them."""
        return change_of(self.earlier, self.before, percent=self.percent)

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
    def hours_alone(self) -> bool:
        """Whether the spans are hours of days, one after the other."""
        return self.length < timedelta(days=1)

    @property
    def same_weekdays(self) -> bool:
        return self.length % timedelta(days=7) == timedelta(0)


class TooEarlyError(Exception):
    """The moment is in the future, or so near that nothing came after it. `str()` says so."""


def windows_of(at: datetime, days: int, now: datetime) -> tuple[Window, Window, Window]:
    """Return the span before the one before, the one before, and the one after a moment.

    All are as long: `days`, or what has passed since; of more than a day, whole days. Of less
    than a day they are the same hours of the two days before: a morning is no night.

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
    apart = max(passed, timedelta(days=1))
    first, second = at - 2 * apart, at - apart
    return (
        Window(first, first + passed),
        Window(second, second + passed),
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
        wanted |= {"flow_names": ("flow", naming()), "reach": ("event", reach())}
        answers = search_all(environment, wanted)
    answered = [answers[str(number)] for number in range(3)]
    found: list[Answer] = [one if is_whole(one) else UNANSWERED for one in answered]
    names = names_in(answers["flow_names"])
    notes = []
    if UNANSWERED in found:
        notes.append(
            "The search engine did not count all of a span: its figures are left out. Open the "
            "page again in a moment."
        )
    first = first_of(answers["reach"])
    early = [first is not None and window.start < first for window in windows]
    if any(early[:2]):
        notes.append(
            "Before the first event there is, nothing can be counted: spans that begin before it "
            "are left out."
        )
        found = [UNANSWERED if out else one for one, out in zip(found, early, strict=True)]
    # A span of few visitors is not broken down; that before the two is just not beside them.
    few = [one is not UNANSWERED and may_be_few(one) for one in found]
    withheld = any(few[1:])
    broken_down = [UNANSWERED if few[0] else found[0], *found[1:]]
    return Around(
        at,
        windows,
        _totals(found),
        () if withheld else _listed(broken_down, "types", {}),
        () if withheld else _listed(broken_down, "flows", names),
        withheld,
        tuple(notes),
    )


def _search(window: Window, missing: frozenset[str]) -> Search:
    search = counting(window.start, window.end)
    search.aggs.bucket("failed", "filter", filter=failed())
    for name, field in (("visitors", "profile.id"), ("sessions", "session.id")):
        search.aggs.bucket(name, distinct(field))
    for name in ("types", "flows"):
        if name not in missing:
            # More than are shown: one that came lately may be far down in the span before.
            search.aggs.bucket(name, "terms", field=EVENT_FIELDS[name], size=10 * TOP)
    return search


def _line(label: str, values: Sequence[float | None], *, percent: bool = False) -> Line:
    earlier, before, after = values
    return Line(label, earlier, before, after, percent)


def _totals(found: Sequence[Answer]) -> tuple[Line, ...]:
    return (
        _line("Events", [total_of(one) for one in found]),
        _line("Visitors", [count_of(one, "visitors") for one in found]),
        _line("Sessions with an event", [count_of(one, "sessions") for one in found]),
        _line(
            "Failed events",
            [share_of(count_of(one, "failed"), total_of(one)) for one in found],
            percent=True,
        ),
    )


def _listed(found: Sequence[Answer], name: str, words: Mapping[str, str]) -> tuple[Line, ...]:
    counts: list[dict[str, int]] = [
        {str(bucket["key"]): bucket["doc_count"] for bucket in buckets_of(one, name)}
        for one in found
    ]
    # What is not among those that a whole answer lists is not there.
    whole = [
        one is not UNANSWERED and not found_in(one).get(name, {}).get("sum_other_doc_count")
        for one in found
    ]
    keys = sorted(
        set(counts[1]) | set(counts[2]),
        key=lambda key: (-max(counts[1].get(key, 0), counts[2].get(key, 0)), key),
    )
    return tuple(
        _line(
            words.get(key, key),
            [
                one.get(key, 0 if all_told else None)
                for one, all_told in zip(counts, whole, strict=True)
            ],
        )
        for key in keys[:TOP]
    )
