"""The time axis and the chart's shapes, without an engine."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.charts import HEIGHT, SPANS, WIDTH, Bucket, Span, draw, edges, scale, short

WARSAW = ZoneInfo("Europe/Warsaw")
DAY, WEEK, MONTH = SPANS


@dataclass(frozen=True)
class Moment:
    time: datetime
    label: str
    url: str


def buckets(span: Span, now: datetime, events: int = 10, failed: int = 1) -> list[Bucket]:
    limits = edges(span, now, UTC)
    return [Bucket(*pair, events, failed) for pair in pairwise(limits)]


@given(
    now=st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1)),
    span=st.sampled_from(SPANS),
    zone=st.sampled_from([UTC, WARSAW, ZoneInfo("Asia/Kathmandu")]),
)
def test_the_last_bucket_holds_now_and_buckets_touch(
    now: datetime, span: Span, zone: ZoneInfo
) -> None:
    moment = now.replace(tzinfo=UTC)
    limits = edges(span, moment, zone)
    assert limits == sorted(set(limits))
    assert limits[-2] <= moment < limits[-1]
    assert limits[-1] - limits[0] <= timedelta(days=span.days, hours=25)


def test_a_day_of_25_hours_is_one_bucket() -> None:
    now = datetime(2026, 10, 26, 12, tzinfo=UTC)
    limits = edges(MONTH, now, WARSAW)
    lengths = {end - start for start, end in pairwise(limits)}
    assert lengths == {timedelta(hours=24), timedelta(hours=25)}


@pytest.mark.parametrize(
    ("highest", "top", "steps"), [(0, 1, 2), (7, 8, 5), (300, 300, 4), (1234, 1500, 4)]
)
def test_the_scale_is_round_and_reaches_the_highest(highest: int, top: int, steps: int) -> None:
    found = scale(highest)
    assert found[-1] == top
    assert len(found) == steps


@pytest.mark.parametrize(
    ("number", "words"),
    [(500, "500"), (2000, "2,000"), (15_000, "15k"), (2_500_000, "2.5M")],
)
def test_numbers_on_the_axis_are_short(number: int, words: str) -> None:
    assert short(number) == words


def test_all_shapes_lie_inside_the_picture() -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    marks = [Moment(now - timedelta(days=n), f"P{n}", f"/p/{n}") for n in (29, 12, 0)]
    chart = draw(MONTH, buckets(MONTH, now), marks, UTC, "#all")
    for column in chart.columns:
        assert 0 <= column.x <= column.x + column.width <= WIDTH
        assert chart.top <= column.y <= column.y + column.height <= HEIGHT
    for flag in chart.flags:
        assert 0 <= flag.left <= flag.middle <= flag.left + flag.width <= WIDTH
    assert [flag.text for flag in chart.flags] == ["1", "2", "3"]
    assert [flag.url for flag in chart.flags] == ["/p/29", "/p/12", "/p/0"]


def test_moments_near_each_other_share_a_flag_that_leads_to_the_list() -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    marks = [Moment(now - timedelta(minutes=n), "Promotion", f"/p/{n}") for n in (5, 0)]
    [flag] = draw(MONTH, buckets(MONTH, now), marks, UTC, "#all").flags
    assert (flag.text, flag.url, flag.title) == ("1\N{EN DASH}2", "#all", "Promotion")
