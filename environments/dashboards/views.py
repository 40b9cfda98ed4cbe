"""An environment's dashboard, its tiles as files, and what is around a moment: read-only."""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from accounts.spreadsheets import cell
from accounts.web import console_page, show, signed_in
from environments.dashboards.around import LENGTHS, TooEarlyError, around
from environments.dashboards.chosen import LABELS, Chosen, chosen_from
from environments.dashboards.figures import Figures
from environments.dashboards.kept import tiles_of
from environments.dashboards.marks import Marker, markers
from environments.dashboards.ranges import CHOICES, CUSTOM, Period
from environments.dashboards.reading import (
    TooLargeSegmentError,
    figures_of,
    kept_figures,
    period_of,
)
from environments.elastic import ElasticError
from environments.marks import TEST_MARK
from environments.models import Environment
from environments.saved.menu import menu_of
from environments.web import environment_for

# How often a dashboard on a wall is counted again.
WALL_SECONDS: Final = 60


@dataclass(frozen=True)
class Option:
    """One value that a filter offers."""

    value: str
    words: str
    chosen: bool


@dataclass(frozen=True)
class FilterChoice:
    """One filter with what it offers; only one value where it is `single`."""

    name: str
    label: str
    options: tuple[Option, ...]
    single: bool

    @property
    def chosen(self) -> list[Option]:
        return [option for option in self.options if option.chosen]


@dataclass(frozen=True)
class Chip:
    """A filter that is set, and the query without it."""

    label: str
    words: str
    query: str


@dataclass(frozen=True)
class Mark:
    """A marker on the time axis: `place` is how far along it, from 0 to 1."""

    number: int
    marker: Marker
    place: float
    compare_url: str


@console_page
@require_GET
def dashboard(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what happened in an environment in the chosen days.

    The page comes at once, and what has to be counted after it, by htmx; with `whole` in the
    address both come together.
    """
    user, environment = signed_in(request), environment_for(request, slug, Verb.VIEW_DASHBOARD)
    now, zone = timezone.now(), timezone.get_current_timezone()
    chosen, notes = chosen_from(request.GET, now, zone)
    period = period_of(chosen, now, zone)
    partial = bool(getattr(request, "htmx", False))
    wall = "wall" in request.GET
    counted: Figures | None = kept_figures(environment, chosen, period)
    problem, status = "", 200
    waits = counted is None and not partial and "whole" not in request.GET
    if counted is None and not waits:
        try:
            counted = figures_of(environment, chosen, period)
        except ElasticError as error:
            problem, status = str(error), _status_of(error)
    template = "figures" if partial else "wall" if wall else "page"
    return show(
        request,
        f"environments/dashboard/{template}.html",
        f"Dashboard of {environment}",
        status=status,
        shown=environment,
        wall=wall,
        wall_seconds=WALL_SECONDS,
        chosen=chosen,
        query=chosen.query(),
        unfiltered=chosen.unfiltered(),
        period=period,
        before=period.before(),
        choices=[(choice, chosen.query(key=choice.key)) for choice in CHOICES],
        is_custom=chosen.key == CUSTOM,
        notes=notes,
        waits=waits,
        problem=problem,
        is_temporary=status == 503,
        figures=counted,
        now=now,
        zone=timezone.get_current_timezone_name(),
        test_mark=TEST_MARK,
        menu=menu_of(user, environment, chosen) if template == "page" else None,
        may_browse=bool(may(user, Verb.VIEW_CONFIGURATION, environment)),
        **({} if waits else _shown(user, environment, chosen, period, counted)),
    )


def _status_of(error: ElasticError) -> int:
    # Asked again, it would be as large.
    return 400 if isinstance(error, TooLargeSegmentError) else 503


def _shown(
    user: User,
    environment: Environment,
    chosen: Chosen,
    period: Period,
    counted: Figures | None,
) -> dict[str, Any]:
    """Return what is shown: without figures what is kept, and the way out of the filters."""
    marks = _marks(environment, period, user)
    tiles = tiles_of(environment, chosen, period, counted)
    charts = {tile.key: tile.chart() for tile in tiles if tile.has_chart}
    if "over_time" in charts:
        charts["over_time"]["marks"] = [
            {
                "place": mark.place,
                "number": mark.number,
                "label": mark.marker.label,
                "url": mark.marker.url,
            }
            for mark in marks
        ]
    return {
        "marks": marks,
        # What there is to choose is not known without figures.
        "filters": _filters(chosen, counted) if counted else [],
        "chips": _chips(chosen, counted),
        "tiles": [(tile, charts.get(tile.key)) for tile in tiles],
    }


def _marks(environment: Environment, period: Period, user: User) -> list[Mark]:
    found = markers(environment, period.start, period.until, user)
    compare = reverse("environments:around", args=[environment.slug])
    marks = []
    places = len(period.edges) - 1
    for number, marker in enumerate(found, start=1):
        place = period.place(marker.time)
        start, end = period.edges[place], period.edges[place + 1]
        part = min(1.0, max(0.0, (marker.time - start) / (end - start)))
        at = marker.time.isoformat(timespec="seconds").replace("+00:00", "Z")
        marks.append(Mark(number, marker, (place + part) / places, f"{compare}?at={at}"))
    return marks


def _filters(chosen: Chosen, counted: Figures) -> list[FilterChoice]:
    filters = []
    for name, label in LABELS.items():
        picked = chosen.filters.get(name, ())
        offered = dict(counted.offers.get(name, ()))
        # What was chosen stays on offer, though nothing of it may be there.
        offered |= {value: value for value in picked if value not in offered}
        options = tuple(Option(value, words, value in picked) for value, words in offered.items())
        filters.append(FilterChoice(name, label, options, name == "segment"))
    return filters


def _chips(chosen: Chosen, counted: Figures | None) -> list[Chip]:
    offers = counted.offers if counted else {}
    return [
        Chip(
            LABELS[name],
            dict(offers.get(name, ())).get(value, value),
            chosen.without(name, value),
        )
        for name, values in chosen.filters.items()
        for value in values
    ]


@console_page
@require_GET
def export(request: HttpRequest, slug: str, tile: str) -> HttpResponse:
    """Return one tile's table as CSV, which no spreadsheet takes for formulas."""
    environment = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    now, zone = timezone.now(), timezone.get_current_timezone()
    chosen, _ = chosen_from(request.GET, now, zone)
    period = period_of(chosen, now, zone)
    # What is kept needs no cluster.
    tiles = tiles_of(environment, chosen, period, None)
    if tile not in {one.key for one in tiles}:
        try:
            counted = figures_of(environment, chosen, period)
        except ElasticError as error:
            return show(
                request,
                "environments/dashboard/unreadable.html",
                f"Dashboard of {environment}",
                status=_status_of(error),
                shown=environment,
                query=chosen.query(),
                problem=str(error),
            )
        tiles = counted.tiles
    if (wanted := next((one for one in tiles if one.key == tile), None)) is None:
        raise Http404
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    name = f"{environment.slug}-{slugify(wanted.key)}-{period.first}-to-{period.last}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    write = csv.writer(response).writerow
    write([cell(heading) for heading in wanted.columns])
    for row in wanted.rows:
        write([cell(row.label), *(_value(value) for value in row.values)])
    return response


@console_page
@require_GET
def compare(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the figures before and after the moment `at`, with `days` on each side."""
    user, environment = signed_in(request), environment_for(request, slug, Verb.VIEW_DASHBOARD)
    now = timezone.now()
    at = _moment(request.GET.get("at", ""))
    days = request.GET.get("days", "")
    length = int(days) if days in {str(one) for one in LENGTHS} else 7
    problem, found, early = "", None, ""
    if at is None:
        early = "The address names no moment. Choose a mark of the dashboard."
    elif at > now:
        early = "That moment is yet to come: there is nothing to compare."
    else:
        try:
            found = around(environment, at, length, now)
        except TooEarlyError as error:
            early = str(error)
        except ElasticError as error:
            problem = str(error)
    near = timedelta(seconds=2)
    here = markers(environment, at - near, at + near, user) if at is not None else []
    others: list[Marker] = []
    if found is not None:
        within = markers(environment, found.windows[0].start, found.windows[2].end, user)
        others = [marker for marker in within if marker not in here]
    return show(
        request,
        "environments/dashboard/around.html",
        f"Before and after in {environment}",
        status=503 if problem else 400 if at is None else 200,
        shown=environment,
        at=at,
        here=here,
        others=others,
        found=found,
        lengths=LENGTHS,
        length=length,
        moment=request.GET.get("at", ""),
        early=early,
        problem=problem,
        zone=timezone.get_current_timezone_name(),
    )


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    if moment is None or moment.year < 2000 or moment.year > 9000:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _value(value: float | str | None) -> object:
    """Return a cell: numbers as they are, percentages with two digits, nothing where none is."""
    if isinstance(value, float):
        return f"{value:.2f}"
    return cell(value) if isinstance(value, str) else "" if value is None else value
