"""Finds promotions whose worker died, reads the truth back from the cluster, and ends them.

A claim is over when it stood unchanged for one lease time on this worker's own clock.
"""

import secrets
import time
from typing import Any, Final

import structlog
from django.conf import settings

from accounts.audit import system_actor
from environments.models import Environment
from promotion.adoption import complete_adoption, give_up_adoption
from promotion.batches import recover_batches
from promotion.beginning import supersede
from promotion.claim import claim, claimed, holder_of
from promotion.engine.errors import LeaseHeld, PromotionError
from promotion.engine.found import see
from promotion.engine.plan import Generation, marker_facts, names_of
from promotion.engine.ports import AliasAction
from promotion.journal import DEFECT, conclude, ending, interrupt
from promotion.live import back_at, finish, record_back, record_live
from promotion.lost import contradicts, difference, note
from promotion.models import Promotion, Unlocking
from promotion.planning import writer_for
from promotion.preparing import discard, lineage, prepare_again
from promotion.rehearsing import give_up_rehearsal
from promotion.releasing import run_release
from promotion.tasks import check_environment, prepare_build, run_adoption, run_reconciliation
from promotion.tasks import run_rehearsal as rehearsal_task
from promotion.tasks import run_release as release_task
from promotion.writer import ClusterWriter

TASKS: Final = {
    Promotion.Kind.ADOPT: run_adoption,
    Promotion.Kind.PREPARE: prepare_build,
    Promotion.Kind.RELEASE: release_task,
    Promotion.Kind.RECONCILE: run_reconciliation,
    Promotion.Kind.REHEARSE: rehearsal_task,
}
log = structlog.get_logger(__name__)
GAVE_UP: Final = (
    "Its worker died before anything was switched. Production is as it was; what was half made "
    "was removed. Try again."
)
# A build that kills each worker that prepares it is left for a person to look at.
MOST_DEATHS: Final = 3
SWAPPED_BACK: Final = (
    "Verification refused what went live, and its worker died while it swapped back."
)
clock = time.monotonic
# How each promotion stood when this process saw it so first, and when that was on its own clock.
_sightings: Final[dict[int, tuple[dict[str, Any], float]]] = {}


def recover() -> list[Promotion]:
    """Take over what nobody works on any more, and return what was taken over.

    Call it again and again: the first call only notes how each claim stands.
    """
    taken = []
    for promotion in Promotion.objects.filter(status__in=Promotion.ACTIVE).select_related(
        "environment__cluster", "build", "prepared"
    ):
        try:
            writer = writer_for(promotion.environment)
            if not _is_over(writer, promotion):
                continue
            if _is_lost(writer, promotion):
                continue
            log.warning("promotion.recovering", promotion=promotion.pk, kind=promotion.kind)
            _sightings.pop(promotion.pk, None)
            taken.append(promotion)
            interrupt(promotion)
            _recover(writer, promotion)
        except LeaseHeld:
            continue
        except PromotionError as error:
            log.warning("promotion.recovery_failed", promotion=promotion.pk, error=str(error))
        except Exception:
            # One that cannot be recovered must not keep the others from it.
            log.exception("promotion.recovery_defect", promotion=promotion.pk)
            conclude(system_actor(), promotion, Promotion.Status.ERRORED, str(DEFECT))
    _free_claims()
    recover_batches(clock())
    return taken


def standing_still() -> dict[int, float]:
    """Return how long this process saw each promotion's claim stand still, in seconds."""
    now = clock()
    return {key: now - since for key, (_mark, since) in list(_sightings.items())}


def _is_over(writer: ClusterWriter, promotion: Promotion) -> bool:
    """Answer whether nobody works on it: its worker said so, or gave no sign for a lease time."""
    if promotion.is_left:
        return True
    state, _version = writer.lease(promotion.environment.naming.key)
    # A preparation or a rehearsal holds no claim: its steps and beats are its signs of life.
    mark: dict[str, Any] = {
        "status": promotion.status,
        "number": state.number,
        "beat": state.beat,
        "steps": promotion.steps.count(),
        "beats": promotion.beats,
    }
    now = clock()
    seen, since = _sightings.get(promotion.pk, ({}, now))
    if seen != mark:
        _sightings[promotion.pk] = (mark, now)
        return False
    return bool(now - since >= settings.LEASE_SECONDS)


def _is_lost(writer: ClusterWriter, promotion: Promotion) -> bool:
    """Answer whether the cluster went on without this database: then only reconcile may end it.

    What a restored database takes for half made may be what is kept as the way back.
    """
    environment = promotion.environment
    sight = see(writer, environment.naming)
    if not contradicts(promotion, sight):
        return False
    note(environment, difference(environment, sight))
    log.warning("promotion.lost", promotion=promotion.pk, live=sight.live_marker)
    return True


def _free_claims() -> None:
    """End the claims that stood still for a lease time, and that no promotion of ours holds.

    Such as of a process that died while it locked, or of another console that is gone.
    """
    tokens = set(
        Promotion.objects.filter(status__in=Promotion.ACTIVE).values_list("token", flat=True)
    )
    for environment in Environment.objects.production().select_related("cluster"):
        try:
            writer = writer_for(environment)
            state, _version = writer.lease(environment.naming.key)
            if state.holder and state.holder not in tokens:
                claim(writer, environment, f"recovery-{secrets.token_hex(6)}").give_back()
                log.warning("lease.freed", environment=environment.slug, holder=state.holder)
                # It may have died while it locked or unlocked: the blocks become what is recorded.
                check_environment.enqueue(environment.pk)
        except PromotionError:
            # Held still by a living one, or out of reach just now.
            continue


def _recover(writer: ClusterWriter, promotion: Promotion) -> None:
    actor = system_actor()
    if promotion.status == Promotion.Status.PENDING and promotion.kind in TASKS:
        # Its task may only wait for a busy worker: handed over twice, it begins once.
        TASKS[Promotion.Kind(promotion.kind)].enqueue(promotion.pk)
        return
    if promotion.kind == Promotion.Kind.PREPARE:
        discard(writer, promotion)
        conclude(actor, promotion, Promotion.Status.ERRORED, GAVE_UP)
        if _deaths(promotion) < MOST_DEATHS:
            prepare_again(promotion.environment)
    elif promotion.kind == Promotion.Kind.REHEARSE:
        give_up_rehearsal(writer, promotion)
    # A dead holder's claim is this promotion's own, so the next worker takes it over at once.
    elif promotion.kind == Promotion.Kind.RELEASE:
        run_release(promotion, resume=True)
    elif promotion.kind == Promotion.Kind.ADOPT:
        _recover_adoption(writer, promotion)
    elif promotion.kind == Promotion.Kind.RECONCILE:
        from promotion.reconciling import run_reconcile  # it waits for this module's work

        run_reconcile(promotion, resume=True)
    else:
        _recover_promotion(writer, promotion)


def _deaths(promotion: Promotion) -> int:
    """Return how many workers died while they prepared this build."""
    return Promotion.objects.filter(
        kind=Promotion.Kind.PREPARE,
        environment=promotion.environment,
        build=promotion.build,
        message=GAVE_UP,
    ).count()


def _live_marker(writer: ClusterWriter, promotion: Promotion) -> str:
    facts = writer.marker(promotion.environment.naming.marker_alias) or {}
    return str(facts.get("marker", ""))


def _recover_promotion(writer: ClusterWriter, promotion: Promotion) -> None:
    actor, environment = system_actor(), promotion.environment
    with ending(actor, promotion), claimed(writer, environment, holder_of(promotion)):
        live = _went_live(writer, promotion)
        if not live:
            plan, status, words = promotion.plan, Promotion.Status.ERRORED, GAVE_UP
            if plan is not None:
                if (
                    promotion.live_at is not None
                    and _live_marker(writer, promotion) == plan.base_marker
                ):
                    # It was live, and its worker died while it swapped back.
                    record_back(promotion, plan)
                    status, words = Promotion.Status.FAILED, f"{SWAPPED_BACK} {back_at(plan)}"
                discard(writer, promotion)
                if Unlocking.of(environment) is not None:
                    writer.unblock([part.live.index for part in plan.changed])
            conclude(actor, promotion, status, words)
    if live:
        finish(promotion)
        return
    # Its indices went with the attempt.
    supersede(promotion.prepared)
    prepare_again(environment)


def _went_live(writer: ClusterWriter, promotion: Promotion) -> bool:
    """Read back whether the switch happened, and record it if so."""
    plan, made = promotion.plan, promotion.made
    if plan is None or made is None:
        return False
    if _live_marker(writer, promotion) == made.marker:
        record_live(promotion, plan, made)
        return True
    # First the marker: a late alias request of this attempt then fails whole. Only then is what
    # the names say the last word.
    writer.delete([plan.marker])
    states = writer.states([part.next_index for part in plan.changed])
    naming = promotion.environment.naming
    moved = all(part.next_index in states for part in plan.changed) and all(
        set(names_of(naming, part.resource)) <= set(states[part.next_index].aliases)
        for part in plan.changed
    )
    if not moved or not plan.changed:
        return False
    writer.make_marker(plan.marker)
    writer.put_marker(plan.marker, marker_facts(plan, made, lineage(promotion)))
    writer.switch([AliasAction("add", plan.marker, naming.marker_alias)])
    log.warning("promotion.was_live_after_all", promotion=promotion.pk)
    record_live(promotion, plan, made)
    return True


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
        if generation is None or generation.marker != mine:
            generation = give_up_adoption(writer, promotion)
        if generation is None:
            conclude(actor, promotion, Promotion.Status.ERRORED, GAVE_UP)
            return
        complete_adoption(actor, writer, promotion, generation)
    prepare_again(environment)
