"""Reconciles: records what the cluster holds where the database has lost it (docs/recovery.md).

Production is not touched. What cannot be proved is said, and recorded as no success.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import transaction

from accounts.audit import Actor, system_actor
from accounts.authorising import authorise
from accounts.roles import Verb
from environments.findings import Finding, Severity
from environments.models import Environment
from promotion.beginning import begin, refuse, running_in
from promotion.claim import Claim, claim, holder_of
from promotion.engine.errors import LeaseHeld, RuleBroken
from promotion.engine.found import Leftovers, Sight, leftovers, lineage, see
from promotion.journal import conclude, ending, move, step
from promotion.lost import contradicts, difference, note
from promotion.models import Promotion, StoredGeneration
from promotion.planning import writer_for
from promotion.preparing import prepare_again
from promotion.recording import Recorded, record_found
from promotion.recovery import recover
from promotion.writer import ClusterWriter

ACTION: Final = "reconcile.requested"
CLEAN: Final = "remove-leftovers"
LOST: Final = (
    "The console's database was restored from an older backup, or another console worked here: "
    "what it recorded of this does not fit what the cluster serves now. How it ended is not known."
)


@dataclass(frozen=True)
class Survey:
    """What is there, and how the database differs from it; `active` cannot be true any more."""

    sight: Sight
    finding: Finding | None
    left: Leftovers
    active: Promotion | None

    @property
    def due(self) -> bool:
        return self.finding is not None


def survey(writer: ClusterWriter, environment: Environment) -> Survey:
    """Look at an environment and compare; reads no document.

    Raises:
        PromotionError: the cluster could not be looked at.
    """
    sight = see(writer, environment.naming)
    left = leftovers(environment.naming, sight, _needed(environment, sight))
    return Survey(sight, difference(environment, sight), left, running_in(environment))


def _needed(environment: Environment, sight: Sight) -> set[str]:
    """Return the indices that what is live, a way back, or this console's own work refers to."""
    if sight.live is None and not sight.holds_names:
        # Released: a way back is none any more.
        return set()
    names: set[str] = set()
    for marked in lineage(sight):
        names.add(marked.name)
        if marked.generation is not None:
            names |= {held.index for held in marked.generation.resources.values()}
    kept = StoredGeneration.objects.filter(environment=environment, is_kept=True)
    for stored in kept:
        names |= {stored.marker, *(h.index for h in stored.generation.resources.values())}
    live = sight.live_marker
    ready = Promotion.objects.filter(
        environment=environment, kind=Promotion.Kind.PREPARE, plan_facts__base_marker=live
    ).exclude(fate=Promotion.Fate.SUPERSEDED)
    for promotion in ready.exclude(status__in=["failed", "errored", "aborted"]):
        if (plan := promotion.plan) is not None:
            names |= {plan.marker, *(part.next_index for part in plan.resources)}
    return names


def reconcile(
    actor: Actor,
    environment: Environment,
    *,
    marker: str | None = None,
    clean: bool = False,
    comment: str = "",
    task: Callable[[int], object] | None = None,
) -> Promotion | None:
    """Begin to record what the cluster holds; None where there is nothing to do.

    `marker` is of the generation that the person was shown as live. `clean` removes what attempts
    left behind. `task` has the worker call `run_reconcile`; without one, call it afterwards.

    Raises:
        NotAllowedError, RuleBroken, MachineryError: nothing was changed.
    """
    authorise(actor, Verb.PROMOTE, ACTION, environment)
    if not environment.is_production or actor.user is None:
        words = f"{environment} is staging. Only production is reconciled. Nothing was changed."
        raise refuse(actor, ACTION, environment, words)
    if task is None:
        _await_recovery(environment)
    found = survey(writer_for(environment), environment)
    if marker is not None and marker != found.sight.live_marker:
        words = "Another generation went live since you looked. Nothing was changed. Look again."
        raise refuse(actor, ACTION, environment, words)
    if not found.due and found.active is not None:
        words = (
            f"{found.active} is running. Nothing was changed. Wait until it ends: a running worker "
            "reads back how, where its own died."
        )
        raise refuse(actor, ACTION, environment, words)
    if not found.due and not (clean and found.left.dead):
        note(environment, None)
        return None
    consents = [_clean_consent(found.left)] if clean and found.left.dead else []
    with transaction.atomic():
        _end_what_cannot_be(actor, environment, found.sight)
        return begin(
            actor,
            Promotion.Kind.RECONCILE,
            environment,
            task=task,
            detail={"clean": bool(consents), "live": found.sight.live_marker},
            comment=comment,
            findings=[found.finding.to_dict()] if found.finding is not None else [],
            consents_due=consents,
        )


def _await_recovery(environment: Environment) -> None:
    """Let a promotion end that nobody works on any more, as a worker would."""
    patience = time.monotonic() + 1.5 * settings.LEASE_SECONDS
    while (active := running_in(environment)) is not None:
        if active.status != Promotion.Status.RUNNING:
            return
        if contradicts(active, see(writer_for(environment), environment.naming)):
            return
        recover()
        if time.monotonic() > patience:
            return
        time.sleep(settings.LEASE_SECONDS / 20)


def _clean_consent(left: Leftovers) -> dict[str, str]:
    words = f"{len(left.dead)} leftover indices are removed."
    return Finding(CLEAN, Severity.WARNING, words, "Their names are in the step.").to_dict()


def _end_what_cannot_be(actor: Actor, environment: Environment, sight: Sight) -> None:
    """End what the database has as running, and what is live says cannot be."""
    active = Promotion.objects.filter(environment=environment, status__in=Promotion.ACTIVE)
    for promotion in active.select_related("environment"):
        if not contradicts(promotion, sight):
            continue
        words = LOST
        marker = _marker_of(promotion, sight)
        if marker:
            words += f" Its generation was made and was live ({marker}), and nothing proves it."
        conclude(actor, promotion, Promotion.Status.ERRORED, words)


def _marker_of(promotion: Promotion, sight: Sight) -> str:
    """Return the marker of a promotion's own generation, where that was live for sure."""
    made = promotion.made_facts or {}
    for marked in lineage(sight):
        if marked.name == made.get("marker") or marked.name.endswith(f"-{promotion.token}"):
            return marked.name
    return ""


def run_reconcile(
    promotion: Promotion, actor: Actor | None = None, *, resume: bool = False
) -> Promotion:
    """Do a reconciliation and end it; `resume` goes on with one whose worker died.

    Raises:
        PromotionError: it failed; nothing was recorded but what its steps say.
    """
    actor = actor or system_actor()
    environment = promotion.environment
    if not move(promotion, Promotion.Status.RUNNING) and not resume:
        return promotion
    with ending(actor, promotion):
        writer = writer_for(environment)
        held = _claim(writer, promotion)
        try:
            recorded = _record(actor, writer, promotion, held)
            if any(consent["code"] == CLEAN for consent in promotion.consents_due):
                held.check()
                _clean(writer, promotion)
        finally:
            held.give_back()
        note(environment, None)
        conclude(actor, promotion, Promotion.Status.SUCCEEDED, recorded.words)
    prepare_again(environment)
    return promotion


def _claim(writer: ClusterWriter, promotion: Promotion) -> Claim:
    """Take the lease; of a holder that gives no sign of life for a lease time, take it over.

    Raises:
        LeaseHeld: somebody works there.
    """
    environment = promotion.environment
    patience = time.monotonic() + 1.5 * settings.LEASE_SECONDS
    while True:
        try:
            return claim(writer, environment, holder_of(promotion))
        except LeaseHeld:
            if time.monotonic() > patience:
                raise
            time.sleep(settings.LEASE_SECONDS / 20)


def _record(actor: Actor, writer: ClusterWriter, promotion: Promotion, held: Claim) -> Recorded:
    environment = promotion.environment
    with step(promotion, "look", "Read generations, lease and markers from the cluster") as look:
        sight = see(writer, environment.naming)
        look.detail = _what_is_there(sight)
        if sight.live is None and sight.holds_names:
            raise RuleBroken(
                f"{environment} serves indices of a generation, and no marker says which. Nothing "
                "was recorded, because nothing can be proved. Restore a newer backup of the "
                "console's database, or let the console that promoted release the environment."
            )
        if sight.live is not None and sight.live.generation is None:
            raise RuleBroken(
                f"The marker {sight.live.name} is live and says nothing that can be true here. "
                "Nothing was recorded. Look at its document: it was changed by hand, or written by "
                "a newer console."
            )
    return record_found(actor, writer, promotion, sight, held.check)


def _what_is_there(sight: Sight) -> str:
    if sight.live is None:
        return "Not adopted: Tracardi's plain indices"
    return f"Generation {sight.live.number} is live; {len(sight.markers)} markers are there"


def _clean(writer: ClusterWriter, promotion: Promotion) -> None:
    environment = promotion.environment
    with step(promotion, "clean", "Remove what attempts left behind") as cleaning:
        sight = see(writer, environment.naming)
        left = leftovers(environment.naming, sight, _needed(environment, sight))
        # Markers first: a late request of such an attempt then fails whole.
        markers = [name for name in left.dead if name in sight.markers]
        writer.delete(markers)
        writer.delete([name for name in left.dead if name not in sight.markers])
        cleaning.detail = f"Removed: {', '.join(left.dead)}" if left.dead else "Nothing was left"
