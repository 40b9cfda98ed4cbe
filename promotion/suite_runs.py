"""Asks for a run of a suite of workflow tests, cancels one, and ends what nobody works on.

`suite_running` does it. Nothing is ever sent anywhere but to staging (docs/workflow-tests.md).
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import Actor, record, system_actor
from accounts.authorising import authorise
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.models import Environment
from promotion.engine.errors import RuleBroken
from promotion.models import Suite, SuiteRun

ACTION: Final = "suite.run"
ENDED: Final = "suite.ended"
# A worker tells that it lives more often than that.
STALE_SECONDS: Final = 120.0
DIED: Final = "Its worker stopped in the middle. Run it again."
CANCELLED: Final = "It was cancelled."


def address_problem(environment: Environment, *, looks_up: bool = True) -> str:
    """Return why no visit is sent to an environment, or an empty string.

    Unless it `looks_up` where names lead, one that is production's by another name is not told.
    """
    if environment.is_production:
        return f"{environment} is production, where no visit is ever sent."
    if not environment.api_url:
        return f"{environment} has no address of Tracardi's API. The administrator sets it."
    return environment.production_problem() if looks_up else ""


def request_run(
    actor: Actor, suite: Suite, only: Collection[str] | None = None, *, here: bool = False
) -> SuiteRun:
    """Ask for a run of a suite, or of some of its tests by name.

    A worker does it, unless it is done `here`: then call `suite_running.run_suite`.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: it is or may be production, there is nothing to run, or a run goes on.
    """
    environment = suite.environment
    authorise(actor, Verb.CAPTURE, ACTION, environment)
    tests = list(suite.tests)
    chosen = [one.pk for one in tests if only is None or one.name in only]
    problem = address_problem(environment)
    if not problem and suite.retired_at is not None:
        problem = f"{suite} was retired."
    if not problem and not chosen:
        problem = f"{suite} has no {'such ' if only is not None else ''}test to run."
    if not problem:
        end_stale()
        try:
            with transaction.atomic():
                made = SuiteRun.objects.create(
                    environment=environment,
                    suite=suite,
                    suite_version=suite.version,
                    chosen=chosen,
                    is_whole=only is None,
                    status=SuiteRun.Status.RUNNING if here else SuiteRun.Status.WAITING,
                    requested_by=actor.user,
                )
                record(actor, ACTION, made, detail={"tests": len(chosen)})
        except IntegrityError:
            problem = f"Another run goes on at {environment}. Wait until it ends, or cancel it."
        else:
            return made
    record(actor, ACTION, environment, outcome=AuditEvent.Outcome.REFUSED, reason=problem)
    raise RuleBroken(f"{problem} Nothing was sent.")


def end_stale() -> None:
    """End the runs that give no sign of life."""
    since = timezone.now() - timedelta(seconds=STALE_SECONDS)
    stale = SuiteRun.objects.filter(status=SuiteRun.Status.RUNNING, beat_at__lt=since)
    for run in stale.select_related("suite", "environment"):
        end_run(run, SuiteRun.Status.ERRORED, DIED)


def cancel_run(actor: Actor, run: SuiteRun) -> None:
    """Have a run stop before its next request; one that waits ends at once.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: it is over.
    """
    authorise(actor, Verb.CAPTURE, "suite.cancel", run.environment)
    going = SuiteRun.objects.filter(pk=run.pk, status__in=SuiteRun.ACTIVE)
    if not going.update(cancel_requested=True):
        raise RuleBroken(f"{run} is over. Nothing was changed.")
    record(actor, "suite.cancel", run)
    run.refresh_from_db()
    if run.status == SuiteRun.Status.WAITING:
        end_run(run, SuiteRun.Status.CANCELLED, CANCELLED)


def end_run(run: SuiteRun, status: SuiteRun.Status, words: str) -> bool:
    """End a run as it stands, and answer whether it was not over, nor begun meanwhile."""
    with transaction.atomic():
        mine = SuiteRun.objects.filter(pk=run.pk, status=run.status).update(
            status=status, content=run.content, message=words, finished_at=timezone.now()
        )
        if mine:
            record(
                system_actor(),
                ENDED,
                run,
                detail={"status": status.value, "content": run.content},
            )
    run.refresh_from_db()
    return bool(mine)
