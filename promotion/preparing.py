"""Prepares builds: fills the indices of a generation that could go live."""

from collections.abc import Callable

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts.audit import Actor, record, system_actor
from environments.models import Environment
from promotion.claim import pulse
from promotion.engine.errors import PromotionError, RuleBroken
from promotion.engine.lease import take_generation
from promotion.engine.plan import Plan
from promotion.engine.preflight import consents
from promotion.engine.prepare import prepare as fill
from promotion.journal import check_cancelled, conclude, ending, move, step
from promotion.models import Build, Promotion, Review, StoredGeneration
from promotion.planning import (
    Live,
    check_build,
    check_ours,
    check_room,
    generation_numbers,
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
        .exclude(fate=Promotion.Fate.SUPERSEDED)
        .select_related("build__environment")
        .first()
    )
    return newest if newest is not None and newest.is_prepared else None


def newest_approved(target: Environment) -> Build | None:
    """Return the newest build for a target whose content was approved, be it in an earlier one."""
    approved = Review.objects.filter(
        environment=OuterRef("environment"),
        content=OuterRef("content"),
        verdict=Review.Verdict.APPROVED,
    )
    # What was edited by hand in the target itself may be kept, once it is approved too.
    theirs = Q(environment__promotes_to=target) | Q(environment=target, kind=Build.Kind.DRIFT)
    live = StoredGeneration.live_in(target)
    if live is not None:
        # What was composed on another content must be composed again: see `Build.rests_on`.
        content = live.build.content
        theirs &= ~Q(kind=Build.Kind.COMPOSED) | Q(composed_on=content) | Q(content=content)
    return Build.objects.filter(theirs, Exists(approved)).select_related("environment").first()


def is_live_already(build: Build, target: Environment) -> bool:
    """Answer whether a target serves the build's content, as far as the console recorded it."""
    live = StoredGeneration.live_in(target)
    return live is not None and live.build.content == build.content


def last_preparation(build: Build, target: Environment) -> Promotion | None:
    """Return the newest preparation of a build's content for a target, however it ended."""
    return Promotion.objects.filter(
        environment=target, kind=Promotion.Kind.PREPARE, build__content=build.content
    ).first()


def request_preparation(
    build: Build, target: Environment, actor: Actor | None = None
) -> Promotion | None:
    """Have the worker prepare a build, if it needs to be; return the record of it.

    None where the target is not adopted, serves it already, or has it prepared or under way. What
    is live is prepared once more only for a person, to discard what was edited by hand.
    """
    from promotion.tasks import prepare_build  # the task runs this module

    actor = actor or system_actor()
    with transaction.atomic():
        # Locks the row where the database can, so that two clicks do not have it prepared twice.
        Environment.objects.select_for_update().get(pk=target.pk)
        if not _is_due(build, target, by_person=actor.user is not None):
            return None
        promotion = _record(build, target, actor)
        record(actor, "prepare.requested", promotion)
        prepare_build.enqueue(promotion.pk)
    return promotion


def _is_due(build: Build, target: Environment, *, by_person: bool) -> bool:
    live = StoredGeneration.live_in(target)
    if live is None or (is_live_already(build, target) and not (by_person and live.may_be_edited)):
        return False
    ready, last = current_preparation(target), last_preparation(build, target)
    if ready is not None and ready.build is not None and ready.build.content == build.content:
        return False
    return last is None or not last.is_active


def _record(build: Build, target: Environment, actor: Actor) -> Promotion:
    return Promotion.objects.create(
        kind=Promotion.Kind.PREPARE, environment=target, build=build, requested_by=actor.user
    )


def prepare(build: Build, target: Environment, actor: Actor | None = None) -> Promotion:
    """Prepare a build for a target here and now, and return the ended record.

    Raises:
        PromotionError: it could not be prepared; nothing that Tracardi uses was touched.
    """
    actor = actor or system_actor()
    # One that waits for a worker is not made twice.
    waiting = last_preparation(build, target)
    if waiting is None or waiting.status != Promotion.Status.PENDING:
        waiting = _record(build, target, actor)
    return run_preparation(waiting, actor)


def run_preparation(promotion: Promotion, actor: Actor | None = None) -> Promotion:
    """Do a preparation that was recorded, and end it. Raises as `prepare`."""
    actor = actor or system_actor()
    build, target = promotion.build, promotion.environment
    if build is None or not move(promotion, Promotion.Status.RUNNING):
        return promotion
    with ending(actor, promotion):
        writer = writer_for(target)
        try:
            plan = fill_next(writer, promotion, build)
        except Exception:
            discard(writer, promotion)
            raise
        words = f"Prepared as generation {plan.number}."
        if not conclude(actor, promotion, Promotion.Status.SUCCEEDED, words):
            # Its worker stalled, and it was given up meanwhile: what was removed is there again.
            discard(writer, promotion)
            raise RuleBroken(f"{promotion} has ended as {promotion.status}. Nothing more was done.")
    _only_newest(promotion)
    if not promotion.is_prepared:
        # Another generation went live meanwhile, or a newer build was prepared.
        prepare_again(target)
    return promotion


def _only_newest(promotion: Promotion) -> None:
    """Supersede the preparations before this one, but one that a promotion takes just now."""
    from promotion.tasks import clean_environment  # the tasks run this module

    earlier = Promotion.objects.filter(
        environment=promotion.environment,
        kind=Promotion.Kind.PREPARE,
        status=Promotion.Status.SUCCEEDED,
        fate="",
        pk__lt=promotion.pk,
    )
    if earlier.update(fate=Promotion.Fate.SUPERSEDED):
        clean_environment.enqueue(promotion.environment_id)


def fill_next(
    writer: ClusterWriter, promotion: Promotion, build: Build, *, keeps_drift: bool = True
) -> Plan:
    """Plan and fill the generation that would make the target equal a build, step by step.

    What was edited by hand is kept as a build, unless told otherwise.

    Raises:
        PromotionError: it cannot be done; what was made until then is still there.
    """
    target = promotion.environment
    with step(promotion, "look", "Look at what production serves") as note:
        live = look(writer, target)
        check_ours(target, live)
        note.detail = f"Generation {live.generation.number}"
        if live.drifted:
            note.detail += f"; edited by hand: {', '.join(live.drifted)}"
        if live.drifted and keeps_drift:
            kept = keep_build(
                system_actor(), target, live.captured, target.cluster.uuid, Build.Kind.DRIFT
            )
            note.detail += f", kept as {kept}"
    with step(promotion, "check", "Check the build against production"):
        check_build(build, live, target)
    with step(promotion, "plan", "Plan the new generation") as note:
        numbers = generation_numbers(target, live.states)
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
        check_room(plan, live)
        _remember(promotion, plan, plan.overwritten(live.drifted))
        note.detail = f"{len(plan.changed)} of {len(plan.resources)} resources change"
    fill_generation(writer, promotion, plan, live, pulse(promotion))
    return plan


def fill_generation(
    writer: ClusterWriter,
    promotion: Promotion,
    plan: Plan,
    live: Live,
    alive: Callable[[], None],
) -> None:
    """Fill the plan's fresh indices and make its marker, as a step of the promotion.

    `live` is what the plan was made from. `alive` is called often, and raises where the work may
    not go on.
    """

    def progress() -> None:
        check_cancelled(promotion)
        alive()

    with step(promotion, "copy", "Write and prove the new indices") as note:
        content, back = DatabaseContent(), lineage(promotion)
        made = fill(writer, content, plan, live.states, progress, back)
        promotion.made_facts = made.to_dict()
        promotion.save(update_fields=["made_facts"])
        documents = sum(part.next_tree.count for part in plan.fresh)
        reused = len(plan.changed) - len(plan.fresh)
        note.detail = f"{documents} documents in {len(plan.fresh)} new indices"
        if reused:
            note.detail += f"; {reused} kept indices are used again"


def lineage(promotion: Promotion) -> dict[str, str]:
    """Return the markers that a rollback's own marker names; empty for anything else."""
    restored = promotion.restores
    if restored is None:
        return {}
    before = restored.previous
    return {
        "restores": restored.marker,
        "previous": before.marker if before is not None else "",
    }


def _remember(promotion: Promotion, plan: Plan, drifted: list[str]) -> None:
    remember_plan(promotion, plan)
    promotion.consents_due = [f.to_dict() for f in consents(plan.counts, drifted)]
    promotion.save(update_fields=["consents_due"])


def remember_plan(promotion: Promotion, plan: Plan) -> None:
    """Keep the plan with the promotion."""
    promotion.plan_facts, promotion.plan_digest = plan.to_dict(), plan.digest
    promotion.save(update_fields=["plan_facts", "plan_digest"])


def discard(writer: ClusterWriter, promotion: Promotion) -> None:
    """Delete what a promotion that did not go live made, as `remove_made`, where that works."""
    try:
        remove_made(writer, promotion)
    except PromotionError:
        # The next clean-up finds them by their recorded names.
        return


def remove_made(writer: ClusterWriter, promotion: Promotion) -> int:
    """Delete what an attempt made: first its marker, then its indices; return how many indices.

    Without its marker a late alias request of this attempt fails whole. What is live, or has a
    name for whatever reason, is left alone.

    Raises:
        PromotionError: the cluster could not be asked, or refused.
    """
    plan = promotion.plan
    if plan is None:
        return 0
    live = writer.marker(promotion.environment.naming.marker_alias) or {}
    if live.get("marker") == plan.marker:
        return 0
    writer.delete([plan.marker])
    states = writer.states([part.next_index for part in plan.fresh])
    nameless = [name for name, state in states.items() if not state.aliases]
    writer.delete(nameless)
    return len(nameless)


def prepare_again(target: Environment) -> None:
    """Have the newest approved build prepared, if it is neither live nor prepared."""
    build = newest_approved(target)
    if build is not None:
        request_preparation(build, target)
