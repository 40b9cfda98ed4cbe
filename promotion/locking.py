"""Locks and unlocks an adopted environment: whether its live generation may be edited by hand.

It is unlocked for a time, and then the worker locks it again.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from accounts.audit import Actor, record, system_actor
from accounts.authorising import authorise
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.models import Environment
from promotion.beginning import refuse, running_in
from promotion.claim import claimed
from promotion.engine.errors import PromotionError, RuleBroken
from promotion.models import StoredGeneration, Unlocking
from promotion.planning import check_known, writer_for
from promotion.writer import ClusterWriter

log = structlog.get_logger(__name__)
DEFAULT_MINUTES: Final = 60
MOST_MINUTES: Final = 24 * 60


def unlock(
    actor: Actor, environment: Environment, reason: str, minutes: int = DEFAULT_MINUTES
) -> Unlocking:
    """Let people edit the live generation by hand for a time, for a reason that everybody sees.

    Raises:
        NotAllowedError, RuleBroken: nothing was changed.
    """
    action = "environment.unlock"
    authorise(actor, Verb.PROMOTE, action, environment, confirmed=True)
    if not reason.strip() or actor.user is None:
        words = "Say why the environment is to be unlocked. Nothing was changed."
        raise refuse(actor, action, environment, words)
    until = _until(actor, action, environment, minutes)
    _quiet_live(actor, environment, action)
    if Unlocking.of(environment) is not None:
        words = f"{environment} is unlocked already. Nothing was changed."
        raise refuse(actor, action, environment, words)
    with _working(actor, environment, action) as writer:
        # Until the claim was taken, another generation may have gone live.
        live = _quiet_live(actor, environment, action)
        indices = [held.index for held in live.generation.resources.values()]
        # First the record: an environment that is open must never be taken for locked.
        try:
            with transaction.atomic():
                made = Unlocking.objects.create(
                    environment=environment,
                    reason=reason.strip(),
                    unlocked_by=actor.user,
                    until=until,
                )
                detail = {"until": until.isoformat()}
                record(actor, action, environment, reason=made.reason, detail=detail)
        except IntegrityError as error:
            raise RuleBroken(f"{environment} is unlocked already. Nothing was changed.") from error
        try:
            writer.unblock(indices)
        except PromotionError:
            with suppress(PromotionError):
                writer.block(indices)
                _close(environment)
            raise
    return made


def prolong(actor: Actor, environment: Environment, minutes: int = DEFAULT_MINUTES) -> Unlocking:
    """Keep an unlocked environment open for so long from now, and return its unlocking.

    Raises:
        NotAllowedError, RuleBroken: nothing was changed.
    """
    action = "environment.prolong"
    authorise(actor, Verb.PROMOTE, action, environment, confirmed=True)
    until = _until(actor, action, environment, minutes)
    with transaction.atomic():
        # It may be locked at this moment, because its time is up.
        still_open = Unlocking.objects.filter(environment=environment, locked_at=None)
        prolonged = still_open.update(until=until)
        if prolonged:
            record(actor, action, environment, detail={"until": until.isoformat()})
    unlocking = Unlocking.of(environment)
    if not prolonged or unlocking is None:
        words = f"{environment} is locked. Nothing was changed. Unlock it first."
        raise refuse(actor, action, environment, words)
    return unlocking


def _until(actor: Actor, action: str, environment: Environment, minutes: int) -> datetime:
    if not 1 <= minutes <= MOST_MINUTES:
        words = (
            f"An environment is unlocked for 1 to {MOST_MINUTES} minutes, not for {minutes}. "
            "Nothing was changed."
        )
        raise refuse(actor, action, environment, words)
    # By the database's clock, of which there is one: two machines' are never compared.
    now: datetime = Environment.objects.values_list(Now(), flat=True).get(pk=environment.pk)
    return now + timedelta(minutes=minutes)


def lock(actor: Actor, environment: Environment, reason: str = "") -> None:
    """Write-block the live generation again. No acknowledged write is lost: what was edited shows
    as drift at the check that follows.

    Raises:
        NotAllowedError, RuleBroken: nothing was changed.
    """
    from promotion.tasks import check_environment  # the tasks run this module

    action = "environment.lock"
    authorise(actor, Verb.PROMOTE, action, environment)
    _quiet_live(actor, environment, action)
    if Unlocking.of(environment) is None:
        words = f"{environment} is locked already. Nothing was changed."
        raise refuse(actor, action, environment, words)
    with _working(actor, environment, action) as writer:
        live = _quiet_live(actor, environment, action)
        writer.block([held.index for held in live.generation.resources.values()])
        with transaction.atomic():
            _close(environment)
            record(actor, action, environment, reason=reason)
            check_environment.enqueue(environment.pk)


def lock_expired() -> list[Environment]:
    """Lock the environments whose time is up, and return them. Call it again and again.

    One that a promotion runs in, or that cannot be reached, is locked at a later call.
    """
    locked = []
    over = Unlocking.objects.filter(locked_at=None, until__lte=Now())
    for unlocking in over.select_related("environment__cluster"):
        environment = unlocking.environment
        if running_in(environment) is not None:
            continue
        try:
            lock(system_actor(), environment, "Its time was up.")
        except PromotionError as error:
            log.warning("lock.failed", environment=environment.slug, error=str(error))
        else:
            locked.append(environment)
    return locked


def as_recorded(
    environment: Environment, writer: ClusterWriter, blocked: Mapping[str, bool]
) -> list[str]:
    """Block or open the indices that are not as the record has it, and return them.

    `blocked` says of each live index whether it is write-blocked. They differ where somebody lifted
    a block outside the console, or a process died while it locked or unlocked.

    Raises:
        PromotionError: it could not be done.
    """
    with claimed(writer, environment, f"block-{secrets.token_hex(6)}"):
        if running_in(environment) is not None:
            return []
        due = Unlocking.of(environment) is None
        wrong = [name for name, is_blocked in blocked.items() if is_blocked != due]
        if wrong and due:
            writer.block(wrong)
        elif wrong:
            writer.unblock(wrong)
    return wrong


def _close(environment: Environment) -> None:
    # By the same clock as when a generation went live.
    Unlocking.objects.filter(environment=environment, locked_at=None).update(locked_at=Now())


@contextmanager
def _working(actor: Actor, environment: Environment, action: str) -> Iterator[ClusterWriter]:
    """Hold the environment's lease for the block, and record it if that fails."""
    try:
        writer = writer_for(environment)
        with claimed(writer, environment, f"{action}-{secrets.token_hex(6)}"):
            # Else other indices would be locked than those that production serves.
            check_known(writer, environment)
            yield writer
    except PromotionError as error:
        failed = AuditEvent.Outcome.FAILED
        record(actor, action, environment, outcome=failed, reason=str(error))
        raise


def _quiet_live(actor: Actor, environment: Environment, action: str) -> StoredGeneration:
    live = StoredGeneration.live_in(environment)
    if live is None:
        words = f"{environment} is not adopted. Nothing was changed."
        raise refuse(actor, action, environment, words)
    if running_in(environment) is not None:
        raise refuse(actor, action, environment, "A promotion is running. Nothing was changed.")
    return live
