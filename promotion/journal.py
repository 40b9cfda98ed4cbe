"""Keeps the record of a promotion: its steps, before and after they act, and its one end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor, record
from accounts.models import AuditEvent
from promotion.engine.errors import (
    Aborted,
    LeaseLost,
    MachineryError,
    OutcomeUnknown,
    PromotionError,
    RuleBroken,
    Temporary,
    Unfinished,
)
from promotion.models import Promotion, Step
from promotion.receipts import issue

log = structlog.get_logger(__name__)

DEFECT: Final = MachineryError("The console met a defect of its own; its log has the details.")
LONGEST_DETAIL: Final = 500
# What may follow what; each change is one conditional update, so that of two workers one wins.
TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    "pending": frozenset({"running", "aborted", "failed", "errored"}),
    "running": frozenset({"succeeded", "failed", "errored", "aborted"}),
}


@dataclass
class Note:
    """What a step says about itself when it is done."""

    detail: str = ""


def move(promotion: Promotion, status: Promotion.Status, **fields: object) -> bool:
    """Change the status, if that may follow the present one, and say whether it did."""
    before = [old for old, following in TRANSITIONS.items() if status.value in following]
    changed = Promotion.objects.filter(pk=promotion.pk, status__in=before).update(
        status=status.value, **fields
    )
    # No more than that: what it refers to need not be read again.
    promotion.refresh_from_db(fields=["status", *fields])
    return bool(changed)


@contextmanager
def step(promotion: Promotion, name: str, label: str) -> Iterator[Note]:
    """Record a step around what it does; an error ends it as failed and goes on up.

    Raises:
        Aborted: somebody asked to cancel, and the promotion is not live yet.
    """
    check_cancelled(promotion)
    row = Step.objects.create(promotion=promotion, name=name, label=label)
    note = Note()
    try:
        yield note
    except Exception as error:
        _finish(row, Step.Status.FAILED, str(error))
        raise
    _finish(row, Step.Status.SUCCEEDED, note.detail)


def interrupt(promotion: Promotion) -> None:
    """End the steps that a dead worker left open."""
    promotion.steps.filter(status=Step.Status.RUNNING).update(
        status=Step.Status.FAILED,
        detail="Its worker stopped here. Another one read back what had happened.",
        finished_at=timezone.now(),
    )


def check_cancelled(promotion: Promotion) -> None:
    """Raise `Aborted` if somebody asked to cancel and nothing is switched yet."""
    promotion.refresh_from_db(fields=["cancel_requested", "switching_at", "status"])
    if promotion.cancel_requested and promotion.switching_at is None:
        raise Aborted("It was cancelled before anything was switched. Production is as it was.")
    if not promotion.is_active:
        raise RuleBroken(f"{promotion} has ended as {promotion.status}. Nothing more was done.")


def _finish(row: Step, status: Step.Status, detail: str) -> None:
    row.status, row.detail, row.finished_at = status.value, _fitting(detail), timezone.now()
    row.save(update_fields=["status", "detail", "finished_at"])


def _fitting(detail: str) -> str:
    """Return a detail that the column holds, cut between two words where it must be."""
    if len(detail) <= LONGEST_DETAIL:
        return detail
    head = detail[: LONGEST_DETAIL - 2]
    return f"{head.rpartition(' ')[0] or head} …"


def commit(promotion: Promotion) -> None:
    """Note that the switch is about to be sent: from here on it cannot be cancelled.

    Raises:
        Aborted: it was cancelled.
        RuleBroken: it has ended, or was committed before.
    """
    now = timezone.now()
    ours = Promotion.objects.filter(pk=promotion.pk, status=Promotion.Status.RUNNING)
    if not ours.filter(cancel_requested=False, switching_at=None).update(switching_at=now):
        check_cancelled(promotion)
        raise RuleBroken(f"{promotion} was under way already. Nothing more was done.")
    promotion.switching_at = now


def uncommit(promotion: Promotion) -> None:
    """Note that nothing was switched for sure."""
    Promotion.objects.filter(pk=promotion.pk).update(switching_at=None)
    promotion.switching_at = None


def _leave(promotion: Promotion, error: Exception) -> None:
    """Leave the promotion to the next worker: how it ended is not for this one to say."""
    words = f"{error} The next worker reads back what happened, and ends it."
    Promotion.objects.filter(pk=promotion.pk, status=Promotion.Status.RUNNING).update(
        is_left=True, message=words
    )
    log.warning("promotion.left", promotion=promotion.pk, error=str(error))


@contextmanager
def ending(actor: Actor, promotion: Promotion) -> Iterator[None]:
    """End the promotion as what an error means, record it, and let the error go on up.

    Where the error does not tell what the cluster serves now, it is left to the next worker.
    """
    try:
        yield
    except (LeaseLost, Unfinished) as error:
        # After a loss it is another worker's already.
        if isinstance(error, Unfinished):
            _leave(promotion, error)
        raise
    except PromotionError as error:
        unsure = isinstance(error, OutcomeUnknown | Temporary)
        if unsure and promotion.switching_at is not None:
            _leave(promotion, error)
        else:
            conclude(actor, promotion, status_of(error), str(error))
            error.ended_promotion = True
        raise
    except Exception:
        log.exception("promotion.defect", promotion=promotion.pk)
        if promotion.switching_at is not None:
            _leave(promotion, DEFECT)
            raise
        conclude(
            actor,
            promotion,
            Promotion.Status.ERRORED,
            f"{DEFECT} Look at what is live before trying again.",
        )
        raise


def status_of(error: PromotionError) -> Promotion.Status:
    """Return what a promotion that met `error` ends as."""
    if isinstance(error, Aborted):
        return Promotion.Status.ABORTED
    if isinstance(error, MachineryError):
        return Promotion.Status.ERRORED
    return Promotion.Status.FAILED


def conclude(actor: Actor, promotion: Promotion, status: Promotion.Status, message: str) -> bool:
    """End a promotion once, with an audit event; say whether this call ended it."""
    with transaction.atomic():
        ended = move(promotion, status, message=message, finished_at=timezone.now(), is_left=False)
        if ended and promotion.kind not in Promotion.ASIDE:
            issue(promotion)
        if ended:
            good = status is Promotion.Status.SUCCEEDED
            record(
                actor,
                f"{promotion.kind}.{status.value}",
                promotion,
                outcome=AuditEvent.Outcome.DONE if good else AuditEvent.Outcome.FAILED,
                reason="" if good else message,
            )
    if ended:
        log.info(
            "promotion.ended", promotion=promotion.pk, kind=promotion.kind, status=status.value
        )
    return ended
