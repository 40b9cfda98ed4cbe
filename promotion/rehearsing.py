"""Rehearses: everything but the switch, into a scratch generation that is removed again.

A rehearsal holds no claim and stands in nobody's way, as a preparation; it never counts as one.
"""

from collections.abc import Callable
from typing import Any, Final

from accounts.audit import Actor, system_actor
from accounts.authorising import authorise
from accounts.roles import Verb
from environments.models import Environment
from promotion.beginning import begin, refuse
from promotion.engine.cutover import fence
from promotion.engine.errors import (
    PreflightFailed,
    PromotionError,
    RuleBroken,
    Unfinished,
)
from promotion.engine.plan import Plan
from promotion.engine.rehearsal import read_made
from promotion.estimates import many, measured, seconds, time_words
from promotion.journal import conclude, ending, move, step
from promotion.models import Build, Promotion, StoredGeneration
from promotion.planning import (
    everything,
    indices_of,
    writer_for,
)
from promotion.preparing import fill_next, is_live_already, remove_made
from promotion.promotions import promote_problem, wrong_target
from promotion.rehearsing_rollback import alive, rehearse_rollback
from promotion.store import DatabaseContent
from promotion.writer import ClusterWriter

ACTION: Final = "rehearse.requested"
GAVE_UP: Final = (
    "Its worker stopped before it ended. Nothing that Tracardi uses was touched, and what it had "
    "made was removed. Rehearse again."
)
Task = Callable[[int], object]


def rehearse_problem(build: Build, target: Environment) -> str:
    """Return why a promotion of this build cannot be rehearsed, or an empty string.

    It need not be approved, prepared or reviewed.
    """
    if problem := wrong_target(build, target):
        return problem
    live = StoredGeneration.live_in(target)
    if live is None:
        return f"{target} is not adopted. Adopt it first."
    if is_live_already(build, target) and not live.may_be_edited:
        return f"{target} serves what {build} holds already. There is nothing to rehearse."
    return ""


def request_rehearsal(
    actor: Actor, build: Build, target: Environment, *, task: Task | None = None
) -> Promotion:
    """Begin to rehearse the promotion of a build, approved or not.

    `task` has the worker call `run_rehearsal`; without one, call it afterwards.

    Raises:
        NotAllowedError, RuleBroken: nothing was changed.
    """
    authorise(actor, Verb.PROMOTE, ACTION, target)
    if problem := rehearse_problem(build, target):
        raise refuse(actor, ACTION, target, f"{problem} Nothing was changed.")
    detail = {"of": "promotion"}
    return begin(actor, Promotion.Kind.REHEARSE, target, task=task, detail=detail, build=build)


def request_rollback_rehearsal(
    actor: Actor, target: Environment, *, task: Task | None = None
) -> Promotion:
    """Begin to rehearse the rollback of a target. As `request_rehearsal`."""
    authorise(actor, Verb.PROMOTE, ACTION, target)
    live = StoredGeneration.live_in(target)
    if live is None or live.previous is None:
        words = f"{target} has no earlier generation to roll back to. Nothing was changed."
        raise refuse(actor, ACTION, target, words)
    return begin(
        actor,
        Promotion.Kind.REHEARSE,
        target,
        task=task,
        detail={"of": "rollback"},
        build=live.previous.build,
        restores=live.previous,
    )


def run_rehearsal(promotion: Promotion, actor: Actor | None = None) -> Promotion:
    """Do a rehearsal and end it; one that was begun or ended already is left alone.

    Raises:
        PromotionError: the real thing would not do either; what was made is removed.
    """
    actor = actor or system_actor()
    build = promotion.build
    if build is None or not move(promotion, Promotion.Status.RUNNING):
        return promotion
    with ending(actor, promotion):
        writer = writer_for(promotion.environment)
        try:
            if promotion.restores is not None:
                words = rehearse_rollback(writer, promotion, promotion.restores)
            else:
                words = _rehearse(writer, promotion, build)
        except Exception as error:
            if isinstance(error, PreflightFailed):
                promotion.findings = [finding.to_dict() for finding in error.findings]
                promotion.save(update_fields=["findings"])
            _clear_away(writer, promotion, error)
            raise
        conclude(actor, promotion, Promotion.Status.SUCCEEDED, words)
    return promotion


def _clear_away(writer: ClusterWriter, promotion: Promotion, error: Exception) -> None:
    try:
        remove_made(writer, promotion)
    except PromotionError as unable:
        raise Unfinished(f"{error} What the rehearsal made could not be removed yet.") from unable


def give_up_rehearsal(writer: ClusterWriter, promotion: Promotion) -> None:
    """Remove what a dead worker's rehearsal made, and end it.

    Raises:
        PromotionError: it could not be removed; it goes on, and the next look tries again.
    """
    remove_made(writer, promotion)
    conclude(system_actor(), promotion, Promotion.Status.ERRORED, GAVE_UP)


def _rehearse(writer: ClusterWriter, promotion: Promotion, build: Build) -> str:
    target = promotion.environment
    plan, made = fill_next(writer, promotion, build, keeps_drift=False), promotion.made
    if made is None:
        raise RuleBroken("The rehearsal made no generation. Nothing was switched.")
    with step(promotion, "fence", "Fence, as right before the switch") as note:
        fence(writer, plan, made, indices_of(writer, target))
        note.detail = "Nothing moved since the plan. The switch itself is left out"
    with step(promotion, "verify", "Read back what was made") as note:
        everything(writer, target)
        count = read_made(writer, DatabaseContent(), plan, alive(promotion))
        note.detail = f"{count} documents are equal to the byte"
    with step(promotion, "clean", "Remove what the rehearsal made") as note:
        note.detail = f"{many(remove_made(writer, promotion), 'index', 'indices')} and the marker"
    promotion.report = _report(promotion, plan)
    promotion.save(update_fields=["report"])
    return _words(promotion, promotion.report)


def _report(promotion: Promotion, plan: Plan) -> dict[str, Any]:
    took, target = measured(promotion), promotion.environment
    asker = Actor(user=promotion.requested_by, channel="system")
    return {
        "of": "promotion",
        "resources": len(plan.changed),
        "indices": len(plan.fresh),
        "documents": sum(part.next_tree.count for part in plan.fresh),
        "reused": len(plan.changed) - len(plan.fresh),
        "seconds": seconds(
            target,
            preparation=sum(took[name] for name in ("look", "check", "plan", "copy")),
            fence=took["fence"],
            verification=took["verify"],
        ),
        "stands_against": promote_problem(asker, promotion.build, target)
        if promotion.build is not None
        else "",
    }


def _words(promotion: Promotion, report: dict[str, Any]) -> str:
    words = (
        f"The promotion would work: {many(report['resources'], 'resource')} to change, "
        f"{many(report['documents'], 'document')} in "
        f"{many(report['indices'], 'new index', 'new indices')}. " + time_words(report["seconds"])
    )
    if due := promotion.consents_due:
        words += f" {many(len(due), 'consent is', 'consents are')} due."
    if report["stands_against"]:
        words += f" Yet before it: {report['stands_against']}"
    return words
