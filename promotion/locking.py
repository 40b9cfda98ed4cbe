"""Locks and unlocks an adopted environment: whether its live generation may be edited by hand."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import Actor, record
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.models import Environment
from promotion.beginning import refuse
from promotion.claim import claimed
from promotion.engine.errors import PromotionError, RuleBroken
from promotion.models import Promotion, StoredGeneration, Unlocking
from promotion.planning import writer_for
from promotion.services import authorise
from promotion.writer import ClusterWriter


def unlock(actor: Actor, environment: Environment, reason: str) -> Unlocking:
    """Let people edit the live generation by hand, for a reason that everybody sees.

    Raises:
        NotAllowedError, RuleBroken: nothing was changed.
    """
    action = "environment.unlock"
    authorise(actor, Verb.PROMOTE, action, environment)
    if not reason.strip() or actor.user is None:
        words = "Say why the environment is to be unlocked. Nothing was changed."
        raise refuse(actor, action, environment, words)
    live = _quiet_live(actor, environment, action)
    if Unlocking.of(environment) is not None:
        words = f"{environment} is unlocked already. Nothing was changed."
        raise refuse(actor, action, environment, words)
    with _working(actor, environment, action) as writer:
        indices = [held.index for held in live.generation.resources.values()]
        # First the record: an environment that is open must never be taken for locked.
        try:
            with transaction.atomic():
                made = Unlocking.objects.create(
                    environment=environment, reason=reason.strip(), unlocked_by=actor.user
                )
                record(actor, action, environment, reason=made.reason)
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


def lock(actor: Actor, environment: Environment) -> None:
    """Write-block the live generation again.

    Raises:
        NotAllowedError, RuleBroken: nothing was changed.
    """
    action = "environment.lock"
    authorise(actor, Verb.PROMOTE, action, environment)
    live = _quiet_live(actor, environment, action)
    if Unlocking.of(environment) is None:
        words = f"{environment} is locked already. Nothing was changed."
        raise refuse(actor, action, environment, words)
    with _working(actor, environment, action) as writer:
        writer.block([held.index for held in live.generation.resources.values()])
        with transaction.atomic():
            _close(environment)
            record(actor, action, environment)


def _close(environment: Environment) -> None:
    Unlocking.objects.filter(environment=environment, locked_at=None).update(
        locked_at=timezone.now()
    )


@contextmanager
def _working(actor: Actor, environment: Environment, action: str) -> Iterator[ClusterWriter]:
    """Hold the environment's lease for the block, and record it if that fails."""
    try:
        writer = writer_for(environment)
        with claimed(writer, environment, f"{action}-{secrets.token_hex(6)}"):
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
    busy = Promotion.objects.filter(environment=environment, status__in=Promotion.ACTIVE).exclude(
        kind=Promotion.Kind.PREPARE
    )
    if busy.exists():
        raise refuse(actor, action, environment, "A promotion is running. Nothing was changed.")
    return live
