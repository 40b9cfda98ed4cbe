"""What a dashboard is made of: figures that stand alone, and tiles of a chart and a table. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from environments.small_groups import LEAST_SHOWN, UNDER, may_be_small

# Groups of fewer visitors are not broken down further: a figure must not tell of a person.
SMALL: Final = LEAST_SHOWN


class State(StrEnum):
    """Why a tile or a figure shows less than it could."""

    WHOLE = ""
    EMPTY = "empty"
    # The engine gave no answer, or a part of it.
    PARTIAL = "partial"
    FAILED = "failed"
    # The mapping has no such field.
    LACKING = "lacking"
    WITHHELD = "withheld"


class Kind(StrEnum):
    """How a tile is drawn."""

    STACK = "stack"
    BARS = "bars"
    FUNNEL = "funnel"


def change_of(before: float | None, after: float | None, *, percent: bool) -> float | None:
    """Return by how many percent a figure changed, or by how many points where it is `percent`.

    It is None where either is not known, and where there was nothing before.
    """
    if before is None or after is None:
        return None
    if percent:
        return after - before
    return 100 * (after - before) / before if before else None


@dataclass(frozen=True)
class Stat:
    """One figure. `value` and `before` are None where they could not be counted.

    `percent` tells that both are percentages; `more_is` whether more of it is good, bad or neither;
    `few` that the value is withheld, as it is of too few people.
    """

    key: str
    label: str
    value: float | None
    before: float | None = None
    help: str = ""
    percent: bool = False
    more_is: str = ""
    note: str = ""
    few: bool = False

    @property
    def instead(self) -> str:
        """What is shown in the value's place where it is withheld."""
        return UNDER if self.few else ""

    @property
    def change(self) -> float | None:
        """By how much it changed: percent of what was before, or percentage points."""
        return change_of(self.before, self.value, percent=self.percent)

    @property
    def tone(self) -> str:
        """`ok`, `bad` or nothing, as the change is."""
        change = self.change
        if not change or not self.more_is:
            return ""
        return "ok" if (change > 0) == (self.more_is == "good") else "bad"


@dataclass(frozen=True)
class Series:
    """One row of numbers along the labels of a chart; `tone` is how it is drawn."""

    label: str
    values: tuple[float | None, ...]
    tone: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "values": list(self.values), "tone": self.tone}


@dataclass(frozen=True)
class Row:
    """One line of a tile's table: a label, and a value for each further column."""

    label: str
    values: tuple[float | str | None, ...]
    # What the dashboard's address adds to show this alone, as the filter's name and its value.
    narrows: tuple[str, str] | None = None
    small: bool = False


@dataclass(frozen=True)
class Tile:
    """A chart, and its table. `columns` are the headings, the first one that of the labels."""

    key: str
    title: str
    kind: Kind
    columns: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    series: tuple[Series, ...] = ()
    # Short words for the axis, one for each row.
    ticks: tuple[str, ...] = ()
    unit: str = ""
    # What the chart says of a value that is None.
    missing: str = "not known"
    help: str = ""
    state: State = State.WHOLE
    note: str = ""
    notes: tuple[str, ...] = ()

    @property
    def has_chart(self) -> bool:
        return bool(self.series) and self.state in {State.WHOLE, State.PARTIAL}

    @property
    def data_id(self) -> str:
        """The id of the element that holds what `chart` returns."""
        return f"data-{self.key}"

    def chart(self) -> dict[str, Any]:
        """Return what the script that draws needs, as a JSON value."""
        return {
            "key": self.key,
            "kind": self.kind.value,
            "title": self.title,
            "unit": self.unit,
            "missing": self.missing,
            "ticks": list(self.ticks) or [row.label for row in self.rows],
            "labels": [row.label for row in self.rows],
            "series": [one.to_dict() for one in self.series],
        }


def changed(tile: Tile, **changes: Any) -> Tile:
    """Return a tile with some of its fields replaced."""
    return replace(tile, **changes)


def folded(rows: Sequence[Row], visitors: int, most: int) -> tuple[tuple[Row, ...], int]:
    """Return the rows that may be shown, `most` at most, and how many were too small to be.

    `visitors` is which of the values counts them, and the first is what they did. A row of
    visitors who are fewer than `SMALL`, or may be, is left out.
    """
    kept, small = [], 0
    for row in rows:
        count, did = row.values[visitors], row.values[0]
        if may_be_small(int(count or 0), int(did or 0)):
            small += 1
        else:
            kept.append(row)
    return tuple(kept[:most]), small
