"""Days that a person looks at, in their own time zone, and the parts of the time axis. Pure."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import cached_property
from typing import Final

# A whole year, with the day that a leap year adds.
LONGEST_DAYS: Final = 366
# Up to so many, each day is a column of its own.
_DAYS_AS_DAYS: Final = 92


class Unit(StrEnum):
    """How long a part of the time axis is; the values are the engine's calendar intervals."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True)
class Choice:
    """A range that is chosen by one click."""

    key: str
    words: str
    days: int


CHOICES: Final = (
    Choice("today", "Today", 1),
    Choice("7d", "7 days", 7),
    Choice("30d", "30 days", 30),
    Choice("90d", "90 days", 90),
)
DEFAULT: Final = CHOICES[1]
CUSTOM: Final = "custom"


@dataclass(frozen=True)
class Period:
    """Whole days of a zone, from `first` to `last`, both in it.

    `now` cuts the last day short where it is not over: nothing is counted after it.
    """

    first: date
    last: date
    zone: tzinfo
    now: datetime

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def unit(self) -> Unit:
        if self.days == 1:
            return Unit.HOUR
        return Unit.DAY if self.days <= _DAYS_AS_DAYS else Unit.WEEK

    @property
    def start(self) -> datetime:
        return self._midnight(self.first)

    @property
    def end(self) -> datetime:
        """When the last day ends; not in it."""
        return self._midnight(self.last + timedelta(days=1))

    @property
    def until(self) -> datetime:
        """Until when there is something to count; not in it."""
        return max(self.start, min(self.now, self.end))

    @property
    def is_over(self) -> bool:
        return self.end <= self.now

    @cached_property
    def edges(self) -> tuple[datetime, ...]:
        """The moments, in UTC and ascending, between which things are counted.

        Parts begin where the zone's own hours, days and weeks do: where the clocks change, a day
        has 23 or 25 hours. The first and the last week may be shorter.
        """
        if self.unit is Unit.HOUR:
            hours = int((self.end - self.start) / timedelta(hours=1))
            return (*(self.start + timedelta(hours=n) for n in range(hours)), self.end)
        days = [self.first + timedelta(days=number) for number in range(self.days)]
        if self.unit is Unit.WEEK:
            days = [day for day in days if day == self.first or day.weekday() == 0]
        return (*(self._midnight(day) for day in days), self.end)

    def place(self, moment: datetime) -> int:
        """Return which part of the axis a moment is in; the nearest one if it is outside."""
        return min(max(bisect_right(self.edges, moment) - 1, 0), len(self.edges) - 2)

    def before(self) -> "Period":
        """Return as many days right before, which end at the same time of day."""
        length = timedelta(days=self.days)
        moved = self.now
        if not self.is_over:
            # By the zone's own clock: yesterday until 15:00 is compared with today until 15:00.
            local = self.until.astimezone(self.zone)
            day, clock = local.date() - length, local.time().replace(fold=local.fold)
            moved = datetime.combine(day, clock, self.zone).astimezone(UTC)
        return Period(self.first - length, self.first - timedelta(days=1), self.zone, moved)

    def part_words(self, number: int) -> str:
        """Return a part of the axis in words, such as `Wed 18 Nov`."""
        start = self.edges[number].astimezone(self.zone)
        end = self.edges[number + 1].astimezone(self.zone)
        if self.unit is Unit.HOUR:
            return f"{day_words(start.date())}, {start:%H:%M} to {end:%H:%M}"
        if self.unit is Unit.DAY:
            return day_words(start.date())
        last = end.date() - timedelta(days=1)
        return f"{day_words(start.date())} to {day_words(last)}"

    def tick_words(self, number: int) -> str:
        """Return what the axis says at a part, as short as can be."""
        start = self.edges[number].astimezone(self.zone)
        if self.unit is Unit.HOUR:
            return f"{start:%H:%M}"
        return f"{start.day} {start:%b}"

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone).astimezone(UTC)


def day_words(day: date) -> str:
    """Return a day in words, such as `Wed 18 Nov`."""
    return f"{day:%a} {day.day} {day:%b}"


def last_days(days: int, now: datetime, zone: tzinfo) -> Period:
    """Return today and the days before it, `days` in all."""
    today = now.astimezone(zone).date()
    return Period(today - timedelta(days=days - 1), today, zone, now)


def between(first: str, last: str, now: datetime, zone: tzinfo) -> Period:
    """Return the days from `first` to `last`, both in it, each such as `2026-11-18`.

    Raises:
        ValueError: they are no such days; `str()` is fit for people.
    """
    try:
        begin, end = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise ValueError("A range needs a first and a last day, such as 2026-11-18.") from None
    today = now.astimezone(zone).date()
    if begin > end:
        raise ValueError("The first day is after the last one.")
    if begin > today:
        raise ValueError("The first day is yet to come.")
    if begin.year < 2000:
        raise ValueError("The first day is before the year 2000.")
    end = min(end, today)
    if (end - begin).days + 1 > LONGEST_DAYS:
        raise ValueError(f"A range has {LONGEST_DAYS} days at most.")
    return Period(begin, end, zone, now)
