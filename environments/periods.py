"""The suffixes of Tracardi's partitioned indices: a month, a quarter or a year. Pure."""

import re
from datetime import date
from typing import Final

_PERIOD: Final = re.compile(r"([0-9]{4})-(?:q([1-4])|(year)|([0-9]{1,2}))")


def period(name: str) -> tuple[int, int]:
    """Return what orders the indices of a resource by time: `…-2026-9` is before `…-2026-11`."""
    found = _PERIOD.search(name[-9:])
    if found is None:
        return 0, 0
    year, quarter, _whole, month = found.groups()
    return int(year), int(quarter) * 3 if quarter else int(month or 12)


def suffix(like: str, today: date) -> str:
    """Return the suffix of today's index, by quarter or year where the other side's is so.

    Tracardi writes a month without a zero: `2026-9`.
    """
    if like.endswith("-year"):
        return f"{today.year}-year"
    if re.search(r"-q[1-4]$", like):
        return f"{today.year}-q{(today.month + 2) // 3}"
    return f"{today.year}-{today.month}"
