"""Periods from events: what was live, without an engine or a database."""

from datetime import UTC, datetime, timedelta

from promotion.models import StoredGeneration
from promotion.timeline import Event, How, arranged, period_at

START = datetime(2026, 11, 3, 14, tzinfo=UTC)


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def generation(number: int) -> StoredGeneration:
    return StoredGeneration(pk=number, number=number)


def live(events: list[Event]) -> list[int | None]:
    return [one.generation.number if one.generation else None for one in arranged(events)]


ONE, TWO, THREE = generation(1), generation(2), generation(3)


def test_a_period_ends_where_the_next_begins() -> None:
    known = arranged([Event(minute(5), How.WENT_LIVE, TWO), Event(minute(0), How.WENT_LIVE, ONE)])
    assert [(one.generation, one.since, one.until) for one in known] == [
        (ONE, minute(0), minute(5)),
        (TWO, minute(5), None),
    ]
    assert period_at(known, minute(-1)) is None
    assert period_at(known, minute(4)) == known[0]
    assert period_at(known, minute(5)) == known[1]


def test_a_swap_back_makes_the_one_before_live_again() -> None:
    events = [
        Event(minute(0), How.WENT_LIVE, ONE),
        Event(minute(1), How.WENT_LIVE, TWO),
        Event(minute(2), How.SWAPPED_BACK, TWO),
    ]
    assert live(events) == [1, 2, 1]


def test_a_swap_back_that_another_one_overtook_changes_nothing() -> None:
    events = [
        Event(minute(0), How.WENT_LIVE, ONE),
        Event(minute(1), How.WENT_LIVE, TWO),
        Event(minute(2), How.WENT_LIVE, THREE),
        Event(minute(3), How.SWAPPED_BACK, TWO),
    ]
    assert live(events) == [1, 2, 3]


def test_after_a_release_nothing_is_live_until_the_next_adoption() -> None:
    events = [
        Event(minute(0), How.WENT_LIVE, ONE),
        Event(minute(1), How.RELEASED),
        Event(minute(2), How.WENT_LIVE, TWO),
    ]
    assert live(events) == [1, None, 2]


def test_what_reconcile_found_leaves_the_end_before_it_unsure() -> None:
    known = arranged([Event(minute(0), How.WENT_LIVE, ONE), Event(minute(9), How.FOUND, THREE)])
    assert [one.ends_unsure for one in known] == [True, False]
