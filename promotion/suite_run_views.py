"""Runs of workflow tests as pages: ask for one, watch it, see what it showed, compare two."""

import json
from collections.abc import Mapping
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_POST

from accounts.audit import request_actor
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, show
from environments.browser import as_text, browsable
from environments.browser import document as read_document
from environments.documents import DocumentError, parse
from environments.elastic import ElasticError
from environments.masking import masked, shown
from environments.models import Environment
from environments.pictures import FlowView, followed_flow
from promotion.common import done, signed_in
from promotion.engine.run_diff import compare_runs, counted
from promotion.models import Build, Review, RunResult, Suite, SuiteRun
from promotion.sides import of_build
from promotion.suite_runs import cancel_run, request_run
from promotion.suite_views import run_url, suite_for, suite_url

# So many earlier runs are offered to compare with, and so many flows are drawn of one test.
OFFERED: Final = 20
MOST_FLOWS: Final = 20


def visible_runs(request: HttpRequest) -> QuerySet[SuiteRun]:
    seen = Environment.objects.visible_to(signed_in(request), Verb.VIEW_BUILD)
    rows = SuiteRun.objects.filter(environment__in=seen)
    return rows.select_related("suite__environment", "environment__cluster", "requested_by")


def _asked(request: HttpRequest, suite: Suite, only: set[str] | None) -> HttpResponse:
    """Ask for a run and go to its page, or back where that is refused."""
    made: list[SuiteRun] = []

    def act() -> str:
        made.append(request_run(request_actor(request), suite, only))
        return ""

    response = done(request, suite_url(suite), act)
    return HttpResponseRedirect(run_url(made[0])) if made else response


@console_page
@require_POST
def run_tests(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for a run of a suite; of the tests that are named, or of all."""
    named = {name for name in request.POST.getlist("only") if name}
    return _asked(request, suite_for(request, pk), named or None)


@console_page
@require_POST
def run_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for a run of what did not pass in an earlier one, as the tests are now."""
    run = get_object_or_404(visible_runs(request), pk=pk)
    passed = run.results.filter(status=RunResult.Status.PASSED).values_list("test", flat=True)
    # One that the run never came to did not pass either.
    names = {one.name for one in run.tests if one.pk not in set(passed)}
    return _asked(request, run.suite, names)


@console_page
@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a run stop before its next request."""
    run = get_object_or_404(visible_runs(request), pk=pk)

    def act() -> str:
        cancel_run(request_actor(request), run)
        return "" if run.is_active else "It is cancelled."

    return done(request, run_url(run), act)


@console_page
@require_GET
def suite_run(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one run; htmx asks for its moving part alone."""
    run = get_object_or_404(visible_runs(request), pk=pk)
    partial = bool(getattr(request, "htmx", False))
    results = {one.test_id: one for one in run.results.select_related("test")}
    # The first without a result is the one that runs.
    rows = [(test, results.get(test.pk)) for test in run.tests]
    current = next((test.pk for test, result in rows if result is None), None)
    may_run = run.suite.retired_at is None and bool(
        may(signed_in(request), Verb.CAPTURE, run.environment)
    )
    statuses = [one.status for one in results.values()]
    return show(
        request,
        "promotion/suite_run_progress.html" if partial else "promotion/suite_run.html",
        str(run),
        run=run,
        rows=rows,
        current=current if run.status == SuiteRun.Status.RUNNING else None,
        done=len(results),
        total=len(rows),
        passed=statuses.count(RunResult.Status.PASSED),
        not_passed=len(rows) - statuses.count(RunResult.Status.PASSED),
        may_run=may_run,
        builds=list(_builds(run)),
        **({} if partial or run.is_active else _compared(request, run, results)),
    )


def _builds(run: SuiteRun) -> QuerySet[Build]:
    """Return the builds that a run counts for, the newest first."""
    rows = Build.objects.filter(environment=run.environment, content=run.content)
    return (rows if run.content else rows.none()).order_by("-number")


def _compared(
    request: HttpRequest, run: SuiteRun, results: Mapping[int, RunResult]
) -> dict[str, Any]:
    """Return the run beside another one: that of the last approved build, unless one is chosen."""
    earlier = SuiteRun.objects.filter(suite=run.suite, pk__lt=run.pk, is_whole=True)
    earlier = earlier.exclude(status__in=SuiteRun.ACTIVE).order_by("-id")
    approved = Review.objects.filter(
        environment=run.environment, verdict=Review.Verdict.APPROVED
    ).values("content")
    wanted, words = request.GET.get("against", ""), ""
    base: SuiteRun | None
    if wanted.isdecimal() and len(wanted) < 18:
        base = get_object_or_404(SuiteRun, suite=run.suite, pk=int(wanted))
    else:
        base = earlier.filter(content__in=approved).exclude(content="").first()
        words = "the last approved build" if base is not None else ""
        base = base or earlier.first()
    if base is None:
        return {}
    before = dict(base.results.values_list("test__name", "status"))
    after = {one.test.name: str(one.status) for one in results.values()}
    found = compare_runs(before, after)
    return {
        "base": base,
        "base_words": words,
        "turns": found,
        "turn_counts": [(turn.value, number) for turn, number in counted(found).items()],
        "offered": list(earlier.select_related("suite")[:OFFERED]),
    }


@console_page
@require_GET
def run_result(request: HttpRequest, pk: int, result: int) -> HttpResponse:
    """Show what one test of a run showed: each expectation, the flows that ran, what was sent."""
    run = get_object_or_404(visible_runs(request), pk=pk)
    shown_result = get_object_or_404(run.results.select_related("test"), pk=result)
    places = list(run.results.values_list("pk", flat=True))
    here = places.index(shown_result.pk)
    flows = sorted(shown_result.edges)
    return show(
        request,
        "promotion/suite_result.html",
        shown_result.test.name,
        run=run,
        result=shown_result,
        test=shown_result.test.test,
        flows=[
            _flow(run, flow, shown_result.edges[flow], n)
            for n, flow in enumerate(flows[:MOST_FLOWS])
        ],
        flows_more=max(0, len(flows) - MOST_FLOWS),
        exchange=[
            (
                n,
                one.get("sent", {}),
                shown(as_text(one.get("sent"))),
                shown(as_text(one.get("answer"))),
            )
            for n, one in enumerate(json.loads(shown_result.exchange or "[]"), 1)
        ],
        previous=places[here - 1] if here else None,
        next=places[here + 1] if here + 1 < len(places) else None,
    )


def _flow(run: SuiteRun, flow: str, edges: list[str], place: int) -> dict[str, Any]:
    """Return one flow with what ran of it, as the run's build has it, or staging has it now."""
    build = _builds(run).first()
    name, version, note = flow, None, ""
    try:
        if build is not None:
            side = of_build(build)
            entry = side.tree("flow").by_id.get(flow)
            if entry is not None:
                name = entry.title
                version = masked("flow", parse(side.content.source(entry.oid))).get("production")
        else:
            note = "As staging has it now: this run counts for no build."
            kind = browsable(run.environment, "flow")
            found = (
                read_document(run.environment, kind, flow, ("draft", "backup")) if kind else None
            )
            if found is not None:
                name, version = str(found.get("name") or flow), found.get("production")
    except (DocumentError, ElasticError) as error:
        note = str(error)
    view: FlowView | None = None
    if isinstance(version, Mapping):
        view = followed_flow(version, edges, prefix=f"flow-{place}")
    return {"id": flow, "name": shown(name), "view": view, "note": note}
