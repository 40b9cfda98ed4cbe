"""Runs of workflow tests as pages: ask for one, watch it, see what it showed, compare two."""

import json
from collections.abc import Mapping
from typing import Any, Final

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_POST

from accounts.audit import request_actor
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, show, signed_in
from environments.browser import as_text, browsable
from environments.browser import document as read_document
from environments.documents import DocumentError, parse
from environments.elastic import ElasticError
from environments.flowgraph import shown
from environments.masking import masked
from environments.models import Environment
from environments.pictures import followed_flow
from promotion.common import done
from promotion.engine.run_diff import compare_runs, counted
from promotion.models import Build, Review, RunResult, Suite, SuiteRun
from promotion.sides import of_build
from promotion.suite_runs import cancel_run, request_run
from promotion.suite_views import run_url, suite_for, suite_url

AS_IT_IS_NOW: Final = "As staging has it now: this run counts for no build."
# So many builds that a run counts for are named.
BUILDS_SHOWN: Final = 5
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
    if not names:
        messages.info(request, "All of its tests passed. There is nothing to run again.")
        return HttpResponseRedirect(run_url(run))
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
    held = run.results.select_related("test").defer("exchange")
    results = {one.test_id: one for one in held}
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
        builds=list(_builds(run)[: BUILDS_SHOWN + 1]),
        most_builds=f":{BUILDS_SHOWN}",
        **({} if partial or run.is_active else _compared(request, run, results)),
    )


def _builds(run: SuiteRun) -> QuerySet[Build]:
    """Return the builds that a run counts for, the newest first."""
    rows = Build.objects.filter(environment=run.environment, content=run.content)
    rows = rows.select_related("environment")
    return (rows if run.content else rows.none()).order_by("-number")


def _compared(
    request: HttpRequest, run: SuiteRun, results: Mapping[int, RunResult]
) -> dict[str, Any]:
    """Return the run beside another one: that of the last approved build, unless one is chosen."""
    earlier = SuiteRun.objects.filter(suite=run.suite, pk__lt=run.pk, is_whole=True)
    earlier = earlier.exclude(status__in=SuiteRun.ACTIVE).order_by("-id")
    approved_contents = (
        Review.objects.filter(environment=run.environment, verdict=Review.Verdict.APPROVED)
        .order_by("-id")
        .values_list("content", flat=True)
    )
    wanted, words = request.GET.get("against", ""), ""
    base: SuiteRun | None
    if wanted.isdecimal() and len(wanted) < 18:
        base = get_object_or_404(SuiteRun, suite=run.suite, pk=int(wanted))
    else:
        last = approved_contents.first()
        base = earlier.filter(content=last).first() if last else None
        words = "of the last approved build" if base is not None else ""
        if base is None:
            base = earlier.filter(content__in=approved_contents).exclude(content="").first()
            words = "of a build that was approved" if base is not None else ""
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
    drawn = _Flows(run)
    return show(
        request,
        "promotion/suite_result.html",
        shown_result.test.name,
        run=run,
        result=shown_result,
        test=shown_result.test.test,
        flows=[
            drawn.view(flow, shown_result.edges[flow], n)
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


class _Flows:
    """Flows as a run's build has them, or as staging has them now; each is looked for once."""

    def __init__(self, run: SuiteRun) -> None:
        self._run = run
        build = _builds(run).first()
        self._side = of_build(build) if build is not None else None
        # What keeps staging from being read: then it is not asked for the next one.
        self._problem = ""

    def view(self, flow: str, edges: list[str], place: int) -> dict[str, Any]:
        """Return one flow with what ran of it."""
        note = "" if self._side is not None else AS_IT_IS_NOW
        try:
            name, version = self._version(flow)
        except (DocumentError, ElasticError) as error:
            name, version, note = flow, None, str(error)
            if isinstance(error, ElasticError):
                self._problem = note
        view = None
        if isinstance(version, Mapping):
            view = followed_flow(version, edges, prefix=f"flow-{place}")
        return {"id": flow, "name": shown(name), "view": view, "note": note}

    def _version(self, flow: str) -> tuple[str, object]:
        if self._side is not None:
            entry = self._side.tree("flow").by_id.get(flow)
            if entry is None:
                return flow, None
            source = parse(self._side.content.source(entry.oid))
            return entry.title, masked("flow", source).get("production")
        kind = browsable(self._run.environment, "flow")
        if kind is None or self._problem:
            return flow, None
        found = read_document(self._run.environment, kind, flow, ("draft", "backup"))
        if found is None:
            return flow, None
        return str(found.get("name") or flow), found.get("production")
