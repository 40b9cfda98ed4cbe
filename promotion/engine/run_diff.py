"""Two runs of workflow tests beside each other: what fails now and passed then; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PASSED: Final = "passed"


class Turn(StrEnum):
    """What became of a test from one run to the next; in the order in which people look."""

    BROKEN = "fails now"
    FAILS = "fails as before"
    NEW = "new"
    GONE = "not run now"
    FIXED = "passes now"
    PASSES = "passes as before"


_ORDER: Final = {turn: place for place, turn in enumerate(Turn)}


@dataclass(frozen=True)
class Row:
    """One test of either run; a status is empty where it was not in that run."""

    name: str
    turn: Turn
    before: str
    after: str


def compare_runs(before: Mapping[str, str], after: Mapping[str, str]) -> list[Row]:
    """Return each test of two runs, given as status by name: first what fails now."""
    rows = [
        Row(
            name,
            _turn(before.get(name), after.get(name)),
            before.get(name, ""),
            after.get(name, ""),
        )
        for name in {**after, **before}
    ]
    return sorted(rows, key=lambda row: (_ORDER[row.turn], row.name.casefold()))


def _turn(before: str | None, after: str | None) -> Turn:
    if after is None:
        return Turn.GONE
    if before is None:
        return Turn.NEW if after == PASSED else Turn.BROKEN
    if after == PASSED:
        return Turn.PASSES if before == PASSED else Turn.FIXED
    return Turn.BROKEN if before == PASSED else Turn.FAILS


def counted(rows: Sequence[Row]) -> dict[Turn, int]:
    """Return how many rows there are of each turn, without those of which there is none."""
    found = {turn: sum(row.turn is turn for row in rows) for turn in Turn}
    return {turn: number for turn, number in found.items() if number}
