"""The moment of a promotion, and the proof after it: the same for promote and roll back."""

from collections.abc import Callable

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.audit import Actor, system_actor
from environments.models import Environment
from promotion.beginning import supersede
from promotion.claim import Claim, claimed, holder_of
from promotion.engine.cutover import cutover, undo
from promotion.engine.errors import (
    LeaseLost,
    Mismatch,
    OutcomeUnknown,
    PromotionError,
    RuleBroken,
    Unfinished,
)
from promotion.engine.plan import Generation, Plan
from promotion.engine.verification import verify
from promotion.journal import commit, conclude, ending, step, uncommit
from promotion.models import Build, Drift, Promotion, StoredGeneration, Unlocking
from promotion.planning import everything, writer_for
from promotion.preparing import prepare_again
from promotion.receipts import complete, keep_before
from promotion.store import DatabaseContent
from promotion.writer import ClusterWriter


def go_live(
    writer: ClusterWriter,
    promotion: Promotion,
    held: Claim,
    plan: Plan,
    made: Generation,
    still_allowed: Callable[[], None],
) -> None:
    """Fence and switch, and record the generation as live.

    Raises:
        PromotionError: where `promotion.switching_at` is empty then, nothing was switched.
    """
    target = promotion.environment

    def last_look() -> None:
        still_allowed()
        commit(promotion)

    with step(promotion, "cutover", "Fence, then switch all names at once"):
        states = keep_before(writer, promotion)
        locked = Unlocking.of(target) is None
        try:
            cutover(writer, held.lease, plan, made, target.naming, last_look, states)
        except PromotionError as error:
            unsure = isinstance(error, OutcomeUnknown) and promotion.switching_at is not None
            if unsure or isinstance(error, LeaseLost):
                # Only reading the truth back may end it.
                raise
            uncommit(promotion)
            if not locked:
                _reopen(writer, plan)
            raise
        record_live(promotion, plan, made)


def _reopen(writer: ClusterWriter, plan: Plan) -> None:
    try:
        writer.unblock([part.live.index for part in plan.changed])
    except LeaseLost:
        # Whoever took it over lifted the block, and may have set another.
        raise
    except PromotionError as error:
        raise Unfinished(
            f"{error} Nothing was switched, but the write block that a cutover sets stands."
        ) from error


def record_live(promotion: Promotion, plan: Plan, made: Generation) -> StoredGeneration:
    """Record that a promotion's generation is live; again is harmless."""
    with transaction.atomic():
        # Two workers may have read back that it is live: the second one sees the first one's.
        Environment.objects.select_for_update().get(pk=promotion.environment_id)
        known = StoredGeneration.objects.filter(marker=made.marker).first()
        if known is not None:
            # By another worker; since then another generation may have gone live.
            return known
        earlier = StoredGeneration.live_in(promotion.environment)
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
            live_since=Now(),
        )
        Drift.end(promotion.environment, _end_of_drift(promotion, earlier))
        now = timezone.now()
        Promotion.objects.filter(pk=promotion.pk).update(live_at=now)
        promotion.live_at = now
    return stored


def _end_of_drift(promotion: Promotion, earlier: StoredGeneration | None) -> Drift.Outcome:
    """Return what going live does to an edit by hand."""
    if promotion.build is not None and promotion.build.kind == Build.Kind.DRIFT:
        return Drift.Outcome.KEPT
    if earlier is not None and promotion.restores == earlier:
        return Drift.Outcome.DISCARDED
    return Drift.Outcome.REPLACED


def finish(promotion: Promotion, actor: Actor | None = None) -> Promotion:
    """Verify what went live and end the promotion; swap back on a mismatch.

    Then the worker removes what is not kept any more.

    Raises:
        PromotionError: verification failed, or the engine broke.
    """
    from promotion.smoke import after  # the tasks run these modules
    from promotion.tasks import clean_environment, smoke_check

    actor = actor or system_actor()
    plan, made = promotion.plan, promotion.made
    if not promotion.is_active or plan is None or made is None:
        return promotion
    target = promotion.environment
    try:
        with ending(actor, promotion):
            writer = writer_for(target)
            with claimed(writer, target, holder_of(promotion)) as held:
                _prove(writer, promotion, held, plan, made)
                words = f"Generation {made.number} is live and proved."
                conclude(actor, promotion, Promotion.Status.SUCCEEDED, words)
    except Mismatch:
        supersede(promotion.prepared)
        prepare_again(target)
        raise
    # Nobody has to wait for any of these.
    clean_environment.enqueue(target.pk)
    prepare_again(target)
    if (smoke := after(promotion)) is not None:
        smoke_check.enqueue(smoke.pk)
    return promotion


def _prove(
    writer: ClusterWriter, promotion: Promotion, held: Claim, plan: Plan, made: Generation
) -> None:
    target = promotion.environment
    unlocked = Unlocking.of(target) is not None
    try:
        with step(promotion, "verify", "Read back through the live names") as note:
            states = everything(writer, target)
            before = {part.resource: part.live.tree for part in plan.resources}
            proof = verify(
                writer,
                DatabaseContent(),
                target.naming,
                made,
                states,
                before=before,
                unlocked=unlocked,
            )
            note.detail = f"{proof.documents} documents are equal to the byte"
            if proof.edited:
                labels = [target.catalogue.get(name).label for name in proof.edited]
                note.detail += f"; edited by hand meanwhile: {', '.join(labels)}"
            else:
                note.detail += "; the rest was not written to"
    except Mismatch as error:
        _swap_back(writer, promotion, held, plan, error)
    held.check()
    with step(promotion, "receipt", "Prove that nothing else was touched") as note:
        note.detail = complete(writer, promotion, states)
    if unlocked:
        with step(promotion, "open", "Lift the block: the environment is unlocked"):
            writer.unblock([part.next_index for part in plan.changed])


def _swap_back(
    writer: ClusterWriter, promotion: Promotion, held: Claim, plan: Plan, error: Mismatch
) -> None:
    target = promotion.environment
    with step(promotion, "undo", "Swap back to what was live before"):
        undo(writer, held.lease, plan, target.naming)
        record_back(promotion, plan)
        if Unlocking.of(target) is not None:
            writer.unblock([part.live.index for part in plan.changed])
    raise Mismatch(f"{error} {back_at(plan)}")


def back_at(plan: Plan) -> str:
    """Say what production serves after a swap back."""
    return f"Production is back at generation {plan.base}."


def record_back(promotion: Promotion, plan: Plan) -> None:
    """Record that the generation before is live again; again is harmless."""
    with transaction.atomic():
        StoredGeneration.objects.filter(promotion=promotion).update(is_live=False, is_kept=False)
        StoredGeneration.objects.filter(
            environment=promotion.environment, marker=plan.base_marker
        ).update(is_live=True)
