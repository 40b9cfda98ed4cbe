"""Time zones, by the names that the IANA gives them, such as `Europe/Berlin`."""

from difflib import get_close_matches
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings

from accounts.models import User

# What the machine itself is set to, and what stands for "not set yet": neither is a place.
_NO_PLACE: Final = frozenset({"Factory", "localtime"})
# Names that are kept for old programs; people live elsewhere.
_OLD: Final = ("Etc/", "SystemV/", "US/", "Canada/", "Brazil/", "Chile/", "Mexico/")
# So many are named where a city's name is not enough.
_MOST_NAMED: Final = 4
# Less like what was written than this, from 0 to 1, a name is no help.
_LIKENESS: Final = 0.75


class UnknownZoneError(Exception):
    """There is no such time zone, or several. `str()` is fit for people."""


@cache
def names() -> frozenset[str]:
    """Return all names that the system's data, or that of the package tzdata, knows."""
    return frozenset(available_timezones()) - _NO_PLACE


@cache
def offered() -> tuple[str, ...]:
    """Return the names that a person chooses among, by continent and city, and UTC."""
    return ("UTC", *sorted(one for one in names() if "/" in one and not one.startswith(_OLD)))


@cache
def _by_key() -> dict[str, tuple[str, ...]]:
    """Return names by what is typed for them: the whole one, and the city, in small letters."""
    found: dict[str, tuple[str, ...]] = {}
    for name in offered():
        city = name.rpartition("/")[2].casefold()
        found[city] = (*found.get(city, ()), name)
    return found | {name.casefold(): (name,) for name in sorted(names())}


def find(text: str) -> str:
    """Return the name that a text means: itself in any case, or its city.

    Raises:
        UnknownZoneError: it means none, or several.
    """
    key = "_".join(text.split()).casefold()
    found = _by_key().get(key, ())
    if len(found) == 1:
        return found[0]
    near = found or tuple(
        name
        for one in get_close_matches(key, _by_key(), _MOST_NAMED, _LIKENESS)
        for name in _by_key()[one]
    )
    examples = ", ".join(list(dict.fromkeys(near))[:_MOST_NAMED]) or "Europe/Berlin"
    what = "Several time zones are called" if found else "There is no time zone"
    meant = "Did you mean" if near else "Write one such as"
    mark = "?" if near else "."
    raise UnknownZoneError(f"{what} “{text[:64]}”. Nothing was changed. {meant} {examples}{mark}")


def is_known(name: str) -> bool:
    """Answer whether a name that was kept still means a time zone."""
    return zone_named(name) is not None


def zone_named(name: str) -> ZoneInfo | None:
    """Return a time zone; None where there is none of that name."""
    try:
        return ZoneInfo(name) if name and name not in _NO_PLACE else None
    # A name that is a folder of the data, or leads out of it, is none either.
    except (KeyError, ValueError, OSError):
        return None


def zone_of(user: User) -> ZoneInfo | None:
    """Return the time zone that a person chose; None for the console's own.

    The data of time zones changes with the system's: a name that is not in it any more is none.
    """
    return zone_named(user.time_zone)


def own_name() -> str:
    """Return the name of the console's own time zone."""
    return str(settings.TIME_ZONE)
