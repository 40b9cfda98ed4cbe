"""Runs a suite of workflow tests on staging, and never anywhere else (docs/workflow-tests.md)."""

import json
import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import Actor, record, system_actor
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.collector import Collector, CollectorError
from environments.documents import DocumentError, parse, title
from environments.elastic import ElasticError, connect
from environments.masking import masked
from environments.models import Environment
from promotion.changes import changes_since
from promotion.cluster import ClusterReader
from promotion.engine.errors import PromotionError, RuleBroken
from promotion.engine.observed import edges_ran, judge
from promotion.models import Build, RunResult, Suite, SuiteRun, SuiteTest
from promotion.services import authorise
from promotion.visiting import Pace, Visit, Visitor, new_session

ACTION: Final = "suite.run"
# A worker tells that it lives more often than that.
STALE_SECONDS: Final = 120.0
_BEAT_SECONDS: Final = 5.0
# After so many visits in a row without an answer the rest would get none either.
MOST_UNANSWERED: Final = 3
DIED: Final = "Its worker stopped in the middle. Run it again."
CANCELLED: Final = "It was cancelled."
STOPPED: Final = (
    f"{MOST_UNANSWERED} visits in a row got no answer; the rest was not tried. Nothing is proved."
)


class _CancelledError(Exception):
    """Somebody asked to stop."""


def address_problem(environment: Environment) -> str:
    """Return why no visit is sent to an environment, or an empty string."""
    if environment.is_production:
        return f"{environment} is production, where no visit is ever sent."
    if not environment.api_url:
        return f"{environment} has no address of Tracardi's API. The administrator sets it."
    if (other := environment.served_by_production()) is not None:
        return (
            f"The address of {environment}'s API is that of {other}, where no visit is ever sent."
        )
    return ""


def request_run(actor: Actor, suite: Suite, only: Collection[str] | None = None) -> SuiteRun:
    """Begin a run of a suite, or of some of its tests by name; `run_suite` does it.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: it is or may be production, there is nothing to run, or a run goes on.
    """
    environment = suite.environment
    authorise(actor, Verb.CAPTURE, ACTION, environment)
    tests = list(suite.tests)
    chosen = [one for one in tests if only is None or one.name in only]
    problem = address_problem(environment)
    if not problem and not chosen:
        problem = f"{suite} has no test to run."
    if not problem:
        _end_stale(environment)
        try:
            with transaction.atomic():
                made = SuiteRun.objects.create(
                    environment=environment,
                    suite=suite,
                    suite_version=suite.version,
                    asked=len(chosen),
                    is_whole=len(chosen) == len(tests),
                    requested_by=actor.user,
                )
                record(actor, ACTION, made, detail={"tests": len(chosen)})
        except IntegrityError:
            problem = f"Another run goes on at {environment}. Wait until it ends, or cancel it."
        else:
            return made
    record(actor, ACTION, environment, outcome=AuditEvent.Outcome.REFUSED, reason=problem)
    raise RuleBroken(f"{problem} Nothing was sent.")


def _end_stale(environment: Environment) -> None:
    """End a run that gives no sign of life."""
    since = timezone.now() - timedelta(seconds=STALE_SECONDS)
    stale = SuiteRun.objects.filter(environment=environment, beat_at__lt=since)
    stale.filter(status=SuiteRun.Status.RUNNING).update(
        status=SuiteRun.Status.ERRORED, message=DIED, finished_at=timezone.now()
    )


def cancel_run(actor: Actor, run: SuiteRun) -> None:
    """Have a run stop before its next request.

    Raises:
        NotAllowedError: the actor may not.
    """
    authorise(actor, Verb.CAPTURE, "suite.cancel", run.environment)
    SuiteRun.objects.filter(pk=run.pk).update(cancel_requested=True)
    record(actor, "suite.cancel", run)


def run_suite(run: SuiteRun, only: Collection[str] | None = None) -> SuiteRun:
    """Do a run that was requested, and end it. `only` is as it was requested."""
    environment = run.environment
    tests = [one for one in run.suite.tests if only is None or one.name in only]
    try:
        # Asked again: a person may have changed the address meanwhile.
        if problem := address_problem(environment):
            return _end(run, SuiteRun.Status.ERRORED, f"{problem} Nothing was sent.")
        before = _held(environment)
        status, words = _run_tests(run, tests)
        _bind(run, before, _held(environment))
        return _end(run, status, words)
    except _CancelledError:
        return _end(run, SuiteRun.Status.CANCELLED, CANCELLED)
    except (ElasticError, PromotionError) as error:
        return _end(run, SuiteRun.Status.ERRORED, f"Staging could not be read. {error}")


def _run_tests(run: SuiteRun, tests: Sequence[SuiteTest]) -> tuple[SuiteRun.Status, str]:
    visitor, unanswered = _visitor(run), 0
    for place, kept in enumerate(tests, 1):
        result = _run_test(run, kept, visitor, place)
        unanswered = unanswered + 1 if result.status == RunResult.Status.ERRORED else 0
        if unanswered == MOST_UNANSWERED and place < len(tests):
            return SuiteRun.Status.ERRORED, STOPPED
    done = list(run.results.values_list("status", flat=True))
    passed = done.count(RunResult.Status.PASSED)
    words = f"{passed} of {len(done)} tests passed."
    if RunResult.Status.ERRORED in done:
        return SuiteRun.Status.ERRORED, f"{words} Not each visit got an answer."
    return SuiteRun.Status.PASSED if passed == len(done) else SuiteRun.Status.FAILED, words


def _visitor(run: SuiteRun) -> Visitor:
    environment = run.environment
    beaten = time.monotonic()

    def alive() -> None:
        nonlocal beaten
        if SuiteRun.objects.filter(pk=run.pk, cancel_requested=True).exists():
            raise _CancelledError
        if time.monotonic() - beaten > _BEAT_SECONDS:
            beaten = time.monotonic()
            SuiteRun.objects.filter(pk=run.pk).update(beat_at=timezone.now())

    return Visitor(
        Collector(environment.api_url, settings.WORKFLOW_ANSWER_SECONDS),
        connect(environment.cluster),
        environment.naming,
        rule_names(environment),
        Pace(settings.WORKFLOW_REQUESTS_PER_SECOND),
        alive,
    )


def rule_names(environment: Environment) -> dict[str, str]:
    """Return the names of an environment's rules as it has them now, by id."""
    found = {}
    for doc_id, raw in ClusterReader(connect(environment.cluster)).read(
        environment.naming.alias("rule")
    ):
        try:
            found[doc_id] = title(doc_id, parse(raw))
        except DocumentError:
            continue
    return found


def _run_test(run: SuiteRun, kept: SuiteTest, visitor: Visitor, place: int) -> RunResult:
    test, visit = kept.test, Visit(new_session(run.pk, place))
    started, message, outcomes = time.monotonic(), "", []
    try:
        visitor.visit(test, visit)
        outcomes = judge(test, visit.seen)
        held = all(one.ok for one in outcomes)
        status = RunResult.Status.PASSED if held else RunResult.Status.FAILED
        if visit.seen.missing:
            message = f"{', '.join(visit.seen.missing)} did not come in time."
    except CollectorError as error:
        status, message = RunResult.Status.ERRORED, str(error)
    flows = {str(log.get("flow_id")) for log in visit.seen.logs if log.get("flow_id")}
    return RunResult.objects.create(
        run=run,
        test=kept,
        status=status,
        message=message,
        outcomes=[one.to_dict() for one in outcomes],
        exchange=json.dumps([masked("event", one) for one in visit.exchange]),
        edges={flow: sorted(edges_ran(visit.seen.logs, flow)) for flow in sorted(flows)},
        seconds=round(time.monotonic() - started, 3),
    )


def _held(environment: Environment) -> Build | None:
    """Return the newest build that staging holds just now, or None where it holds another."""
    build = Build.last_read(environment)
    if build is None:
        return None
    return build if changes_since([(environment, build)])[environment.pk].changed is False else None


def _bind(run: SuiteRun, before: Build | None, after: Build | None) -> None:
    """Let a run count for what staging held before and after, where that is one build's content."""
    if before is None or after is None or before.content != after.content:
        return
    if run.is_whole:
        run.content = after.content


def _end(run: SuiteRun, status: SuiteRun.Status, words: str) -> SuiteRun:
    run.status, run.finished_at = status, timezone.now()
    run.message = f"{words} {_counts(run)}".strip()
    # One that stood still too long was ended meanwhile, and stays so.
    mine = SuiteRun.objects.filter(pk=run.pk, status=SuiteRun.Status.RUNNING).update(
        status=run.status, content=run.content, message=run.message, finished_at=run.finished_at
    )
    if not mine:
        run.refresh_from_db()
        return run
    detail: dict[str, Any] = {"status": status.value, "content": run.content}
    record(system_actor(), "suite.ended", run, detail=detail)
    return run


def _counts(run: SuiteRun) -> str:
    """Say what a run that came to its end counts for."""
    if run.status in {SuiteRun.Status.ERRORED, SuiteRun.Status.CANCELLED}:
        run.content = ""
        return ""
    if not run.is_whole:
        return "It was of some tests alone, and counts for no build."
    if not run.content:
        return (
            "Staging is not what the newest build holds, or was changed meanwhile: it counts for "
            "no build. Capture staging, then run it again."
        )
    return f"It counts for content {run.content[:12]}."
