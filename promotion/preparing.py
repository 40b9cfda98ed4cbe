"""Prepares builds: fills the indices of a generation that could go live."""

from django.db import transaction

from accounts.audit import Actor, system_actor
from environments.models import Environment
from promotion.claim import Claim
from promotion.engine.errors import PromotionError, RuleBroken
from promotion.engine.lease import take_generation
from promotion.engine.plan import Plan, ResourcePlan
from promotion.engine.preflight import consents
from promotion.engine.prepare import prepare as fill
from promotion.journal import check_cancelled, conclude, ending, move, step
from promotion.models import Build, Promotion, Review, StoredGeneration
from promotion.planning import (
    check_build,
    generation_numbers,
    indices_of,
    look,
    plan_for,
    writer_for,
)
from promotion.services import keep_build
from promotion.store import DatabaseContent
from promotion.writer import ClusterWriter


def current_preparation(target: Environment) -> Promotion | None:
    """Return the newest preparation for a target, if it belongs to what is live there."""
    newest = (
        Promotion.objects.filter(
            environment=target,
            kind=Promotion.Kind.PREPARE,
            status=Promotion.Status.SUCCEEDED,
        )
        .select_related("build__environment")
        .first()
    )
    return newest if newest is not None and newest.is_prepared else None


def newest_approved(target: Environment) -> Build | None:
    """Return the newest approved build that promotes to a target."""
    review = (
        Review.objects.filter(environment__promotes_to=target, verdict=Review.Verdict.APPROVED)
        .select_related("build__environment")
        .first()
    )
    if review is None:
        return None
    return (
        Build.objects.filter(environment=review.environment, content=review.content)
        .select_related("environment")
        .first()
    )


def is_live_already(build: Build, target: Environment) -> bool:
    """Answer whether a target serves the build's content, as far as the console recorded it."""
    live = StoredGeneration.live_in(target)
    return live is not None and live.build.content == build.content


def prepare(build: Build, target: Environment, actor: Actor | None = None) -> Promotion:
    """Prepare a build for a target, by the console itself, and return the ended record.

    Raises:
        PromotionError: it could not be prepared; nothing that Tracardi uses was touched.
    """
    actor = actor or system_actor()
    promotion = Promotion.objects.create(
        kind=Promotion.Kind.PREPARE, environment=target, build=build, requested_by=actor.user
    )
    move(promotion, Promotion.Status.RUNNING)
    with ending(actor, promotion):
        writer = writer_for(target)
        try:
            due = _prepare(writer, promotion, build, target)
        except Exception:
            discard(writer, promotion)
            raise
        conclude(actor, promotion, Promotion.Status.SUCCEEDED, due)
    return promotion


def _prepare(writer: ClusterWriter, promotion: Promotion, build: Build, target: Environment) -> str:
    with step(promotion, "look", "Look at what production serves") as note:
        live = look(writer, target)
        note.detail = f"Generation {live.generation.number}"
        if live.drifted:
            kept = keep_build(
                system_actor(), target, live.captured, target.cluster.uuid, Build.Kind.DRIFT
            )
            note.detail += f"; edited by hand: {', '.join(live.drifted)}, kept as {kept}"
    with step(promotion, "check", "Check the build against production"):
        check_build(writer, build, live, target)
    with step(promotion, "plan", "Plan the new generation") as note:
        numbers = generation_numbers(target, indices_of(writer, target))
        plan = plan_for(
            writer,
            target,
            live,
            {name: part.tree for name, part in build.resources().items()},
            content=build.content,
            number=take_generation(writer, target.naming.key, numbers),
            attempt=promotion.token,
        )
        if not plan.changed and not live.drifted:
            raise RuleBroken(f"{build} is what {target} serves already. There is nothing to do.")
        _remember(promotion, plan, list(live.drifted))
        note.detail = f"{len(plan.changed)} of {len(plan.resources)} resources change"
    fill_generation(writer, promotion, plan)
    return f"Prepared as generation {plan.number}."


def fill_generation(
    writer: ClusterWriter, promotion: Promotion, plan: Plan, claim: Claim | None = None
) -> None:
    """Fill the plan's fresh indices and make its marker, as a step of the promotion."""

    def progress(_part: ResourcePlan) -> None:
        check_cancelled(promotion)
        if claim is not None:
            claim.keep()

    with step(promotion, "copy", "Write and prove the new indices") as note:
        made = fill(writer, DatabaseContent(), plan, progress)
        promotion.made_facts = made.to_dict()
        promotion.save(update_fields=["made_facts"])
        documents = sum(part.next_tree.count for part in plan.fresh)
        reused = len(plan.changed) - len(plan.fresh)
        note.detail = f"{documents} documents in {len(plan.fresh)} new indices"
        if reused:
            note.detail += f"; {reused} kept indices are used again"


def _remember(promotion: Promotion, plan: Plan, drifted: list[str]) -> None:
    remember_plan(promotion, plan)
    promotion.consents_due = [f.to_dict() for f in consents(plan.counts, drifted)]
    promotion.save(update_fields=["consents_due"])


def remember_plan(promotion: Promotion, plan: Plan) -> None:
    """Keep the plan with the promotion."""
    promotion.plan_facts, promotion.plan_digest = plan.to_dict(), plan.digest
    promotion.save(update_fields=["plan_facts", "plan_digest"])


def discard(writer: ClusterWriter, promotion: Promotion) -> None:
    """Delete what a promotion that did not go live made: first its marker, then its indices.

    Without its marker a late alias request of this attempt fails whole.
    """
    plan = promotion.plan
    if plan is None:
        return
    try:
        writer.delete([plan.marker])
        writer.delete([part.next_index for part in plan.fresh])
    except PromotionError:
        # The next clean-up finds them by their recorded names.
        return


def prepare_again(target: Environment) -> None:
    """Enqueue the preparation of the newest approved build, if it is neither live nor prepared."""
    from promotion.tasks import prepare_build  # the task runs this module

    build = newest_approved(target)
    if build is None or is_live_already(build, target):
        return
    ready = current_preparation(target)
    if ready is not None and ready.build is not None and ready.build.content == build.content:
        return
    transaction.on_commit(lambda: prepare_build.enqueue(build.pk, target.pk))
