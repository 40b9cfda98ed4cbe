"""Finds promotions whose worker died, reads the truth back from the cluster, and ends them.

A claim is over when it stood unchanged for one lease time on this worker's own clock.
"""

import time
from typing import Any

import structlog
from django.conf import settings

from accounts.audit import system_actor
from promotion.adoption import complete_adoption, give_up_adoption, run_release
from promotion.claim import claimed, holder_of
from promotion.engine.errors import LeaseHeld, PromotionError
from promotion.engine.plan import Generation
from promotion.engine.ports import AliasAction
from promotion.journal import conclude, ending
from promotion.models import Promotion, Unlocking
from promotion.planning import writer_for
from promotion.preparing import discard
from promotion.promotions import finish, record_live
from promotion.tasks import prepare_build, run_adoption
from promotion.tasks import run_release as release_task
from promotion.writer import ClusterWriter

TASKS = {
    Promotion.Kind.ADOPT: run_adoption,
    Promotion.Kind.PREPARE: prepare_build,
    Promotion.Kind.RELEASE: release_task,
}

log = structlog.get_logger(__name__)
GAVE_UP = (
    "Its worker died before anything was switched. Production is as it was; what was half made "
    "was removed. Try again."
)


def recover() -> list[Promotion]:
    """Take over what nobody works on any more, and return what was taken over.

    Call it again and again: the first call only notes how each claim stands.
    """
    taken = []
    for promotion in Promotion.objects.filter(status__in=Promotion.ACTIVE).select_related(
        "environment__cluster", "build"
    ):
        try:
            writer = writer_for(promotion.environment)
            if _is_over(writer, promotion):
                log.warning("promotion.recovering", promotion=promotion.pk, kind=promotion.kind)
                _recover(writer, promotion)
                taken.append(promotion)
        except LeaseHeld:
            continue
        except PromotionError as error:
            log.warning("promotion.recovery_failed", promotion=promotion.pk, error=str(error))
    return taken


def _is_over(writer: ClusterWriter, promotion: Promotion) -> bool:
    """Note how the claim stands; answer whether it stood so for a whole lease time."""
    state, _version = writer.lease(promotion.environment.naming.key)
    # A preparation holds no claim: its steps are its signs of life.
    steps = promotion.steps.count()
    mark: dict[str, Any] = {"number": state.number, "beat": state.beat, "steps": steps}
    seen = promotion.sighting or {}
    now = time.time()
    if {key: seen.get(key) for key in mark} != mark:
        promotion.sighting = {**mark, "at": now}
        promotion.save(update_fields=["sighting"])
        return False
    return bool(now - float(seen["at"]) >= settings.LEASE_SECONDS)


def _recover(writer: ClusterWriter, promotion: Promotion) -> None:
    actor = system_actor()
    if promotion.status == Promotion.Status.PENDING and promotion.kind in TASKS:
        # Its task may only wait for a busy worker: handed over twice, it begins once.
        TASKS[Promotion.Kind(promotion.kind)].enqueue(promotion.pk)
        Promotion.objects.filter(pk=promotion.pk).update(sighting=None)
        return
    if promotion.kind == Promotion.Kind.PREPARE:
        discard(writer, promotion)
        conclude(actor, promotion, Promotion.Status.ERRORED, GAVE_UP)
        return
    # A dead holder's claim is this promotion's own, so the next worker takes it over at once.
    if promotion.kind == Promotion.Kind.RELEASE:
        run_release(promotion, resume=True)
    elif promotion.kind == Promotion.Kind.ADOPT:
        _recover_adoption(writer, promotion)
    else:
        _recover_promotion(writer, promotion)


def _live_marker(writer: ClusterWriter, promotion: Promotion) -> str:
    facts = writer.marker(promotion.environment.naming.marker_alias) or {}
    return str(facts.get("marker", ""))


def _recover_promotion(writer: ClusterWriter, promotion: Promotion) -> None:
    plan, made, actor = promotion.plan, promotion.made, system_actor()
    if plan is not None and made is not None and _live_marker(writer, promotion) == made.marker:
        record_live(promotion, plan, made)
        finish(promotion)
        return
    with ending(actor, promotion), claimed(writer, promotion.environment, holder_of(promotion)):
        if plan is not None and made is not None:
            # First the marker: a late alias request of this attempt then fails whole. Only then
            # is what the names say the last word.
            facts = {**made.to_dict(), "plan": plan.digest}
            writer.delete([plan.marker])
            states = writer.states([part.next_index for part in plan.changed])
            if any(state.aliases for state in states.values()):
                writer.put_marker(plan.marker, facts)
                alias = promotion.environment.naming.marker_alias
                writer.switch([AliasAction("add", plan.marker, alias)])
                log.warning("promotion.was_live_after_all", promotion=promotion.pk)
                record_live(promotion, plan, made)
                return
            discard(writer, promotion)
            if Unlocking.of(promotion.environment) is not None:
                writer.unblock([part.live.index for part in plan.changed])
        conclude(actor, promotion, Promotion.Status.ERRORED, GAVE_UP)


def _recover_adoption(writer: ClusterWriter, promotion: Promotion) -> None:
    environment, actor = promotion.environment, system_actor()
    with ending(actor, promotion), claimed(writer, environment, holder_of(promotion)):
        facts = writer.marker(environment.naming.marker_alias)
        generation = Generation.from_dict(facts) if facts is not None else None
        mine = (
            environment.naming.marker_index(generation.number, promotion.token)
            if generation
            else ""
        )
        if generation is not None and generation.marker == mine:
            complete_adoption(actor, writer, promotion, generation)
            return
        give_up_adoption(writer, promotion)
        conclude(actor, promotion, Promotion.Status.ERRORED, GAVE_UP)
