"""Counting visitors by steps, against two other ways; and which days are due. Pure."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.due import pause_after
from environments.funnels.counting import FunnelCount, OrderError
from environments.funnels.days import HISTORY, PAUSES, Kept, due, limits
from tests.environments.funnels.second import Event, by_each_order, reached, visitors

TYPES = st.sampled_from("abc")
STEPS = st.lists(TYPES, min_size=2, max_size=6)
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
TODAY = NOW.date()


def counted(events: list[Event], steps: list[str]) -> list[int]:
    count = FunnelCount(steps)
    for (profile, time, type), times in sorted(Counter(events).items()):
        count.feed(profile, time, type, times)
    return count.visitors()


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 9), TYPES), max_size=40), STEPS)
def test_the_stream_is_counted_as_whole_lists_are(events: list[Event], steps: list[str]) -> None:
    assert counted(events, steps) == visitors(events, steps)


@given(st.lists(st.tuples(st.integers(0, 2), TYPES), max_size=7), STEPS)
def test_of_one_moment_any_order_counts(events: list[tuple[int, str]], steps: list[str]) -> None:
    best = by_each_order(events, steps)
    assert reached(events, steps) == best
    assert sum(counted([("x", *one) for one in events], steps)) == best


def test_events_out_of_order_are_refused() -> None:
    for later in (("a", 5, "x"), ("b", 1, "x")):
        count = FunnelCount(["x", "y"])
        count.feed("b", 2, "x")
        with pytest.raises(OrderError, match="came after"):
            count.feed(*later)


def test_the_newest_days_come_first_and_each_is_counted_once_more_after_its_end() -> None:
    assert list(due({}, NOW, UTC)) == [TODAY - timedelta(days=n) for n in range(HISTORY)]
    yesterday = TODAY - timedelta(days=1)
    done = {TODAY - timedelta(days=n): Kept(NOW) for n in range(HISTORY)}
    assert list(due(done, NOW, UTC)) == []
    assert list(due(done, NOW + timedelta(minutes=15), UTC)) == [TODAY]
    # A moment after midnight the day is over, and what Tracardi still holds of it is waited for.
    midnight = limits(TODAY, UTC)[1]
    after = {**done, TODAY + timedelta(days=1): Kept(midnight)}
    assert list(due(after, midnight + timedelta(minutes=10), UTC)) == []
    assert TODAY in due(after, midnight + timedelta(minutes=30), UTC)
    # It stays then, whatever time passes.
    at_noon = {**done, yesterday: Kept(limits(yesterday, UTC)[1] + timedelta(minutes=29))}
    assert list(due(at_noon, NOW, UTC)) == [yesterday]


def test_a_day_that_failed_rests_longer_each_time() -> None:
    kept = {TODAY - timedelta(days=n): Kept(NOW) for n in range(HISTORY)}
    kept[TODAY] = Kept(None, failed=True, retry_at=NOW + pause_after(1, PAUSES))
    assert list(due(kept, NOW, UTC)) == []
    assert list(due(kept, NOW + pause_after(1, PAUSES), UTC)) == [TODAY]
    pauses = [pause_after(tries, PAUSES) for tries in range(1, 9)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=1)


def test_days_are_those_of_a_zone_with_its_changes_of_the_clock() -> None:
    begin, end = limits(date(2026, 10, 25), ZoneInfo("Europe/Berlin"))
    assert end.astimezone(UTC) - begin.astimezone(UTC) == timedelta(hours=25)
