"""The figures' course: points of a time axis, lines with gaps, and words that say the same."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from environments.health.figures import (
    HEIGHT,
    SPANS,
    WIDTH,
    milliseconds,
    parts,
    percent,
    size,
    spark,
    whole,
)

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DAY, MONTH, YEAR = SPANS


@dataclass
class Look:
    at: datetime
    is_reachable: bool = True


def test_a_point_holds_the_last_look_in_it_that_got_an_answer() -> None:
    early, late = Look(NOW - timedelta(minutes=20)), Look(NOW - timedelta(minutes=10))
    out = Look(NOW - timedelta(minutes=5), is_reachable=False)
    alone = Look(NOW - timedelta(hours=1), is_reachable=False)
    course = parts(DAY, [out, late, early, alone], NOW)
    assert len(course) == 48
    assert (course[-1].answered, course[-1].last, course[-1].is_out) == (late, out, False)
    [gap] = [part for part in course if part.is_out]
    assert gap.last is alone
    assert gap.start <= alone.at <= gap.end
    assert course[-1].end == NOW


def test_what_is_too_old_is_left_out_and_what_is_of_now_is_in() -> None:
    course = parts(DAY, [Look(NOW - timedelta(hours=25)), Look(NOW)], NOW)
    assert [part.answered is not None for part in course] == [False] * 47 + [True]
    assert [len(parts(span, [], NOW)) for span in SPANS] == [48, 30, 52]


def test_a_line_goes_through_neighbours_and_a_point_alone_is_a_dot() -> None:
    drawn = spark([1, 3, None, 2, None], whole, gaps=[False, False, True, False, False])
    assert drawn.lines == ("16,33 48,3",)
    assert drawn.dots == ((112.0, 18.0),)
    assert drawn.gaps == ((64.0, 32.0),)
    assert drawn.words == "from 1 to 2; lowest 1, highest 3; no answer in 1 of its parts."
    assert not drawn.is_empty


def test_all_lies_within_the_picture() -> None:
    drawn = spark([0, 10**15, 5, 7], whole)
    points = [tuple(map(float, point.split(","))) for point in drawn.lines[0].split()]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "Nothing is known of this time."),
        ([None, None], "Nothing is known of this time."),
        ([4, 4, None], "4 all the time."),
    ],
)
def test_what_never_moved_or_is_not_known_is_said(values: list[float | None], words: str) -> None:
    drawn = spark(values, whole)
    assert drawn.words == words
    assert drawn.is_empty == (4 not in values)


def test_figures_are_said_as_people_say_them() -> None:
    assert [size(n) for n in (0, 900, 1536, 5 * 1024**2, 3 * 1024**4, 2048 * 1024**4)] == [
        "0 bytes",
        "900 bytes",
        "1.5 KB",
        "5.0 MB",
        "3.0 TB",
        "2,048.0 TB",
    ]
    assert (whole(1234.4), percent(12.34), milliseconds(1234.6)) == ("1,234", "12.3 %", "1,235 ms")
