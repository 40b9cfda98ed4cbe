"""How a promotion begins, is refused, and is cancelled."""

from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.models import Environment
from promotion.engine.errors import RuleBroken
from promotion.models import Promotion

RUNNING_ALREADY = (
    "Another promotion of this environment is running. Nothing was changed. Wait until it ends."
)
REHEARSED_ALREADY = (
    "Another rehearsal for this environment is running. Nothing was changed. Wait until it ends."
)
NOT_PREPARED = "It is not prepared any more. Nothing was changed. Look at it again."


def running_in(environment: Environment) -> Promotion | None:
    """Return the one promotion, rollback, adoption or release that runs in an environment."""
    active = Promotion.objects.filter(environment=environment, status__in=Promotion.ACTIVE)
    return active.exclude(kind__in=Promotion.ASIDE).select_related("build__environment").first()


def refuse(actor: Actor, action: str, environment: Environment, words: str) -> RuleBroken:
    """Record that a rule said no, and return the error to raise."""
    record(actor, action, environment, outcome=AuditEvent.Outcome.REFUSED, reason=words)
    return RuleBroken(words)


def begin(
    actor: Actor,
    kind: Promotion.Kind,
    environment: Environment,
    *,
    task: Callable[[int], object] | None = None,
    detail: dict[str, Any] | None = None,
    **facts: Any,
) -> Promotion:
    """Create the one running promotion, or rehearsal, of an environment, with an audit event.

    `task` hands it to the worker, with the same commit; without one it runs here and now.

    Raises:
        RuleBroken: there is one already, or the preparation that it takes is not to be taken.
    """
    action = f"{kind.value}.requested"
    try:
        with transaction.atomic():
            promotion = Promotion.objects.create(
                kind=kind, environment=environment, requested_by=actor.user, **facts
            )
            if promotion.prepared is not None:
                _take(promotion.prepared)
            record(actor, action, promotion, reason=promotion.comment, detail=detail)
            if task is not None:
                task(promotion.pk)
    except IntegrityError as error:
        aside = kind is Promotion.Kind.REHEARSE
        words = REHEARSED_ALREADY if aside else RUNNING_ALREADY
        raise refuse(actor, action, environment, words) from error
    except RuleBroken as error:
        raise refuse(actor, action, environment, str(error)) from error
    return promotion


def _take(prepared: Promotion) -> None:
    """Take a preparation: clean-up then leaves its indices, or has superseded it before."""
    free = Promotion.objects.filter(pk=prepared.pk).exclude(fate=Promotion.Fate.SUPERSEDED)
    if not free.update(fate=Promotion.Fate.USED):
        raise RuleBroken(NOT_PREPARED)


def supersede(prepared: Promotion | None) -> None:
    """Note that a preparation must not be taken any more."""
    if prepared is not None:
        Promotion.objects.filter(pk=prepared.pk).update(fate=Promotion.Fate.SUPERSEDED)


def cancel(actor: Actor, promotion: Promotion) -> None:
    """Ask a promotion to stop before it switches anything; what nobody began ends at once.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: it switches, is live, or has ended.
    """
    action = f"{promotion.kind}.cancel"
    authorise(actor, Verb.PROMOTE, action, promotion)
    ours = Promotion.objects.filter(pk=promotion.pk, switching_at=None)
    with transaction.atomic():
        never_begun = ours.filter(status=Promotion.Status.PENDING).update(
            status=Promotion.Status.ABORTED,
            finished_at=timezone.now(),
            message="It was cancelled before it began. Nothing was changed.",
        )
        running = ours.filter(status=Promotion.Status.RUNNING)
        asked = never_begun or running.update(cancel_requested=True)
        if asked:
            record(actor, action, promotion)
    if not asked:
        words = f"{promotion} switches just now, or has ended: it cannot be cancelled any more."
        raise refuse(actor, action, promotion.environment, words)
    promotion.refresh_from_db()
