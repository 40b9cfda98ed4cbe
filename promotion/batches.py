"""Promotes a build for each of several targets, side by side; each of them ends by itself.

Every one goes through the services of a single promotion, so under the same rules. A batch's own
record only says which targets were asked for, which is whose turn, and how each ended.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Final

import structlog
from django.conf import settings
from django.db import connections, transaction
from django.db.models import F
from django.utils import timezone

from accounts.audit import Actor, record, system_actor
from accounts.authorising import NotAllowedError, authorise
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.models import Environment
from promotion.batch_models import Batch, BatchItem
from promotion.engine.errors import MachineryError, PromotionError, RuleBroken
from promotion.journal import DEFECT, status_of
from promotion.live import finish
from promotion.models import Build
from promotion.promotions import prepared_for, promote

# So many targets are worked on at a time; each takes a thread, and connections of its own.
PARALLEL: Final = 4
MOST_PARALLEL: Final = 16
STOPPED: Final = "Not tried: the batch was stopped before its turn came. Nothing was changed."
log = structlog.get_logger(__name__)
# How each batch stood when this process saw it so first, and when that was on its own clock.
_sightings: Final[dict[int, tuple[tuple[int, int], float]]] = {}


@dataclass(frozen=True)
class Choice:
    """One target of a batch. Without a plan's digest the present plan is taken, or made."""

    build: Build
    target: Environment
    plan_digest: str = ""
    consents: tuple[str, ...] = ()


def start_batch(
    actor: Actor,
    choices: Sequence[Choice],
    *,
    parallel: int = PARALLEL,
    comment: str = "",
    task: Callable[[int, int], object] | None = None,
) -> Batch:
    """Begin a batch, with one audit event for all of it.

    `task` has the worker call `run_batch` with the batch's key and number; without one, call it
    afterwards.

    Raises:
        NotAllowedError: the actor may not promote to one of the targets; nothing was begun.
        RuleBroken: nothing or something twice was chosen, or the bound is out of range.
    """
    action = "batch.requested"
    for choice in choices:
        authorise(actor, Verb.PROMOTE, action, choice.target, confirmed=True)
    if problem := _problem(choices, parallel):
        record(actor, action, outcome=AuditEvent.Outcome.REFUSED, reason=problem)
        raise RuleBroken(problem)
    with transaction.atomic():
        batch = Batch.objects.create(
            parallel=parallel,
            comment=comment,
            requested_by=actor.user,
            channel=actor.channel,
            group=actor.group,
        )
        BatchItem.objects.bulk_create(
            [
                BatchItem(
                    batch=batch,
                    environment=choice.target,
                    build=choice.build,
                    plan_digest=choice.plan_digest,
                    consents=sorted(choice.consents),
                )
                for choice in choices
            ]
        )
        targets = {choice.target.slug: str(choice.build) for choice in choices}
        detail = {"targets": targets, "parallel": parallel}
        record(actor, action, batch, reason=comment, detail=detail)
        if task is not None:
            task(batch.pk, batch.run)
    return batch


def _problem(choices: Sequence[Choice], parallel: int) -> str:
    if not choices:
        return "No target was chosen. Nothing was begun. Choose at least one."
    twice = [target.name for target, n in Counter(c.target for c in choices).items() if n > 1]
    if twice:
        return f"{', '.join(twice)} was chosen twice. Nothing was begun."
    if not 1 <= parallel <= MOST_PARALLEL:
        return f"From 1 to {MOST_PARALLEL} targets at a time, not {parallel}. Nothing was begun."
    return ""


def run_batch(batch: Batch, run: int, actor: Actor | None = None) -> Batch:
    """Do what waits in a batch, and return it; it has ended unless a target's end is not known yet.

    `run` is the number under which it was handed over: of two that come with the same one, one
    begins. After a crash it goes on with what nobody began.
    """
    if actor is None:
        actor = Actor(user=batch.requested_by, channel=batch.channel, group=batch.group)
    ours = Batch.objects.filter(pk=batch.pk, run=run, status__in=Batch.ACTIVE)
    begun = ours.update(run=run + 1, beats=F("beats") + 1, status=Batch.Status.RUNNING)
    batch.refresh_from_db()
    if not begun:
        return batch
    # A worker that died had taken them, and begun nothing.
    for item in batch.items.filter(status=BatchItem.Status.RUNNING):
        if item.promotion is None:
            _move(item, BatchItem.Status.RUNNING, BatchItem.Status.WAITING)
    lanes = min(batch.parallel, batch.items.filter(status=BatchItem.Status.WAITING).count())
    if lanes:
        _work(batch, run + 1, lanes, actor)
    settle(batch)
    return batch


def _work(batch: Batch, run: int, lanes: int, actor: Actor) -> None:
    with ThreadPoolExecutor(lanes, thread_name_prefix="batch") as pool:
        # Each with the number of the request that asked for the batch.
        working = [
            pool.submit(copy_context().run, _lane, batch.pk, run, actor) for _ in range(lanes)
        ]
        while wait(working, timeout=settings.LEASE_RENEW_SECONDS).not_done:
            Batch.objects.filter(pk=batch.pk, run=run).update(beats=F("beats") + 1)
        for lane in working:
            lane.result()


def _lane(batch_pk: int, run: int, actor: Actor) -> None:
    """Take one waiting target after the other, until none is left."""
    try:
        while (item := _take(batch_pk, run)) is not None:
            _promote(item, actor)
    finally:
        # A thread has database connections of its own.
        connections.close_all()


def _take(batch_pk: int, run: int) -> BatchItem | None:
    while Batch.objects.filter(pk=batch_pk, run=run).exists():
        waiting = BatchItem.objects.filter(batch=batch_pk, status=BatchItem.Status.WAITING)
        item = waiting.select_related("batch", "environment__cluster", "build__environment").first()
        if item is None:
            return None
        if _move(
            item, BatchItem.Status.WAITING, BatchItem.Status.RUNNING, started_at=timezone.now()
        ):
            return item
    return None


def _promote(item: BatchItem, actor: Actor) -> None:
    """Promote one target and keep how that ended; nothing that it meets goes on to the others."""
    build, target, status, words = item.build, item.environment, BatchItem.Status.ERRORED, ""
    try:
        digest = item.plan_digest or prepared_for(actor, build, target).plan_digest
        made = promote(
            actor,
            build,
            target,
            plan_digest=digest,
            consents=item.consents,
            comment=item.batch.comment,
            batch=item.batch,
        )
        finish(made, replace(system_actor(), group=actor.group))
    except NotAllowedError as error:
        status, words = BatchItem.Status.REFUSED, str(error)
    except PromotionError as error:
        words = str(error)
        if error.ended_promotion or isinstance(error, MachineryError):
            status = BatchItem.Status(status_of(error).value)
        else:
            status = BatchItem.Status.REFUSED
    except Exception:
        # One target's defect must not keep the others from their turn.
        log.exception("batch.defect", batch=item.batch_id, target=target.slug)
        words = str(DEFECT)
    if not _settle_item(item):
        _move(item, BatchItem.Status.RUNNING, status, message=words, finished_at=timezone.now())


def _settle_item(item: BatchItem) -> bool:
    """End an item as its promotion has ended; say whether it has a promotion at all."""
    promotion = item.promotion
    if promotion is None:
        return False
    if not promotion.is_active:
        status = BatchItem.Status(promotion.status)
        finished = promotion.finished_at or timezone.now()
        words = promotion.message
        _move(item, BatchItem.Status.RUNNING, status, message=words, finished_at=finished)
    return True


def _move(item: BatchItem, old: str, new: str, **fields: object) -> bool:
    rows = BatchItem.objects.filter(pk=item.pk, status=old)
    return bool(rows.update(status=new, **fields))


def settle(batch: Batch) -> None:
    """Keep how the promotions of a batch ended, and end it once none of its targets is open."""
    for item in batch.items.filter(status=BatchItem.Status.RUNNING):
        _settle_item(item)
    counts = summary(batch)
    if any(counts[status] for status in BatchItem.ACTIVE):
        return
    good = counts[BatchItem.Status.SUCCEEDED.value] == sum(counts.values())
    status = Batch.Status.SUCCEEDED if good else Batch.Status.FAILED
    ours = Batch.objects.filter(pk=batch.pk, status__in=Batch.ACTIVE)
    with transaction.atomic():
        if ours.update(status=status, finished_at=timezone.now()):
            record(
                replace(system_actor(), group=batch.group),
                f"batch.{status.value}",
                batch,
                outcome=AuditEvent.Outcome.DONE if good else AuditEvent.Outcome.FAILED,
                reason="" if good else summary_words(counts),
                detail=dict(counts),
            )
    batch.refresh_from_db()


def summary(batch: Batch) -> Counter[str]:
    """Return how many targets of a batch have which status."""
    return Counter(batch.items.values_list("status", flat=True))


def summary_words(counts: Counter[str]) -> str:
    """Return a summary in words, such as `3 targets: 2 succeeded, 1 failed`."""
    total = sum(counts.values())
    known = [status for status in BatchItem.Status if counts[status.value]]
    parts = [f"{counts[status.value]} {status.label.lower()}" for status in known]
    return f"{total} target{'s' if total != 1 else ''}: {', '.join(parts)}"


def stop_batch(actor: Actor, batch: Batch) -> int:
    """Let no further target of a batch begin; return how many will not be tried.

    What has begun goes on: each promotion can be cancelled by itself.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: nothing waits any more.
    """
    action = "batch.stop"
    authorise(actor, Verb.PROMOTE, action, batch)
    with transaction.atomic():
        waiting = batch.items.filter(status=BatchItem.Status.WAITING)
        stopped = waiting.update(
            status=BatchItem.Status.UNTRIED, message=STOPPED, finished_at=timezone.now()
        )
        if stopped:
            record(actor, action, batch, detail={"not_tried": stopped})
    if not stopped:
        words = f"Nothing of {batch} waits any more. Nothing was stopped."
        record(actor, action, batch, outcome=AuditEvent.Outcome.REFUSED, reason=words)
        raise RuleBroken(words)
    settle(batch)
    return stopped


def give_up_batches(words: str) -> int:
    """Let no target of any batch begin that has not begun; return how many, each told `words`."""
    count = 0
    for batch in Batch.objects.filter(status__in=Batch.ACTIVE):
        for item in batch.items.filter(status__in=BatchItem.ACTIVE):
            # One that a worker took may not have become a promotion yet.
            if item.promotion is None and _move(
                item,
                item.status,
                BatchItem.Status.UNTRIED,
                message=words,
                finished_at=timezone.now(),
            ):
                count += 1
        settle(batch)
    return count


def recover_batches(now: float) -> list[Batch]:
    """Go on with batches whose worker died, and return those that were handed over again.

    `now` is this process's own clock in seconds. A batch is over when it stood still for a lease
    time. What its promotions were in the middle of is theirs to recover.
    """
    from promotion.tasks import run_batch as task  # it runs this module

    taken = []
    for batch in Batch.objects.filter(status__in=Batch.ACTIVE):
        settle(batch)
        if not batch.is_active or not _has_work(batch):
            continue
        mark = (batch.run, batch.beats)
        seen, since = _sightings.get(batch.pk, (None, now))
        if seen != mark:
            _sightings[batch.pk] = (mark, now)
        elif now - since >= settings.LEASE_SECONDS:
            log.warning("batch.recovering", batch=batch.pk)
            _sightings.pop(batch.pk, None)
            task.enqueue(batch.pk, batch.run)
            taken.append(batch)
    return taken


def _has_work(batch: Batch) -> bool:
    """Answer whether there is a target that nobody began, though somebody may have taken it."""
    open_ones = batch.items.filter(status__in=BatchItem.ACTIVE)
    return any(
        item.status == BatchItem.Status.WAITING or item.promotion is None for item in open_ones
    )
