"""Rolls back: the way to an earlier generation, which is a promotion like any other."""

from collections.abc import Collection

from accounts.audit import Actor, system_actor
from accounts.authorising import authorise
from accounts.roles import Verb
from environments.models import Environment
from promotion.beginning import begin, refuse
from promotion.claim import Claim, claim, holder_of
from promotion.engine.errors import LeaseLost, PromotionError, RuleBroken, Unfinished
from promotion.engine.lease import take_generation
from promotion.engine.plan import Plan
from promotion.engine.ports import fingerprint
from promotion.engine.preflight import consents as consents_for
from promotion.journal import ending, move, step
from promotion.live import go_live
from promotion.models import Build, Promotion, StoredGeneration
from promotion.planning import (
    Live,
    check_health,
    check_ours,
    check_room,
    generation_numbers,
    look,
    plan_for,
    recorded_live,
    writer_for,
)
from promotion.preparing import discard, fill_generation, remember_plan
from promotion.promotions import missing_consents, still_allowed
from promotion.services import keep_build
from promotion.writer import ClusterWriter


def rollback(
    actor: Actor,
    target: Environment,
    *,
    marker: str,
    consents: Collection[str] = (),
    comment: str = "",
    to: StoredGeneration | None = None,
) -> Promotion:
    """Return to the generation before, and return the promotion, live but not verified yet.

    With `to`, to that one instead: to the live one itself, it discards what was edited by hand.

    `marker` is of the live generation that the person was shown, `consents` the codes of the
    drift that may be overwritten (see `drift_in`). Call `live.finish` afterwards.

    Raises:
        NotAllowedError, RuleBroken, MachineryError: as `promotions.promote`.
    """
    action = "rollback.requested"
    authorise(actor, Verb.PROMOTE, action, target, confirmed=True)
    live = StoredGeneration.live_in(target)
    restored = to or (live.previous if live is not None else None)
    if live is None or restored is None:
        words = f"{target} has no earlier generation to roll back to. Nothing was changed."
        raise refuse(actor, action, target, words)
    if live.marker != marker:
        words = "Another generation went live since you looked. Nothing was changed. Look again."
        raise refuse(actor, action, target, words)
    promotion = begin(
        actor,
        Promotion.Kind.ROLLBACK,
        target,
        detail={"consents": sorted(consents)},
        build=restored.build,
        restores=restored,
        comment=comment,
    )
    move(promotion, Promotion.Status.RUNNING)
    with ending(actor, promotion):
        writer = writer_for(target)
        held = claim(writer, target, holder_of(promotion))
        try:
            _roll_back(actor, writer, promotion, held, restored, consents)
        except PromotionError as error:
            unfinished = isinstance(error, LeaseLost | Unfinished)
            if promotion.switching_at is None and not unfinished:
                discard(writer, promotion)
            raise
        finally:
            if promotion.switching_at is None:
                held.give_back()
            else:
                held.stop()
    return promotion


def _roll_back(
    actor: Actor,
    writer: ClusterWriter,
    promotion: Promotion,
    held: Claim,
    restored: StoredGeneration,
    consents: Collection[str],
) -> None:
    target = promotion.environment
    plan, now = _plan(writer, promotion, restored, consents)
    fill_generation(writer, promotion, plan, now, held.check)
    made = promotion.made
    if made is None:
        raise RuleBroken("The rollback was not prepared. Nothing was switched.")
    go_live(writer, promotion, held, plan, made, lambda: still_allowed(actor, None, target))


def _plan(
    writer: ClusterWriter,
    promotion: Promotion,
    restored: StoredGeneration,
    consents: Collection[str],
) -> tuple[Plan, Live]:
    target = promotion.environment
    with step(promotion, "plan", f"Plan the way back to generation {restored.number}") as note:
        now = look_back(writer, promotion)
        if now.drifted:
            uuid = target.cluster.uuid
            kept = keep_build(system_actor(), target, now.captured, uuid, Build.Kind.DRIFT)
            note.detail = f"Edits by hand are kept as {kept}; "
        if problem := missing_consents(promotion.consents_due, consents):
            raise RuleBroken(f"{problem} Nothing was switched.")
        numbers = generation_numbers(target, now.states)
        plan = plan_back(
            writer,
            target,
            now,
            restored,
            number=take_generation(writer, target.naming.key, numbers),
            attempt=promotion.token,
        )
        remember_plan(promotion, plan)
        note.detail += f"{len(plan.changed)} of {len(plan.resources)} resources change"
        if plan.fresh:
            note.detail += f"; {len(plan.fresh)} are rebuilt, as their index was edited"
    return plan, now


def look_back(writer: ClusterWriter, promotion: Promotion) -> Live:
    """Return what is live now, fit to go back from; what that overwrites is due for consent.

    Raises:
        PromotionError: it is not fit, or not what this console put live.
    """
    target = promotion.environment
    now = look(writer, target)
    check_health(now.room)
    check_ours(target, now)
    promotion.consents_due = drift_findings(now)
    promotion.save(update_fields=["consents_due"])
    return now


def plan_back(
    writer: ClusterWriter,
    target: Environment,
    now: Live,
    restored: StoredGeneration,
    *,
    number: int,
    attempt: str,
) -> Plan:
    """Plan what makes `target` serve what an earlier generation was recorded with.

    Raises:
        PreflightFailed: the cluster has no room for it.
    """
    wanted = {name: held.tree for name, held in restored.generation.resources.items()}
    plan = plan_for(
        writer,
        target,
        now,
        wanted,
        content=restored.build.content,
        number=number,
        attempt=attempt,
    )
    check_room(plan, now)
    return plan


def drift_findings(now: Live) -> list[dict[str, str]]:
    """Return what was edited by hand in what is live, as findings to be agreed to."""
    return [finding.to_dict() for finding in consents_for({}, list(now.drifted))]


def drift_in(target: Environment) -> list[dict[str, str]]:
    """Return the findings that a rollback of an adopted target may ask consent to, just now.

    Only reads fingerprints: an edit that was undone by hand is among them too.

    Raises:
        PromotionError: the target could not be looked at.
    """
    writer = writer_for(target, pins=False)
    recorded = recorded_live(writer, target)
    states = writer.states([held.index for held in recorded.resources.values()])
    marks = writer.marks(list(states))
    moved = [
        name
        for name, held in recorded.resources.items()
        if held.index not in states
        or fingerprint(states[held.index], marks[held.index]) != held.fingerprint
    ]
    return [finding.to_dict() for finding in consents_for({}, moved)]
