"""Tiles of what is counted in the background and kept by day: funnels and sizes of segments."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from django.utils.timesince import timesince

from environments.dashboards.chosen import Chosen
from environments.dashboards.figures import Figures
from environments.dashboards.ranges import Period
from environments.dashboards.tiles import Kind, Row, Series, State, Tile, changed
from environments.funnels.figures import FunnelFigures, explained, funnel_figures
from environments.models import Environment, SegmentLook
from environments.segments.sizes import kept_day, segment_sizes
from environments.small_groups import UNDER

_NOT_NARROWED: Final = "Filters do not narrow this."
# A funnel's tile is named by its key, so that a link to its file stays the same.
FUNNEL: Final = "funnel-"


def tiles_of(
    environment: Environment, chosen: Chosen, period: Period, counted: Figures | None
) -> tuple[Tile, ...]:
    """Return all tiles of a dashboard, in the order in which they are shown. Asks no cluster.

    Without figures it is those alone that are kept.
    """
    kept = [*_funnels(environment, period), _segments(environment, period)]
    if chosen.filters:
        kept = [changed(tile, notes=(*tile.notes, _NOT_NARROWED)) for tile in kept]
    if counted is None:
        return tuple(kept)
    over_time, *rest = counted.tiles
    return (over_time, *kept, *rest)


def _funnels(environment: Environment, period: Period) -> list[Tile]:
    found = funnel_figures(environment, period.first, period.last + timedelta(days=1))
    return [_funnel(one) for one in found]


def _funnel(found: FunnelFigures) -> Tile:
    tile = Tile(
        f"{FUNNEL}{found.pk}",
        f"Funnel: {found.name}",
        Kind.FUNNEL,
        ("Step", "Visitors", "Of the first step", "Of the step before"),
        unit="visitors",
        missing=UNDER,
    )
    if not found.days_counted or found.oldest is None:
        note = "It is not counted yet: the worker counts day by day, the newest first."
        problems = tuple(problem.text for problem in found.problems)
        return changed(tile, state=State.EMPTY, note=note, notes=problems)
    notes = [f"Counted {timesince(found.oldest)} ago at the longest. {explained()}"]
    if found.days_counted < found.days_asked:
        notes.append(
            f"Of {found.days_asked} days {found.days_counted} are counted: the newest come first, "
            "and no more than 90 back from when the funnel was made."
        )
    notes += [f"{problem.text} ({problem.days} days)" for problem in found.problems]
    return changed(
        tile,
        rows=tuple(
            Row(
                f"{number}. {step.label}",
                (
                    UNDER if step.small else step.visitors,
                    step.share_of_first,
                    step.share_of_before,
                ),
            )
            for number, step in enumerate(found.steps, start=1)
        ),
        series=(Series("visitors", tuple(step.visitors for step in found.steps)),),
        state=State.PARTIAL if found.days_partial else State.WHOLE,
        notes=tuple(notes),
    )


def _segments(environment: Environment, period: Period) -> Tile:
    tile = Tile(
        "segments",
        "Segments",
        Kind.BARS,
        ("Segment", "Profiles", "Before", "Change"),
        unit="profiles",
        missing=UNDER,
    )
    # Sizes are kept when a day begins: what changed in the period lies between its first day's
    # and that of the day after it, or the newest there is.
    start, end = period.first, period.last + timedelta(days=1)
    rows = segment_sizes(environment, end, start)[:10]
    if not rows:
        look = SegmentLook.objects.filter(environment=environment).first()
        problem = (look.problem,) if look is not None and look.problem else ()
        note = "No sizes are kept of these days: the worker counts segments once a day."
        return changed(tile, state=State.EMPTY, note=note, notes=problem)
    last, first = kept_day(environment, end), kept_day(environment, start)
    words = f"As it was early on {last:%d %b}" if last else ""
    if first == last:
        # Beside itself nothing would have changed.
        rows = [replace(row, before=None, small_before=False, change=None) for row in rows]
        words += ": nothing newer is kept yet, so no change can be told."
    else:
        words += f", beside early on {first:%d %b}." if first else ". Nothing earlier is kept."
    return changed(
        tile,
        rows=tuple(
            Row(
                row.name,
                (
                    UNDER if row.small else row.size,
                    UNDER if row.small_before else row.before,
                    row.change,
                ),
                ("segment", row.key),
            )
            for row in rows
        ),
        series=(Series("profiles", tuple(row.size for row in rows)),),
        notes=(words,),
    )
