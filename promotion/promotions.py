"""Promotes and rolls back: the click, and the proof after it."""

from collections.abc import Callable, Collection
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import Actor, record, system_actor
from accounts.models import AuditEvent, User
from accounts.policy import may
from accounts.roles import Verb
from environments.models import Environment
from promotion.claim import Claim, claim, claimed, give_back, holder_of
from promotion.cleaning import clean_up
from promotion.engine.cutover import cutover, undo
from promotion.engine.errors import Mismatch, OutcomeUnknown, PromotionError, RuleBroken, StalePlan
from promotion.engine.lease import take_generation
from promotion.engine.plan import Generation, Plan
from promotion.engine.verification import Receipt, receipt, verify
from promotion.journal import conclude, ending, move, status_of, step
from promotion.models import Build, Promotion, StoredGeneration, Unlocking
from promotion.planning import generation_numbers, indices_of, look, plan_for, writer_for
from promotion.preparing import (
    current_preparation,
    discard,
    fill_generation,
    prepare_again,
    remember_plan,
)
from promotion.services import authorise
from promotion.store import DatabaseContent
from promotion.writer import ClusterWriter

RUNNING_ALREADY = (
    "Another promotion of this environment is running. Nothing was changed. Wait until it ends."
)


def begin(
    actor: Actor,
    kind: Promotion.Kind,
    environment: Environment,
    *,
    task: Callable[[int], object] | None = None,
    **facts: Any,
) -> Promotion:
    """Create the one running promotion of an environment, with an audit event.

    `task` hands it to the worker, with the same commit; without one it runs here and now.

    Raises:
        RuleBroken: there is one already.
    """
    try:
        with transaction.atomic():
            promotion = Promotion.objects.create(
                kind=kind, environment=environment, requested_by=actor.user, **facts
            )
            record(actor, f"{kind.value}.requested", promotion, reason=promotion.comment)
            if task is not None:
                task(promotion.pk)
    except IntegrityError as error:
        raise refuse(actor, f"{kind.value}.requested", environment, RUNNING_ALREADY) from error
    return promotion


def refuse(actor: Actor, action: str, environment: Environment, words: str) -> RuleBroken:
    """Record that a rule said no, and return the error to raise."""
    record(actor, action, environment, outcome=AuditEvent.Outcome.REFUSED, reason=words)
    return RuleBroken(words)


def promote(
    actor: Actor,
    build: Build,
    target: Environment,
    *,
    plan_digest: str,
    consents: Collection[str] = (),
    comment: str = "",
) -> Promotion:
    """Cut over to a prepared build and return the promotion, live but not verified yet.

    `plan_digest` is of the plan that was confirmed, `consents` the codes that were agreed to.
    Call `finish` afterwards, here or in the worker.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: a rule said no; nothing was switched.
        MachineryError: the engine broke; the message says what is live.
    """
    authorise(actor, Verb.PROMOTE, "promote.requested", target)
    prepared = current_preparation(target)
    problem = promote_problem(actor, build, target) or _plan_problem(
        prepared, build, plan_digest, set(consents)
    )
    if problem or prepared is None:
        raise refuse(actor, "promote.requested", target, f"{problem} Nothing was changed.")
    plan, made = prepared.plan, prepared.made
    if plan is None or made is None:
        raise refuse(actor, "promote.requested", target, "The preparation is not complete.")
    promotion = begin(
        actor,
        Promotion.Kind.PROMOTE,
        target,
        build=build,
        prepared=prepared,
        plan_facts=prepared.plan_facts,
        plan_digest=prepared.plan_digest,
        made_facts=prepared.made_facts,
        consents_due=prepared.consents_due,
        comment=comment,
    )
    move(promotion, Promotion.Status.RUNNING)
    with ending(actor, promotion):
        writer = writer_for(target)
        held = claim(writer, target, holder_of(promotion))

        def still_allowed() -> None:
            _still_allowed(actor, build, target)

        try:
            go_live(writer, promotion, held, plan, made, still_allowed)
        except Exception:
            give_back(held.lease.release)
            raise
    return promotion


def promote_problem(actor: Actor, build: Build, target: Environment) -> str:
    """Return why this build may not be promoted to this target, or an empty string."""
    if build.environment.promotes_to_id != target.pk:
        return f"{build.environment} does not promote to {target}."
    review = build.review
    if review is None or review.verdict != review.Verdict.APPROVED:
        state = review.verdict if review is not None else "not reviewed"
        return f"{build} is {state}. Only an approved build goes live."
    if actor.user is not None and review.reviewed_by_id == actor.user.pk:
        return "Who approved a build does not promote it."
    if StoredGeneration.live_in(target) is None:
        return f"{target} is not adopted. Adopt it first."
    return ""


def _plan_problem(
    prepared: Promotion | None, build: Build, plan_digest: str, agreed: set[str]
) -> str:
    if prepared is None or prepared.build is None or prepared.build.content != build.content:
        return f"{build} is not prepared. Wait until it is."
    if prepared.plan_digest != plan_digest:
        return "The plan is not the one that you confirmed. Look at it again."
    due = {finding["code"]: finding["message"] for finding in prepared.consents_due}
    if missing := [words for code, words in due.items() if code not in agreed]:
        return f"Agree to this first: {' '.join(missing)}"
    return ""


def _still_allowed(actor: Actor, build: Build | None, target: Environment) -> None:
    """Ask again at the last moment: an account or an approval may be gone since the click."""
    if actor.user is not None:
        user = User.objects.get(pk=actor.user.pk)
        verdict = may(user, Verb.PROMOTE, target)
        if not verdict:
            raise RuleBroken(f"{verdict.reason} Nothing was switched.")
    if build is not None and (problem := promote_problem(actor, build, target)):
        raise RuleBroken(f"{problem} Nothing was switched.")


def go_live(
    writer: ClusterWriter,
    promotion: Promotion,
    held: Claim,
    plan: Plan,
    made: Generation,
    still_allowed: Callable[[], None],
) -> None:
    """Fence and switch, and record the generation as live."""
    target = promotion.environment
    naming = target.naming
    with step(promotion, "cutover", "Fence, then switch all names at once"):
        before = receipt(naming, indices_of(writer, target))
        promotion.receipt = {"before": {n: list(v) for n, v in before.indices.items()}}
        promotion.save(update_fields=["receipt"])
        locked = Unlocking.of(target) is None
        try:
            cutover(writer, held.lease, plan, made, naming, still_allowed)
        except OutcomeUnknown:
            # Whether it happened is for recovery to read back: it alone may conclude.
            raise
        except PromotionError:
            if not locked:
                writer.unblock([part.live.index for part in plan.changed])
            raise
        record_live(promotion, plan, made)


def record_live(promotion: Promotion, plan: Plan, made: Generation) -> StoredGeneration:
    """Record that a promotion's generation is live; again is harmless."""
    with transaction.atomic():
        earlier = StoredGeneration.live_in(promotion.environment)
        if earlier is not None and earlier.marker == made.marker:
            return earlier
        build = promotion.build
        if build is None:
            raise RuleBroken(f"{promotion} has no build.")
        restored = promotion.restores
        StoredGeneration.objects.filter(environment=promotion.environment).update(is_live=False)
        stored = StoredGeneration.objects.create(
            environment=promotion.environment,
            number=plan.number,
            marker=made.marker,
            facts=made.to_dict(),
            build=build,
            promotion=promotion,
            previous=restored.previous if restored is not None else earlier,
            restores=restored,
            is_live=True,
        )
        now = timezone.now()
        Promotion.objects.filter(pk=promotion.pk).update(live_at=now)
        promotion.live_at = now
    return stored


def finish(promotion: Promotion, actor: Actor | None = None) -> Promotion:
    """Verify what went live, clean up, and end the promotion; swap back on a mismatch.

    Raises:
        PromotionError: verification failed, or the engine broke.
    """
    actor = actor or system_actor()
    plan, made = promotion.plan, promotion.made
    if not promotion.is_active or plan is None or made is None:
        return promotion
    target = promotion.environment
    with ending(actor, promotion):
        writer = writer_for(target)
        with claimed(writer, target, holder_of(promotion)) as held:
            _prove(writer, promotion, held, plan, made)
            words = f"Generation {made.number} is live and proved."
            conclude(actor, promotion, Promotion.Status.SUCCEEDED, words)
            clean_up(writer, target)
    prepare_again(target)
    return promotion


def _prove(
    writer: ClusterWriter, promotion: Promotion, held: Claim, plan: Plan, made: Generation
) -> None:
    target = promotion.environment
    try:
        with step(promotion, "verify", "Read back through the live names") as note:
            count = verify(writer, DatabaseContent(), target.naming, made)
            note.detail = f"{count} documents are equal to the byte; the rest was not written to"
    except Mismatch as error:
        _swap_back(writer, promotion, held, plan, error)
    held.keep()
    with step(promotion, "receipt", "Prove that nothing else was touched") as note:
        note.detail = _take_receipt(writer, promotion)
    if Unlocking.of(target) is not None:
        with step(promotion, "open", "Lift the block: the environment is unlocked"):
            writer.unblock([part.next_index for part in plan.changed])


def _take_receipt(writer: ClusterWriter, promotion: Promotion) -> str:
    kept = promotion.receipt or {"before": {}}
    before = Receipt({name: (v[0], v[1]) for name, v in kept["before"].items()})
    after = receipt(promotion.environment.naming, indices_of(writer, promotion.environment))
    differences = before.differences(after)
    promotion.receipt = {
        **kept,
        "after": {name: list(value) for name, value in after.indices.items()},
        "differences": differences,
    }
    promotion.save(update_fields=["receipt"])
    if differences:
        return f"Not by this promotion, but meanwhile: {'; '.join(differences)}"
    return f"{len(before.indices)} protected indices are as they were"


def _swap_back(
    writer: ClusterWriter, promotion: Promotion, held: Claim, plan: Plan, error: Mismatch
) -> None:
    target = promotion.environment
    with step(promotion, "undo", "Swap back to what was live before"):
        undo(writer, held.lease, plan, target.naming)
        with transaction.atomic():
            StoredGeneration.objects.filter(promotion=promotion).update(
                is_live=False, is_kept=False
            )
            StoredGeneration.objects.filter(environment=target, marker=plan.base_marker).update(
                is_live=True
            )
        if Unlocking.of(target) is not None:
            writer.unblock([part.live.index for part in plan.changed])
    raise Mismatch(f"{error} Production is back at generation {plan.base}.")


def rollback(actor: Actor, target: Environment, *, marker: str, comment: str = "") -> Promotion:
    """Return to the generation before, and return the promotion, live but not verified yet.

    `marker` is of the live generation that the person was shown. Call `finish` afterwards.

    Raises:
        NotAllowedError, RuleBroken, MachineryError: as `promote`.
    """
    authorise(actor, Verb.PROMOTE, "rollback.requested", target)
    live = StoredGeneration.live_in(target)
    if live is None or live.previous is None:
        words = f"{target} has no earlier generation to roll back to. Nothing was changed."
        raise refuse(actor, "rollback.requested", target, words)
    if live.marker != marker:
        words = "Another generation went live since you looked. Nothing was changed. Look again."
        raise refuse(actor, "rollback.requested", target, words)
    restored = live.previous
    promotion = begin(
        actor,
        Promotion.Kind.ROLLBACK,
        target,
        build=restored.build,
        restores=restored,
        comment=comment,
    )
    move(promotion, Promotion.Status.RUNNING)
    with ending(actor, promotion):
        writer = writer_for(target)
        held = claim(writer, target, holder_of(promotion))
        try:
            plan = _plan_rollback(writer, promotion, restored)
            fill_generation(writer, promotion, plan, held)
            made = promotion.made
            if made is None:
                raise RuleBroken("The rollback was not prepared.")
            go_live(
                writer, promotion, held, plan, made, lambda: _still_allowed(actor, None, target)
            )
        except Exception as error:
            if not isinstance(error, OutcomeUnknown):
                discard(writer, promotion)
            give_back(held.lease.release)
            raise
    return promotion


def _plan_rollback(writer: ClusterWriter, promotion: Promotion, restored: StoredGeneration) -> Plan:
    target = promotion.environment
    with step(promotion, "plan", f"Plan the way back to generation {restored.number}") as note:
        now = look(writer, target)
        numbers = generation_numbers(target, indices_of(writer, target))
        plan = plan_for(
            writer,
            target,
            now,
            {name: held.tree for name, held in restored.generation.resources.items()},
            content=restored.build.content,
            number=take_generation(writer, target.naming.key, numbers),
            attempt=promotion.token,
        )
        remember_plan(promotion, plan)
        note.detail = f"{len(plan.changed)} of {len(plan.resources)} resources change"
        if plan.fresh:
            note.detail += f"; {len(plan.fresh)} are rebuilt, as their index was edited"
    return plan


def cancel(actor: Actor, promotion: Promotion) -> None:
    """Ask a promotion to stop before it switches anything.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: it is live, or has ended.
    """
    action = f"{promotion.kind}.cancel"
    authorise(actor, Verb.PROMOTE, action, promotion)
    ours = Promotion.objects.filter(pk=promotion.pk, live_at=None)
    # What no worker has begun ends at once; else its worker stops at its next step.
    never_begun = ours.filter(status=Promotion.Status.PENDING).update(
        status=Promotion.Status.ABORTED,
        finished_at=timezone.now(),
        message="It was cancelled before it began. Nothing was changed.",
    )
    running = ours.filter(status=Promotion.Status.RUNNING)
    if not never_begun and not running.update(cancel_requested=True):
        words = f"{promotion} is live or has ended, so it cannot be cancelled. Roll back instead."
        raise refuse(actor, action, promotion.environment, words)
    record(actor, action, promotion)
    promotion.refresh_from_db()


__all__ = ["StalePlan", "begin", "cancel", "finish", "promote", "rollback", "status_of"]
