"""Reconcile as a page: what was found, what will be recorded, and the click."""

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_http_methods

from accounts.audit import request_actor
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, forbidden, show, signed_in
from environments.elastic import ElasticError
from environments.models import Environment
from environments.web import environment_for
from promotion.beginning import running_in
from promotion.buttons import environment_url, promotion_url
from promotion.common import done
from promotion.engine.errors import PromotionError
from promotion.engine.found import lineage
from promotion.forms import ReconcileForm
from promotion.lost import is_open
from promotion.models import Promotion, StoredGeneration
from promotion.planning import writer_for
from promotion.reconciling import ACTION, Survey, reconcile, survey
from promotion.tasks import run_reconciliation


@console_page
@require_http_methods(["GET", "POST"])
def reconcile_environment(request: HttpRequest, slug: str) -> HttpResponse:
    """Show how the database and the cluster differ, and start to record what is there."""
    shown = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    verdict = may(signed_in(request), Verb.PROMOTE, shown)
    if not verdict:
        return forbidden(request, verdict, ACTION, shown)
    if not shown.is_production:
        raise Http404
    problem, found = _look(shown)
    form = ReconcileForm(
        request.POST or None,
        initial={"marker": found.sight.live_marker if found is not None else ""},
    )
    if request.method == "POST" and form.is_valid():
        made: list[Promotion] = []

        def act() -> str:
            promotion = reconcile(
                request_actor(request),
                shown,
                marker=form.cleaned_data["marker"],
                clean=form.cleaned_data["leftovers"],
                comment=form.cleaned_data["comment"],
                task=run_reconciliation.enqueue,
            )
            if promotion is None:
                return f"The database and the cluster agree about {shown}. There is nothing to do."
            made.append(promotion)
            return ""

        response = done(request, environment_url(shown), act)
        return HttpResponseRedirect(promotion_url(made[0])) if made else response
    return show(
        request,
        "promotion/reconcile.html",
        f"Reconcile {shown}",
        status=400 if request.method == "POST" else 200,
        shown=shown,
        problem=problem,
        found=found,
        rows=_rows(shown, found) if found is not None else [],
        is_open=found is not None and is_open(found.sight),
        believed=StoredGeneration.live_in(shown),
        running=running_in(shown),
        form=form,
    )


def _look(shown: Environment) -> tuple[str, Survey | None]:
    try:
        # A look keeps nothing: the worker does, each minute, and so does what is asked for here.
        return "", survey(writer_for(shown, pins=False), shown)
    except (PromotionError, ElasticError) as error:
        return str(error), None


def _rows(shown: Environment, found: Survey) -> list[dict[str, object]]:
    """Return the generations that the cluster knows of, and those that only the database does."""
    known = {row.marker: row for row in StoredGeneration.objects.filter(environment=shown)}
    live = found.sight.live
    rows: list[dict[str, object]] = []
    for marked in lineage(found.sight):
        row = known.get(marked.name)
        rows.append(
            {
                "number": marked.number,
                "there": "live" if marked == live else "kept",
                "back": live is not None and marked.name == live.previous,
                "known": _words(row),
                "will": "live" if marked == live else "kept, if it is as its marker says",
            }
        )
    seen = {marked.name for marked in lineage(found.sight)}
    for row in known.values():
        if row.marker in seen or not (row.is_kept or row.is_live):
            continue
        there = row.marker in found.sight.markers
        kept = there and live is not None
        rows.append(
            {
                "number": row.number,
                "there": "a marker, not live" if there else "nothing",
                "back": False,
                "known": _words(row),
                "will": "kept" if kept else "removed",
            }
        )
    return rows


def _words(row: StoredGeneration | None) -> str:
    if row is None:
        return "not known"
    if row.is_live:
        return "live"
    return "kept" if row.is_kept else "removed"
