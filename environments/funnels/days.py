"""Which days of a funnel are to be counted now; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

# So many days are counted, the present one included.
HISTORY: Final = 90
# The present day is counted again once its figures are so old.
FRESH: Final = timedelta(minutes=15)
# Events that waited in Tracardi's queue are kept a moment later.
LATE: Final = timedelta(minutes=30)
# Until a day is tried again that could not be counted; the last one holds for all later tries.
PAUSES: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(minutes=30),
    timedelta(hours=1),
)


@dataclass(frozen=True)
class Kept:
    """What is known of a day: when it was counted, and when it may be tried again if it failed."""

    counted_at: datetime | None
    failed: bool = False
    retry_at: datetime | None = None


def limits(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return when a day begins, and when the next one does. It has 23 or 25 hours at times."""
    begin, end = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
    return begin, end


def due(kept: Mapping[date, Kept], now: datetime, zone: tzinfo) -> Iterator[date]:
    """Yield the days that are to be counted at `now`, the newest first."""
    today = now.astimezone(zone).date()
    for back in range(HISTORY):
        day = today - timedelta(days=back)
        if _is_due(kept.get(day), day, now, zone):
            yield day


def _is_due(kept: Kept | None, day: date, now: datetime, zone: tzinfo) -> bool:
    if kept is None:
        return True
    if kept.failed and kept.retry_at is not None and now < kept.retry_at:
        return False
    if kept.counted_at is None or kept.failed:
        return True
    over = limits(day, zone)[1] + LATE
    if now < over - LATE:
        return now - kept.counted_at >= FRESH
    # Once more after its end; then it stays.
    return now >= over > kept.counted_at
