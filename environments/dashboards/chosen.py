"""What a dashboard's address asks for: days and filters. A link shows all the same. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Final, Protocol
from urllib.parse import urlencode

from environments.dashboards.ranges import CHOICES, CUSTOM, DEFAULT, Period, between, last_days

# So many values of one filter, and so long each: more is nobody's choice.
MOST_VALUES: Final = 20
LONGEST_VALUE: Final = 200
LABELS: Final = {
    "source": "Source",
    "type": "Event type",
    "channel": "Channel",
    "segment": "Segment",
}
_ALONE: Final = ("segment",)


class Query(Protocol):
    """The parameters of an address, each with several values perhaps."""

    def getlist(self, key: str) -> Sequence[str]: ...


@dataclass(frozen=True)
class Chosen:
    """Days and filters. `key` is that of a `Choice`, or `custom` with `first` and `last`."""

    key: str = DEFAULT.key
    first: str = ""
    last: str = ""
    sources: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    segment: str = ""

    @property
    def filters(self) -> Mapping[str, tuple[str, ...]]:
        """The values by the name of their filter, without those that are not set."""
        found = {
            "source": self.sources,
            "type": self.types,
            "channel": self.channels,
            "segment": (self.segment,) if self.segment else (),
        }
        return {name: values for name, values in found.items() if values}

    def period(self, now: datetime, zone: tzinfo) -> Period:
        """Return the days that this asks for.

        Raises:
            ValueError: a custom range that is none.
        """
        if self.key == CUSTOM:
            return between(self.first, self.last, now, zone)
        days = next(choice.days for choice in CHOICES if choice.key == self.key)
        return last_days(days, now, zone)

    def query(self, **changes: object) -> str:
        """Return the address's query, without its mark; `changes` replaces fields."""
        chosen: Chosen = replace(self, **changes)  # type: ignore[arg-type]
        pairs: list[tuple[str, str]] = [("range", chosen.key)]
        if chosen.key == CUSTOM:
            pairs += [("from", chosen.first), ("to", chosen.last)]
        pairs += [(name, one) for name, values in chosen.filters.items() for one in values]
        return urlencode(pairs)

    def unfiltered(self) -> str:
        """Return the query of the same days, without any filter."""
        return self.query(sources=(), types=(), channels=(), segment="")

    def narrowed(self, name: str, value: str) -> str:
        """Return the query with one value alone of one filter."""
        return self.query(**({name: value} if name in _ALONE else {f"{name}s": (value,)}))

    def without(self, name: str, value: str) -> str:
        """Return the query with one value of one filter left out."""
        if name in _ALONE:
            return self.query(**{name: ""})
        rest = tuple(one for one in self.filters.get(name, ()) if one != value)
        return self.query(**{f"{name}s": rest})


def chosen_from(query: Query, now: datetime, zone: tzinfo) -> tuple[Chosen, list[str]]:
    """Return what an address asks for, and what of it was left out, in words.

    What cannot be understood is left out and told, so that an old link still shows something.
    """
    notes: list[str] = []

    def one(name: str) -> str:
        return next(iter(query.getlist(name)), "").strip()

    def values(name: str) -> tuple[str, ...]:
        given = dict.fromkeys(value.strip() for value in query.getlist(name))
        fit = [v for v in given if v and len(v) <= LONGEST_VALUE and v.isprintable()]
        if len(fit) < len([v for v in given if v]):
            notes.append(f"A {name} that cannot be one was left out.")
        if len(fit) > MOST_VALUES:
            notes.append(f"Of the {name}s only the first {MOST_VALUES} were taken.")
        return tuple(sorted(fit[:MOST_VALUES]))

    key = one("range") or DEFAULT.key
    first, last = one("from"), one("to")
    chosen = Chosen(
        sources=values("source"),
        types=values("type"),
        channels=values("channel"),
        segment=next(iter(values("segment")), ""),
    )
    if key == CUSTOM:
        try:
            between(first, last, now, zone)
        except ValueError as error:
            notes.append(f"{error} These are the last {DEFAULT.words}.")
        else:
            chosen = replace(chosen, key=CUSTOM, first=first, last=last)
    elif any(choice.key == key for choice in CHOICES):
        chosen = replace(chosen, key=key)
    else:
        notes.append(f"There is no such range. These are the last {DEFAULT.words}.")
    return chosen, notes
