"""What was live in an environment, and when: from what was recorded, in its order of time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db.models import Q

from environments.models import Environment
from promotion.models import Promotion, StoredGeneration, Unlocking

# Large, and not asked for here.
_HEAVY: Final = ("plan_facts", "made_facts", "receipt", "report")


class How(StrEnum):
    """What began a period."""

    WENT_LIVE = "went live"
    # Reconcile found it: it may have gone live before.
    FOUND = "found"
    # Verification failed, and the one before was put back.
    SWAPPED_BACK = "swapped back"
    RELEASED = "released"


@dataclass(frozen=True)
class Event:
    """One moment at which what is live became another; `generation` is none after a release.

    Of a swap back it is the one that was taken back.
    """

    at: datetime
    how: How
    generation: StoredGeneration | None = None


@dataclass(frozen=True)
class Period:
    """From when until when a generation was live; without a generation, none was."""

    generation: StoredGeneration | None
    how: How
    since: datetime
    until: datetime | None = None
    # What ended it was found later: when it ended nobody recorded.
    ends_unsure: bool = False


def arranged(events: Iterable[Event]) -> list[Period]:
    """Return the periods that events make, the oldest first."""
    periods: list[Period] = []
    before: dict[int, StoredGeneration | None] = {}
    for event in sorted(events, key=lambda one: one.at):
        current = periods[-1].generation if periods else None
        comes = event.generation
        if event.how is How.SWAPPED_BACK:
            if comes is None or current != comes:
                # Another one went live since: this ended nothing.
                continue
            comes = before.get(comes.pk)
        elif comes is not None:
            before[comes.pk] = current
        if periods:
            unsure = event.how is How.FOUND
            periods[-1] = replace(periods[-1], until=event.at, ends_unsure=unsure)
        periods.append(Period(comes, event.how, event.at))
    return periods


def periods(environment: Environment) -> list[Period]:
    """Return what was live in an environment, the oldest first; empty before its adoption."""
    rows = list(
        StoredGeneration.objects.filter(environment=environment)
        .select_related("promotion__requested_by", "build__environment")
        .defer("facts", *(f"promotion__{name}" for name in _HEAVY))
        .order_by("number")
    )
    events: list[Event] = []
    found: dict[int, StoredGeneration] = {}
    for row in rows:
        if row.is_found:
            # A reconciliation records all that is kept; what is live has the highest number.
            found[row.promotion_id] = row
            continue
        events.append(Event(row.live_since, How.WENT_LIVE, row))
        ended = row.promotion.finished_at
        if row.promotion.status == Promotion.Status.FAILED and ended is not None:
            undone = row.promotion.steps.filter(name="undo").order_by("-id").first()
            at = undone.finished_at if undone is not None else None
            events.append(Event(at or ended, How.SWAPPED_BACK, row))
    events += [Event(row.live_since, How.FOUND, row) for row in found.values()]
    events += _releases(environment)
    made = arranged(events)
    return _to_now(environment, made, next((row for row in rows if row.is_live), None))


def _releases(environment: Environment) -> list[Event]:
    ended = Promotion.objects.filter(
        environment=environment,
        kind=Promotion.Kind.RELEASE,
        status=Promotion.Status.SUCCEEDED,
        finished_at__isnull=False,
    )
    times = ended.values_list("finished_at", flat=True)
    return [Event(at, How.RELEASED) for at in times if at is not None]


def _to_now(
    environment: Environment, made: list[Period], live: StoredGeneration | None
) -> list[Period]:
    """Make the last period what is live now, where reconcile found a recorded one to be live."""
    if not made or made[-1].generation == live:
        return made
    last = Promotion.objects.filter(
        environment=environment,
        kind=Promotion.Kind.RECONCILE,
        finished_at__gte=made[-1].since,
    ).first()
    if last is None or last.finished_at is None:
        return made
    ended = replace(made[-1], until=last.finished_at, ends_unsure=True)
    return [*made[:-1], ended, Period(live, How.FOUND, last.finished_at)]


def period_at(known: Iterable[Period], moment: datetime) -> Period | None:
    """Return the period that a moment is in; None before the first."""
    return next((one for one in reversed(list(known)) if one.since <= moment), None)


def live_at(environment: Environment, moment: datetime) -> StoredGeneration | None:
    """Return the generation that was live at a moment; None where none was, or none is known."""
    period = period_at(periods(environment), moment)
    return period.generation if period is not None else None


def was_open(environment: Environment, moment: datetime) -> bool:
    """Answer whether an environment was open to edits by hand at a moment."""
    return Unlocking.objects.filter(
        Q(locked_at=None) | Q(locked_at__gt=moment),
        environment=environment,
        unlocked_at__lte=moment,
    ).exists()
