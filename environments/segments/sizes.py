"""What pages show of segments, from what was kept: no cluster is asked."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from environments.models import Environment, SegmentSize
from environments.segments.keeping import MOST
from environments.small_groups import is_small

# Where nothing was kept on a day, one of so many days before stands for it.
_NEAR: Final = timedelta(days=7)


@dataclass(frozen=True)
class SegmentRow:
    """One segment: how many profiles it holds, and how many it held before.

    `size` and `before` are None where they are not known, and where `small` or `small_before` say
    that it is 1 to 4, which is withheld. `change` is None where either is not shown.
    """

    key: str
    name: str
    size: int | None
    small: bool
    before: int | None
    small_before: bool
    change: int | None


def kept_day(environment: Environment, day: date) -> date | None:
    """Return the day whose sizes stand for `day`: itself, or the last kept one of a week before."""
    rows = SegmentSize.objects.filter(environment=environment, day__lte=day, day__gt=day - _NEAR)
    return rows.order_by("-day").values_list("day", flat=True).first()


def segment_sizes(environment: Environment, day: date, before_day: date) -> list[SegmentRow]:
    """Return each segment's size on `day` and on `before_day`, the largest first.

    Each day is the one of `kept_day`. Nothing is returned where nothing was kept.
    """
    now, before = (_sizes(environment, kept_day(environment, one)) for one in (day, before_day))
    if now is None:
        return []
    found = []
    for key in {*now, *(before or {})}:
        size, was = _size(now, key), _size(before, key)
        name = now[key].name if key in now else (before or {})[key].name
        found.append(_row(key, name, size, was))
    # The small ones by name: their order would tell which is larger.
    return sorted(found, key=lambda row: (-(row.size or row.small), row.name.casefold(), row.key))


def _sizes(environment: Environment, day: date | None) -> dict[str, SegmentSize] | None:
    if day is None:
        return None
    rows = SegmentSize.objects.filter(environment=environment, day=day)
    return {row.key: row for row in rows}


def _size(sizes: dict[str, SegmentSize] | None, key: str) -> int | None:
    if sizes is None:
        return None
    if key in sizes:
        return sizes[key].size
    # Of very many segments the smallest are not kept: then nobody knows.
    return 0 if len(sizes) < MOST else None


def _row(key: str, name: str, size: int | None, was: int | None) -> SegmentRow:
    small = size is not None and is_small(size)
    small_before = was is not None and is_small(was)
    told = size is not None and was is not None and not small and not small_before
    return SegmentRow(
        key,
        name,
        None if small else size,
        small,
        None if small_before else was,
        small_before,
        size - was if told and size is not None and was is not None else None,
    )
