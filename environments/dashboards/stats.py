"""The figures that stand alone, each beside that of the period before. Pure: no Django, no I/O."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from environments.dashboards.answers import Answers, share_of
from environments.dashboards.tiles import SMALL, Stat
from environments.small_groups import is_small

_COMPARED: Final = ("before", "visits_before")
_OF_PEOPLE: Final = ("visitors", "new", "returning")
_FEW: Final = f"not told of fewer than {SMALL} visitors"


def compares(got: Answers, first: datetime | None) -> bool:
    """Answer whether there was something to count in all of the period before.

    Before the first event of all there was nothing: that is no growth.
    """
    return first is not None and first <= got.period.before().start


def stats(got: Answers, first: datetime | None) -> tuple[Stat, ...]:
    """Return the figures; `first` is when the first event of all was, if there is one."""
    ask = got.ask
    # A count that is too low would be told as growth.
    can = compares(got, first) and not any(map(got.is_short, _COMPARED))

    def before(value: int | None) -> int | None:
        return value if can else None

    total, total_before = got.total("totals"), before(got.total("before"))
    visitors, visitors_before = got.count("totals", "visitors"), got.count("before", "visitors")
    if ask.visits_by_events:
        sessions, sessions_before = got.count("totals", "sessions"), got.count("before", "sessions")
    else:
        sessions, sessions_before = got.total("visits"), got.total("visits_before")
    new = got.count("profiles", "new") if ask.counts_profiles else None
    new_before = got.count("profiles", "new_before") if ask.counts_profiles else None
    uncounted = "" if ask.counts_profiles else "not counted with such a filter"

    def less(whole: int | None, part: int | None) -> int | None:
        return None if whole is None or part is None else max(0, whole - part)

    def share(name: str) -> float | None:
        return share_of(got.count(name, "failed"), got.total(name))

    found = (
        Stat("events", "Events", total, total_before, "all that was tracked", more_is="good"),
        Stat(
            "visitors",
            "Visitors",
            visitors,
            before(visitors_before),
            "profiles with an event; approximate above 40,000",
            more_is="good",
        ),
        Stat("sessions", "Sessions", sessions, before(sessions_before), "visits", more_is="good"),
        Stat(
            "new",
            "New profiles",
            new,
            before(new_before),
            "made in this time",
            more_is="good",
            note=uncounted,
        ),
        Stat(
            "returning",
            "Returning visitors",
            less(visitors, new),
            before(less(visitors_before, new_before)),
            "visitors less new profiles",
            more_is="good",
            note=uncounted,
        ),
        Stat(
            "failed",
            "Failed events",
            share("totals"),
            share("before") if can else None,
            "of all events",
            percent=True,
            more_is="bad",
        ),
    )
    return tuple(_withheld(got, one) for one in found) if ask.chosen.filters else found


def _withheld(got: Answers, stat: Stat) -> Stat:
    """Return a figure of a group that was chosen, without what it would tell of few people."""
    of_people = stat.key in _OF_PEOPLE
    if not got.failed("totals") and got.may_be_few("totals"):
        return replace(stat, value=None, before=None, note=_FEW, few=of_people)
    if of_people and stat.value is not None and is_small(int(stat.value)):
        return replace(stat, value=None, before=None, note="", few=True)
    if got.may_be_few("before") or (of_people and is_small(int(stat.before or 0))):
        return replace(stat, before=None)
    return stat
