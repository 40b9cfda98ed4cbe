"""Makes a missing set of indices like another one: looks, plans, makes just that, reads it back."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.elastic import connect
from environments.findings import Finding, Severity, errors
from environments.models import Environment
from environments.provisioning import Kind, Look, Plan, Step, make_plan, unlike
from promotion.beginning import RUNNING_ALREADY, refuse, running_in
from promotion.claim import claimed
from promotion.engine import preflight
from promotion.engine.errors import (
    Conflict,
    LeaseHeld,
    Mismatch,
    PreflightFailed,
    PromotionError,
    StalePlan,
)
from promotion.making import SetMaker
from promotion.planning import writer_for

ACTION: Final = "environment.provision"
AGAIN: Final = "What was made is complete, each by itself. Run it again: it goes on from there."
# Enough to know what is wrong; the plan has them all.
MOST_SAID: Final = 5


def plan(target: Environment, like: Environment) -> Plan:
    """Return what is missing of `target`, with all that stands against making it. Writes nothing.

    Raises:
        PromotionError: one of the clusters does not answer, or is another one than before.
    """
    ours, theirs = _reader(target), _reader(like)
    made = make_plan(_look(theirs, like), _look(ours, target), datetime.now(UTC).date())
    if errors(made.findings):
        return made
    return made.with_findings(_against(ours, made))


def _reader(environment: Environment) -> SetMaker:
    maker = SetMaker(connect(environment.cluster))
    maker.same_uuid(environment.cluster, "Nothing was made.")
    return maker


def _look(maker: SetMaker, environment: Environment) -> Look:
    naming = environment.naming
    resources = naming.catalogue.resources
    names = [naming.alias(one.name) for one in resources]
    names += [naming.concrete(one.name) for one in resources if not one.partitioned]
    return Look(
        naming,
        maker.uuid(),
        maker.states([*naming.search_patterns(), *names]),
        maker.templates(),
    )


def _against(maker: SetMaker, made: Plan) -> Iterator[Finding]:
    """Yield what the cluster itself says against a plan."""
    room = maker.capacity()
    yield from preflight.check_engine(room)
    yield from preflight.check_health(room.health)
    yield from preflight.check_disks(room)
    indices = [step for step in made.due if step.kind is Kind.INDEX]
    yield from preflight.check_shards(room, sum(_shards(step) for step in indices))
    elsewhere = made.like_cluster != made.target_cluster
    for step in made.due:
        # What this very cluster has made once it will make again; a template it may still refuse.
        judged = step.kind is not Kind.INDEX or (elsewhere and not step.by_template)
        if judged and (words := maker.refusal(step)):
            yield Finding(
                "engine-refuses",
                Severity.ERROR,
                f"The cluster does not take the {step.kind} {step.name}: {words[:400]}",
                "Use an engine of the kind that the other one has, or remove the template that "
                "overlaps.",
                step.resource,
            )


def _shards(step: Step) -> int:
    settings = step.body.get("settings", {})
    copies = str(settings.get("index.number_of_replicas", "1"))
    primaries = int(str(settings.get("index.number_of_shards", "1")))
    return primaries * (1 + (int(copies) if copies.isdigit() else 1))


def provision(
    actor: Actor,
    target: Environment,
    like: Environment,
    *,
    digest: str,
    reason: str = "",
    progress: Callable[[Step], None] = lambda _step: None,
    patience: float = 0.0,
) -> Plan:
    """Make what is missing of `target` like `like`, by just the plan of that digest; return it.

    Again after a crash it goes on where it was, with a new plan. Nothing that is there is touched.
    While another works there, it waits for `patience` seconds.

    Raises:
        NotAllowedError: the actor may not.
        PreflightFailed, StalePlan: something stands against it; nothing was made.
        PromotionError: it broke on the way; what was made is complete, each by itself.
    """
    authorise(actor, Verb.MANAGE, ACTION, target, confirmed=True)
    with failures(actor, target, ACTION):
        refuse_running(target)
        # Looked at twice: a refusal leaves not even a claim behind.
        check_plan(plan(target, like), digest)
        writer_for(target)
        maker = _reader(target)
        with claimed(maker, target, f"provision-{secrets.token_hex(6)}", patience=patience):
            refuse_running(target)
            confirmed = plan(target, like)
            check_plan(confirmed, digest)
            detail = {"like": like.slug, "plan": confirmed.digest}
            record(actor, f"{ACTION}.begun", target, reason=reason, detail=detail)
            _make(maker, confirmed, progress)
            _prove(maker, target, like, confirmed)
    names = [step.name for step in confirmed.due]
    record(actor, ACTION, target, reason=reason, detail={**detail, "made": names})
    return confirmed


def check_plan(found: Plan, digest: str) -> None:
    """Check that a plan is the one that was confirmed, and that nothing stands against it.

    Raises:
        PreflightFailed, StalePlan: with what is wrong; nothing was made.
    """
    if wrong := errors(found.findings):
        words = " ".join(f"{one.message} {one.remedy}" for one in wrong[:MOST_SAID])
        more = f" And {len(wrong) - MOST_SAID} more." if len(wrong) > MOST_SAID else ""
        raise PreflightFailed(f"{words}{more} Nothing was made.", found.findings)
    if found.digest != digest:
        raise StalePlan(
            "The clusters hold something else than when this plan was made. Nothing was made. "
            "Look at the new plan."
        )


def refuse_running(environment: Environment) -> None:
    """Check that no promotion works on an environment.

    Raises:
        PreflightFailed: one does.
    """
    if running_in(environment) is not None:
        raise PreflightFailed(RUNNING_ALREADY)


@contextmanager
def failures(actor: Actor, environment: Environment, action: str) -> Iterator[None]:
    """Record what a block is refused or breaks by, and let it go on up."""
    try:
        yield
    except (PreflightFailed, StalePlan, LeaseHeld) as error:
        refuse(actor, action, environment, str(error))
        raise
    except PromotionError as error:
        failed = AuditEvent.Outcome.FAILED
        record(actor, action, environment, outcome=failed, reason=str(error))
        raise


def _make(maker: SetMaker, confirmed: Plan, progress: Callable[[Step], None]) -> None:
    for step in confirmed.due:
        try:
            maker.make(step)
        except Conflict as error:
            raise Conflict(f"{error} It was left as it is. {AGAIN}") from error
        except PromotionError as error:
            raise type(error)(f"{error} {AGAIN}") from error
        progress(step)
    indices = {step.name: step for step in confirmed.due if step.kind is Kind.INDEX}
    primaries = {
        name: int(str(step.body.get("settings", {}).get("index.number_of_shards", "1")))
        for name, step in indices.items()
    }
    if primaries:
        maker.await_started(primaries)


def _prove(maker: SetMaker, target: Environment, like: Environment, confirmed: Plan) -> None:
    """Read back all that the plan names.

    Raises:
        Mismatch: something is missing, or is not as it was to be.
    """
    now = plan(target, like)
    wrong = [finding.message for finding in errors(now.findings)]
    wrong += [f"{step.kind} {step.name} is missing." for step in now.due]
    made = [step for step in confirmed.due if step.kind is Kind.INDEX]
    states = maker.states([step.name for step in made])
    for step in made:
        if step.name in states and (parts := unlike(step, states[step.name])):
            wrong.append(f"{step.name} was not made as planned: {', '.join(parts)}.")
    if wrong:
        raise Mismatch(
            f"What was read back is not what was planned: {' '.join(wrong[:MOST_SAID])} "
            "Look for index templates that match these names. Nothing that was there was touched."
        )
