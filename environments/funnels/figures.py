"""What pages show of funnels, from what was kept: no cluster is asked."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.utils import timezone

from environments.funnels.models import Funnel, FunnelDay
from environments.models import Environment
from environments.small_groups import is_small

EXPLAINED: Final = (
    "Visitors are counted for each day by itself: all steps must be taken in this order on one "
    "day, and who comes on two days counts twice. Days are those of the zone {zone}."
)


@dataclass(frozen=True)
class StepFigures:
    """How many visitors reached one step; shares are percentages.

    `visitors` is None where nothing was counted, and where `small` says that 1 to 4 came: their
    number is withheld, and the shares with it. A share is None also where nobody was before.
    """

    label: str
    visitors: int | None
    small: bool
    share_of_first: float | None
    share_of_before: float | None


@dataclass(frozen=True)
class Problem:
    """What was found wrong with some of the days."""

    text: str
    days: int


@dataclass(frozen=True)
class FunnelFigures:
    """One funnel over some days. `oldest` and `newest` are when its days were counted.

    `problems` say why days are not counted or not the whole of it, the most frequent first.
    """

    pk: int
    name: str
    steps: tuple[StepFigures, ...]
    days_asked: int
    days_counted: int
    days_partial: int
    oldest: datetime | None
    newest: datetime | None
    problems: tuple[Problem, ...]


def explained() -> str:
    """Return in words what is counted, for whoever reads the figures."""
    return EXPLAINED.format(zone=timezone.get_default_timezone_name())


def funnel_figures(environment: Environment, start_day: date, end_day: date) -> list[FunnelFigures]:
    """Return what was counted of each funnel from `start_day` until before `end_day`, by name.

    Days are those of TIME_ZONE; days to come are not asked for.
    """
    tomorrow = timezone.localdate(timezone=timezone.get_default_timezone()) + timedelta(days=1)
    end_day = min(end_day, tomorrow)
    funnels = Funnel.objects.filter(environment=environment)
    days: dict[int, list[FunnelDay]] = {funnel.pk: [] for funnel in funnels}
    for row in FunnelDay.objects.filter(funnel__in=funnels, day__gte=start_day, day__lt=end_day):
        days.setdefault(row.funnel_id, []).append(row)
    asked = max((end_day - start_day).days, 0)
    return [_figures(funnel, days[funnel.pk], asked) for funnel in funnels]


def _figures(funnel: Funnel, days: Sequence[FunnelDay], asked: int) -> FunnelFigures:
    # Changed between the two readings, a funnel has other steps than its days.
    days = [one for one in days if len(one.counts) in {0, len(funnel.steps)}]
    counted = [one for one in days if one.counted_at is not None]
    times = [one.counted_at for one in counted if one.counted_at is not None]
    sums = [sum(one.counts[step] for one in counted) for step in range(len(funnel.steps))]
    return FunnelFigures(
        pk=funnel.pk,
        name=funnel.name,
        steps=tuple(_steps(funnel.steps, sums if counted else None)),
        days_asked=asked,
        days_counted=len(counted),
        days_partial=sum(bool(one.partial) for one in counted),
        oldest=min(times, default=None),
        newest=max(times, default=None),
        problems=tuple(_problems(days)),
    )


def _problems(days: Sequence[FunnelDay]) -> Iterable[Problem]:
    found = Counter(text for one in days for text in (one.problem, one.partial) if text)
    return (Problem(text, count) for text, count in found.most_common())


def _steps(labels: Sequence[str], sums: Sequence[int] | None) -> Iterable[StepFigures]:
    if sums is None:
        yield from (StepFigures(label, None, False, None, None) for label in labels)
        return
    for number, (label, visitors) in enumerate(zip(labels, sums, strict=True)):
        small = is_small(visitors)
        before = sums[max(number - 1, 0)]
        yield StepFigures(
            label,
            None if small else visitors,
            small,
            _share(visitors, sums[0]),
            _share(visitors, before) if number else None,
        )


def _share(part: int, whole: int) -> float | None:
    """Return a percentage; None where there is none, or where it would tell a small number."""
    if not whole or is_small(part) or is_small(whole):
        return None
    return 100 * part / whole
