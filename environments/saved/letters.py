"""What a weekly summary says: the figures of the dashboard, for the last whole week."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.urls import reverse
from django.utils import timezone

from environments.dashboards.chosen import Chosen
from environments.dashboards.figures import Figures
from environments.dashboards.marks import Marker, markers
from environments.dashboards.ranges import CUSTOM, Period, day_words
from environments.dashboards.reading import figures_of, period_of
from environments.dashboards.tiles import Row, Stat, Tile
from environments.elastic import ElasticError
from environments.marks import TEST_MARK
from environments.models import Environment, Summary
from environments.saved.menu import filter_words
from environments.saved.picture import Bar, draw, words_of
from environments.saved.services import chosen_of
from environments.saved.weeks import Week, zone_of

# What a page may say and a mail must not: it is written once.
_OF_PAGES: Final = (
    " Take a shorter range, or open the page again in a moment.",
    " Open the page again in a moment.",
)
# The tiles of the dashboard that are in the mail, and so many rows of each.
TILES: Final = ("types", "sources", "campaigns")
ROWS: Final = 5


class NotWholeError(ElasticError):
    """The engine answered a part alone of what it was asked for. `str()` is fit for people."""


@dataclass(frozen=True)
class Part:
    """One tile of the dashboard as a short list; `note` says what is not in it, and why."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Row]
    note: str


@dataclass(frozen=True)
class Letter:
    """One summary. `picture` is a PNG, empty where there is nothing to draw."""

    environment: Environment
    title: str
    period: Period
    before: Period
    filters: str
    stats: Sequence[Stat]
    parts: Sequence[Part]
    live: Sequence[Marker]
    notes: Sequence[str]
    withheld: bool
    is_empty: bool
    picture: bytes
    picture_words: str
    dashboard_url: str
    views_url: str
    site: str

    @property
    def days(self) -> str:
        """The week in words, such as `Mon 16 Nov to Sun 22 Nov 2026`."""
        return f"{day_words(self.period.first)} to {day_words(self.period.last)} " + str(
            self.period.last.year
        )


def chosen_for(summary: Summary, week: Week) -> Chosen:
    """Return the filters of what a summary is about, in just the days of a week."""
    chosen = chosen_of(summary.view.query) if summary.view is not None else Chosen()
    first, last = week.first.isoformat(), week.last.isoformat()
    return replace(chosen, key=CUSTOM, first=first, last=last)


def for_mail(words: str) -> str:
    """Return what a page says of its figures, without what to do on a page."""
    for advice in _OF_PAGES:
        words = words.removesuffix(advice)
    return words


def write(summary: Summary, week: Week, now: datetime, *, whole: bool = True) -> Letter:
    """Count a week, as the person may see it and by their clock.

    Raises:
        ElasticError: it could not be counted.
        NotWholeError: a part alone could be, where it has to be `whole`.
    """
    environment, zone = summary.environment, zone_of(summary.user)
    chosen = chosen_for(summary, week)
    period = period_of(chosen, now, zone)
    figures = figures_of(environment, chosen, period)
    notes = [for_mail(note) for note in figures.notes]
    if whole and not figures.is_whole:
        raise NotWholeError(" ".join(["The week could not be counted as a whole.", *notes]))
    bars = bars_of(figures, period)
    slug = environment.slug
    with timezone.override(zone):
        live = markers(environment, period.start, period.end, summary.user)
    return Letter(
        environment=environment,
        title=summary.title,
        period=period,
        before=period.before(),
        filters="; ".join(filter_words(chosen, figures.offers)),
        stats=figures.stats,
        parts=[_part(tile) for key in TILES if (tile := figures.tile(key)) is not None],
        live=live,
        notes=[*notes, *_of_tests(figures)],
        withheld=figures.withheld,
        # A part that found nothing says nothing of the rest.
        is_empty=figures.total == 0 and figures.is_whole,
        picture=draw(bars, "events") if bars else b"",
        picture_words=words_of(bars, "events"),
        dashboard_url=_whole(
            summary, f"{reverse('environments:dashboard', args=[slug])}?{chosen.query()}"
        ),
        views_url=_whole(summary, reverse("environments:views", args=[slug])),
        site=summary.site,
    )


def bars_of(figures: Figures, period: Period) -> list[Bar]:
    """Return the events of each day, and of the same day a week before; none where withheld."""
    tile = figures.tile("over_time")
    if tile is None or not tile.has_chart:
        return []
    bars = []
    for place, row in enumerate(tile.rows):
        # The last two columns of the tile: all types, and the period before.
        whole, before = row.values[-2:]
        day = period.first + timedelta(days=place)
        known = isinstance(before, int | float)
        bars.append(
            Bar(
                f"{day:%a} {day.day}",
                int(whole or 0),
                int(before or 0) if known else None,
            )
        )
    return bars


def _part(tile: Tile) -> Part:
    left = len(tile.rows) - ROWS
    more = f"{left} more {'is' if left == 1 else 'are'} on the dashboard." if left > 0 else ""
    notes = [words for words in (tile.note, more, *tile.notes) if words]
    return Part(tile.title, tile.columns, tile.rows[:ROWS], " ".join(notes))


def _of_tests(figures: Figures) -> list[str]:
    if not figures.of_tests:
        return []
    whole = "" if figures.total is None else f" of {figures.total:,}"
    return [
        f"Workflow tests count in all of these figures: {figures.of_tests:,}{whole} events. Their "
        f"sessions, and the profiles that they bring, have ids that begin with {TEST_MARK}."
    ]


def _whole(summary: Summary, path: str) -> str:
    return f"{summary.site.rstrip('/')}{path}"
