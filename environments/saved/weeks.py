"""Which week a summary is about, by the clock of whoever gets it. Pure, but for the zone."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from django.utils import timezone

from accounts import time_zones
from accounts.models import User

# On Monday, by the person's own clock.
SENT_AT: Final = time(7)
_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True)
class Week:
    """Monday to Sunday, both in it, and from when on there is a mail about it."""

    first: date
    last: date
    due: datetime


def last_week(now: datetime, zone: tzinfo) -> Week:
    """Return the last week whose mail is due: it ended, and Monday at seven has passed."""
    local = now.astimezone(zone)
    monday = local.date() - timedelta(days=local.weekday())
    due = datetime.combine(monday, SENT_AT, zone)
    if now < due:
        monday -= _WEEK
        due = datetime.combine(monday, SENT_AT, zone)
    return Week(monday - _WEEK, monday - timedelta(days=1), due)


def next_due(now: datetime, zone: tzinfo) -> datetime:
    """Return when the next mail is due that is not yet."""
    monday = last_week(now, zone).last + timedelta(days=1)
    return datetime.combine(monday + _WEEK, SENT_AT, zone)


def zone_of(user: User) -> tzinfo:
    """Return a person's time zone, or the console's own where they chose none that is known."""
    return time_zones.zone_of(user) or timezone.get_default_timezone()
