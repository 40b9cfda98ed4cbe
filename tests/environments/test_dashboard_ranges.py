"""What a dashboard's address asks for: days in a zone, filters; and the spans around a moment."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from environments.dashboards.around import Line, TooEarlyError, windows_of
from environments.dashboards.chosen import MOST_VALUES, Chosen, chosen_from
from environments.dashboards.figures import page_words
from environments.dashboards.ranges import CHOICES, LONGEST_DAYS, Period, Unit, last_days
from environments.small_groups import may_be_small

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [
    ZoneInfo(name)
    for name in ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia")
]


def chosen(query: str) -> tuple[Chosen, list[str]]:
    return chosen_from(QueryDict(query), NOW, BERLIN)


def test_a_day_of_the_zone_begins_at_its_own_midnight() -> None:
    today = last_days(1, NOW, BERLIN)
    assert today.start == datetime(2026, 11, 24, 23, tzinfo=UTC)
    assert (today.unit, len(today.edges), today.until) == (Unit.HOUR, 25, NOW)
    assert today.part_words(0) == "Wed 25 Nov, 00:00 to 01:00"


def test_the_days_on_which_the_clocks_change_have_23_and_25_hours() -> None:
    hours = [
        len(Period(day, day, BERLIN, NOW).edges) - 1
        for day in (date(2026, 3, 29), date(2026, 10, 25))
    ]
    assert hours == [23, 25]


@given(st.integers(1, LONGEST_DAYS), st.datetimes(datetime(2010, 1, 1), datetime(2035, 1, 1)))
def test_the_parts_follow_one_another_and_each_moment_is_in_the_one_around_it(
    days: int, at: datetime
) -> None:
    now = at.replace(tzinfo=UTC)
    for zone in ZONES:
        period = last_days(days, now, zone)
        edges = period.edges
        assert (edges[0], edges[-1]) == (period.start, period.end)
        assert all(first < then for first, then in pairwise(edges))
        assert period.start <= period.until <= period.end
        for place, (first, then) in enumerate(pairwise(edges)):
            assert period.place(first) == place
            assert period.place(then - timedelta(seconds=1)) == place
        before = period.before()
        assert (before.days, before.end) == (days, period.start)
        assert before.start <= before.until <= before.end


def test_long_ranges_are_weeks_that_begin_on_monday() -> None:
    found, notes = chosen("range=custom&from=2026-03-04&to=2026-11-20")
    period = found.period(NOW, BERLIN)
    assert notes == []
    assert period.unit is Unit.WEEK
    assert period.part_words(0) == "Wed 4 Mar to Sun 8 Mar"
    assert period.part_words(1) == "Mon 9 Mar to Sun 15 Mar"
    assert (period.is_over, period.until) == (True, period.end)


def test_an_address_says_all_and_a_link_of_it_asks_for_the_same() -> None:
    days, filters = "from=2026-11-01&to=2026-11-20", "source=b&source=a&type=x&channel=web"
    found, notes = chosen(f"range=custom&{days}&{filters}&segment=s")
    assert notes == []
    assert found == Chosen("custom", "2026-11-01", "2026-11-20", ("a", "b"), ("x",), ("web",), "s")
    assert chosen(found.query()) == (found, [])
    assert chosen(found.without("source", "a"))[0].sources == ("b",)
    assert chosen(found.without("segment", "s"))[0].segment == ""
    assert [chosen(f"range={choice.key}")[0].key for choice in CHOICES] == [
        choice.key for choice in CHOICES
    ]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("range=forever", "There is no such range"),
        ("range=custom", "needs a first and a last day"),
        ("range=custom&from=2026-11-20&to=2026-11-01", "after the last one"),
        ("range=custom&from=2027-01-01&to=2027-01-02", "yet to come"),
        ("range=custom&from=1999-01-01&to=1999-01-02", "before the year 2000"),
        ("range=custom&from=2024-01-01&to=2026-01-02", "366 days at most"),
        ("range=custom&from=2026-02-30&to=2026-03-01", "needs a first and a last day"),
        (f"source={'x' * 300}", "A source that cannot be one"),
        ("type=a%00b", "A type that cannot be one"),
        ("&".join(f"type={n}" for n in range(30)), f"only the first {MOST_VALUES}"),
    ],
)
def test_what_cannot_be_understood_is_left_out_and_told(query: str, words: str) -> None:
    found, notes = chosen(query)
    assert len(notes) == 1
    assert words in notes[0]
    assert found.key == "7d"


def test_days_to_come_are_cut_off() -> None:
    found, _ = chosen("range=custom&from=2026-11-20&to=2026-12-24")
    assert found.period(NOW, BERLIN).last == NOW.date()


def test_the_spans_around_a_moment_are_as_long_as_one_another() -> None:
    for at, days, length in (
        (NOW - timedelta(days=30), 7, timedelta(days=7)),
        # Not over yet: whole days.
        (NOW - timedelta(days=3, hours=5), 7, timedelta(days=3)),
    ):
        windows = windows_of(at, days, NOW)
        assert {one.end - one.start for one in windows} == {length}
        assert windows[0].end == windows[1].start
        assert windows[1].end == windows[2].start == at
    with pytest.raises(TooEarlyError):
        windows_of(NOW - timedelta(minutes=30), 7, NOW)


def test_hours_are_compared_with_the_same_hours_of_the_days_before() -> None:
    at, day = NOW - timedelta(hours=5), timedelta(days=1)
    windows = windows_of(at, 7, NOW)
    assert [one.start for one in windows] == [at - 2 * day, at - day, at]
    assert {one.end - one.start for one in windows} == {timedelta(hours=5)}


@pytest.mark.parametrize(
    ("people", "did", "small"),
    [
        (5, 9, False),
        (4, 900, True),
        (0, 0, False),
        # Nobody is told apart: each may be another's.
        (0, 4, True),
        (0, 5, False),
        # Nobody knows.
        (None, 900, True),
        (900, None, True),
    ],
)
def test_a_group_is_small_where_it_may_be(people: int | None, did: int | None, small: bool) -> None:
    assert may_be_small(people, did) is small


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://shop.example.com/p/7?mail=ada@example.com#top", "https://shop.example.com/p/7"),
        (
            "https://shop.example.com/u/ada@example.com/orders",
            "https://shop.example.com/u/…/orders",
        ),
        ("/account/3f2c8a10-aaaa-4bbb-8ccc-0123456789ab/", "/account/…/"),
        ("/order/20261125001", "/order/…"),
        ("/p/HP-LAN-01", "/p/HP-LAN-01"),
        ("?q=1", "/"),
    ],
)
def test_a_page_is_named_without_what_may_be_a_persons(address: str, words: str) -> None:
    assert page_words(address) == words


def test_only_a_change_that_is_larger_than_the_one_before_and_of_enough_is_pointed_out() -> None:
    assert Line("Events", 100, 110, 140).stands_out
    # As large as the time before; twice as large, but of a few.
    assert not Line("Events", 100, 130, 160).stands_out
    assert not Line("Events", 4, 4, 8).stands_out
    assert Line("Failed events", 1.0, 1.1, 3.0, percent=True).stands_out
    assert (Line("New", 0, 0, 50).change, Line("New", 0, 0, 50).stands_out) == (None, False)
