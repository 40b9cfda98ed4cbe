"""Promotes: the click."""

from collections.abc import Collection

from accounts.audit import Actor
from accounts.authorising import authorise
from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from environments.models import Environment
from promotion.batch_models import Batch
from promotion.beginning import begin, refuse, supersede
from promotion.claim import claim, holder_of
from promotion.engine.errors import RuleBroken, StalePlan
from promotion.engine.plan import Generation, Plan
from promotion.journal import ending, move
from promotion.live import go_live
from promotion.models import Build, Promotion, StoredGeneration
from promotion.planning import writer_for
from promotion.preparing import current_preparation, is_live_already, prepare, prepare_again
from promotion.services import moved_words


def promote(
    actor: Actor,
    build: Build,
    target: Environment,
    *,
    plan_digest: str,
    consents: Collection[str] = (),
    comment: str = "",
    batch: Batch | None = None,
) -> Promotion:
    """Cut over to a prepared build and return the promotion, live but not verified yet.

    `plan_digest` is of the plan that was confirmed, `consents` the codes that were agreed to,
    `batch` what it is a part of.
    Call `live.finish` afterwards, here or in the worker.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: a rule said no; nothing was switched.
        MachineryError: the engine broke; the message says what is live.
    """
    action = "promote.requested"
    authorise(actor, Verb.PROMOTE, action, target, confirmed=True)
    prepared = current_preparation(target)
    problem = promote_problem(actor, build, target) or _plan_problem(
        prepared, build, plan_digest, set(consents)
    )
    if problem or prepared is None:
        raise refuse(actor, action, target, f"{problem} Nothing was changed.")
    plan, made = prepared.plan, prepared.made
    if plan is None or made is None:
        raise refuse(actor, action, target, "The preparation is not complete.")
    promotion = begin(
        actor,
        Promotion.Kind.PROMOTE,
        target,
        detail={"consents": sorted(consents), "plan": plan_digest},
        build=build,
        prepared=prepared,
        plan_facts=prepared.plan_facts,
        plan_digest=prepared.plan_digest,
        made_facts=prepared.made_facts,
        consents_due=prepared.consents_due,
        comment=comment,
        batch=batch,
    )
    move(promotion, Promotion.Status.RUNNING)
    try:
        with ending(actor, promotion):
            _cut_over(actor, promotion, build, plan, made)
    except StalePlan:
        supersede(prepared)
        prepare_again(target)
        raise
    return promotion


def prepared_for(actor: Actor, build: Build, target: Environment) -> Promotion:
    """Return the preparation of a build that may be promoted; it is made here where there is none.

    Raises:
        NotAllowedError, RuleBroken: it may not be promoted, or is live already.
        PromotionError: it could not be prepared; nothing that Tracardi uses was touched.
    """
    ready = current_preparation(target)
    if ready is not None and ready.build is not None and ready.build.content == build.content:
        return ready
    action = "promote.requested"
    authorise(actor, Verb.PROMOTE, action, target, confirmed=True)
    if problem := promote_problem(actor, build, target):
        raise refuse(actor, action, target, f"{problem} Nothing was changed.")
    live = StoredGeneration.live_in(target)
    edited = live is not None and live.may_be_edited
    if is_live_already(build, target) and not edited:
        words = f"{target} serves what {build} holds already. Nothing was changed."
        raise refuse(actor, action, target, words)
    return prepare(build, target)


def _cut_over(
    actor: Actor, promotion: Promotion, build: Build, plan: Plan, made: Generation
) -> None:
    target = promotion.environment
    writer = writer_for(target)
    held = claim(writer, target, holder_of(promotion))
    try:
        go_live(writer, promotion, held, plan, made, lambda: still_allowed(actor, build, target))
    finally:
        if promotion.switching_at is None:
            held.give_back()
        else:
            # Verification goes on under the same name.
            held.stop()


def wrong_target(build: Build, target: Environment) -> str:
    """Return why this build does not go to this target, or an empty string."""
    stays = build.kind == Build.Kind.DRIFT and build.environment_id == target.pk
    feeds = Environment.objects.filter(pk=build.environment_id, promotes_to=target)
    if stays or feeds.exists():
        return ""
    return f"{build.environment} does not promote to {target}."


def promote_problem(actor: Actor, build: Build, target: Environment) -> str:
    """Return why this build may not be promoted to this target, or an empty string."""
    if problem := wrong_target(build, target):
        return problem
    review = build.review
    if review is None or review.verdict != review.Verdict.APPROVED:
        state = review.said if review is not None else "is not reviewed"
        return f"{build} {state}. Only an approved build goes live."
    if actor.user is not None and review.reviewed_by_id == actor.user.pk:
        # Whatever their role was then: one of the two became the other.
        return (
            f"{actor.name} approved {review.build}, and who approved a build does not promote it, "
            "in whatever role. Capture and approve another build by somebody else, or hand the "
            "role of the administrator over."
        )
    live = StoredGeneration.live_in(target)
    if live is None:
        return f"{target} is not adopted. Adopt it first."
    return "" if build.rests_on(live) else moved_words(build, target)


def _plan_problem(
    prepared: Promotion | None, build: Build, plan_digest: str, agreed: set[str]
) -> str:
    if prepared is None or prepared.build is None or prepared.build.content != build.content:
        return f"{build} is not prepared. Wait until it is."
    if prepared.plan_digest != plan_digest:
        return "The plan is not the one that you confirmed. Look at it again."
    return missing_consents(prepared.consents_due, agreed)


def missing_consents(due: list[dict[str, str]], agreed: Collection[str]) -> str:
    """Return in words what was not agreed to, or an empty string."""
    missing = [finding["message"] for finding in due if finding["code"] not in agreed]
    return f"Agree to this first: {' '.join(missing)}" if missing else ""


def still_allowed(actor: Actor, build: Build | None, target: Environment) -> None:
    """Ask again at the last moment: an account or an approval may be gone since the click.

    Raises:
        RuleBroken: it is.
    """
    if actor.user is not None:
        user = User.objects.get(pk=actor.user.pk)
        verdict = may(user, Verb.PROMOTE, target)
        if not verdict:
            raise RuleBroken(f"{verdict.reason} Nothing was switched.")
    if build is not None and (problem := promote_problem(actor, build, target)):
        raise RuleBroken(f"{problem} Nothing was switched.")
