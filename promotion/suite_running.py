"""Does a run of a suite of workflow tests on staging, and never anywhere else."""

import json
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog
from django.conf import settings
from django.utils import timezone

from environments.collector import Collector, CollectorError
from environments.documents import DocumentError, parse, title
from environments.elastic import ElasticError, connect
from environments.masking import masked
from environments.models import Environment
from promotion.changes import changes_since
from promotion.cluster import ClusterReader
from promotion.engine.errors import PromotionError
from promotion.engine.observed import Observation, clean, flows_ran, judge, rules_fired
from promotion.journal import DEFECT
from promotion.models import Build, RunResult, SuiteRun, SuiteTest
from promotion.outcomes import told
from promotion.suite_runs import CANCELLED, address_problem, end_run, end_stale
from promotion.visiting import Pace, Visit, Visitor, new_session

_BEAT_SECONDS: Final = 5.0
# After so many visits in a row without an answer the rest would get none either.
MOST_UNANSWERED: Final = 3
STOPPED: Final = (
    f"{MOST_UNANSWERED} visits in a row got no answer; the rest was not tried. Nothing is proved."
)
log = structlog.get_logger(__name__)


class _CancelledError(Exception):
    """Somebody asked to stop."""


def run_waiting() -> list[SuiteRun]:
    """Do the runs that wait for a worker, one after the other, and return them.

    Not a task of the queue: a run takes a minute or more, and a promotion must not wait behind it.
    """
    end_stale()
    waiting = SuiteRun.objects.filter(status=SuiteRun.Status.WAITING).order_by("id")
    return [run_suite(run) for run in waiting.select_related("suite", "environment__cluster")]


def run_suite(run: SuiteRun) -> SuiteRun:
    """Do a run that was asked for, and end it; one that another worker took is left alone."""
    if run.status == SuiteRun.Status.WAITING:
        now, waiting = timezone.now(), SuiteRun.Status.WAITING
        if not SuiteRun.objects.filter(pk=run.pk, status=waiting).update(
            status=SuiteRun.Status.RUNNING, beat_at=now, started_at=now
        ):
            run.refresh_from_db()
            return run
        run.refresh_from_db()
    environment = run.environment
    try:
        # Asked again: a person may have changed the address meanwhile.
        if problem := address_problem(environment):
            return _end(run, SuiteRun.Status.ERRORED, f"{problem} Nothing was sent.")
        before = _held(environment)
        visitor = _visitor(run)
        _let_caches_end(before, visitor)
        status, words = _run_tests(run, run.tests, visitor)
        _bind(run, before, _held(environment))
        return _end(run, status, words)
    except _CancelledError:
        return _end(run, SuiteRun.Status.CANCELLED, CANCELLED)
    except (ElasticError, PromotionError) as error:
        return _end(run, SuiteRun.Status.ERRORED, f"Staging could not be read. {error}")
    except Exception:
        log.exception("suite.defect", run=run.pk)
        return _end(run, SuiteRun.Status.ERRORED, str(DEFECT))


def _let_caches_end(before: Build | None, visitor: Visitor) -> None:
    """Wait until Tracardi reads what a build holds: it keeps rules for a while (docs/tracardi.md).

    What staging holds was there when the build was captured, at the latest.
    """
    if before is None:
        return
    due = before.captured_at + timedelta(seconds=settings.WORKFLOW_CACHE_SECONDS)
    while (left := (due - timezone.now()).total_seconds()) > 0:
        visitor.alive()
        time.sleep(min(left, 0.5))


def _run_tests(
    run: SuiteRun, tests: Sequence[SuiteTest], visitor: Visitor
) -> tuple[SuiteRun.Status, str]:
    unanswered = 0
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
        # One that stood still too long was ended meanwhile: it sends nothing more.
        going = SuiteRun.objects.filter(pk=run.pk, status=SuiteRun.Status.RUNNING)
        if not going.filter(cancel_requested=False).exists():
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
    except (_CancelledError, ElasticError, PromotionError):
        raise
    except Exception:
        # One visit that nobody expected must not lose what the others show.
        log.exception("suite.test_defect", run=run.pk, test=kept.pk)
        status, message, outcomes = RunResult.Status.ERRORED, str(DEFECT), []
        visit.seen = Observation(())
    return RunResult.objects.create(
        run=run,
        test=kept,
        status=status,
        message=clean(message),
        outcomes=[told(one) for one in outcomes],
        exchange=json.dumps([masked("event", one) for one in visit.exchange]),
        edges=flows_ran(visit.seen),
        rules=rules_fired(visit.seen),
        seconds=round(time.monotonic() - started, 3),
    )


def _held(environment: Environment) -> Build | None:
    """Return the newest build that staging holds just now, or None where it holds another."""
    build = Build.last_read(environment)
    if build is None:
        return None
    return build if changes_since([(environment, build)])[environment.pk].changed is False else None


def _bind(run: SuiteRun, before: Build | None, after: Build | None) -> None:
    """Let a run count for what staging held before and after, where that is one and the same build.

    Of two with one content staging was another in between.
    """
    if before is None or after is None or before.pk != after.pk:
        return
    if run.is_whole:
        run.content = after.content


def _end(run: SuiteRun, status: SuiteRun.Status, words: str) -> SuiteRun:
    # One that stood still too long was ended meanwhile, and stays so.
    end_run(run, status, f"{words} {_counts(run, status)}".strip())
    return run


def _counts(run: SuiteRun, status: SuiteRun.Status) -> str:
    """Say what a run that came to its end counts for."""
    if status in {SuiteRun.Status.ERRORED, SuiteRun.Status.CANCELLED}:
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
