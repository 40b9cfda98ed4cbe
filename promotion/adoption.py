"""Adopts an environment: plain indices become a first generation, once."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts.audit import Actor, system_actor
from accounts.authorising import authorise
from accounts.roles import Verb
from environments.findings import errors
from environments.models import Environment
from promotion.beginning import begin, refuse
from promotion.claim import Claim, claimed, holder_of
from promotion.engine import adopt as engine
from promotion.engine import preflight
from promotion.engine.capture import capture as capture_content
from promotion.engine.capture import resolve
from promotion.engine.errors import (
    LeaseLost,
    OutcomeUnknown,
    PreflightFailed,
    PromotionError,
    RuleBroken,
    Unfinished,
)
from promotion.engine.lease import take_generation
from promotion.engine.plan import Generation
from promotion.engine.ports import AliasAction, IndexState
from promotion.engine.verification import verify
from promotion.journal import commit, conclude, ending, move, step, uncommit
from promotion.models import Build, Promotion, StoredGeneration
from promotion.planning import everything, generation_numbers, indices_of, is_adopted, writer_for
from promotion.preparing import prepare_again
from promotion.receipts import complete as complete_receipt
from promotion.receipts import keep_before
from promotion.services import keep_build
from promotion.store import DatabaseContent
from promotion.writer import ClusterWriter

# How long adoption waits for searches that still run on the indices that it replaces.
SEARCH_PATIENCE_SECONDS: Final = 10.0
PAUSE_SECONDS: Final = 0.05


def adopt(
    actor: Actor,
    environment: Environment,
    *,
    comment: str = "",
    task: Callable[[int], object] | None = None,
) -> Promotion:
    """Begin to replace an environment's plain indices by a first generation, once.

    `task` has the worker call `run_adopt`; without one, call it afterwards.

    Raises:
        NotAllowedError, RuleBroken: nothing was changed.
    """
    authorise(actor, Verb.PROMOTE, "adopt.requested", environment, confirmed=True)
    if not environment.is_production:
        words = f"{environment} is staging. Only production is adopted. Nothing was changed."
        raise refuse(actor, "adopt.requested", environment, words)
    if StoredGeneration.live_in(environment) is not None:
        words = f"{environment} is adopted already. Nothing was changed."
        raise refuse(actor, "adopt.requested", environment, words)
    return begin(actor, Promotion.Kind.ADOPT, environment, task=task, comment=comment)


def run_adopt(promotion: Promotion, actor: Actor | None = None) -> Promotion:
    """Do the adoption and end it; one that was begun or ended already is left alone.

    Raises:
        PromotionError: it failed; production reads as before.
    """
    actor = actor or system_actor()
    environment = promotion.environment
    if not move(promotion, Promotion.Status.RUNNING):
        return promotion
    with ending(actor, promotion):
        writer = writer_for(environment)
        with claimed(writer, environment, holder_of(promotion)) as held:
            try:
                generation = _baseline(actor, writer, promotion, held)
            except Exception as error:
                # Whether the names moved is then for the next worker to read back.
                unsure = isinstance(error, OutcomeUnknown) and promotion.switching_at is not None
                if unsure or isinstance(error, LeaseLost):
                    raise
                uncommit(promotion)
                if give_up_adoption(writer, promotion) is not None:
                    raise Unfinished(f"{error} Yet the names moved.") from error
                raise
            complete_adoption(actor, writer, promotion, generation)
    prepare_again(environment)
    return promotion


def _baseline(actor: Actor, writer: ClusterWriter, promotion: Promotion, held: Claim) -> Generation:
    environment, naming = promotion.environment, promotion.environment.naming
    originals = [naming.concrete(r.name) for r in naming.catalogue.promoted]
    with step(promotion, "check", "Check the environment's indices") as note:
        states = _check(writer, environment)
        keep_before(writer, promotion)
        note.detail = f"{len(states)} indices"
    with step(promotion, "block", "Write-block the configuration's indices"):
        writer.block(originals)
    held.check()
    with step(promotion, "baseline", "Capture the baseline build") as note:
        captured = capture_content(
            writer,
            DatabaseContent(),
            naming,
            previous={},
            limit=settings.MAX_DOCUMENT_BYTES,
        )
        build = keep_build(
            actor, environment, captured, environment.cluster.uuid, Build.Kind.BASELINE
        )
        promotion.build = build
        promotion.save(update_fields=["build"])
        note.detail = f"{build}: {captured.manifest.count} documents"
    held.check()
    with step(promotion, "copy", "Clone the indices and prove the clones"):
        number = take_generation(
            writer, naming.key, generation_numbers(environment, indices_of(writer, environment))
        )
        promotion.made_facts = {"number": number}
        promotion.save(update_fields=["made_facts"])
        generation = engine.clone_originals(
            writer,
            DatabaseContent(),
            naming,
            number=number,
            marker=naming.marker_index(number, promotion.token),
            baseline={name: part.tree for name, part in captured.resources.items()},
        )
        promotion.made_facts = generation.to_dict()
        promotion.save(update_fields=["made_facts"])
    with step(promotion, "switch", "Point Tracardi's aliases at the clones"):
        commit(promotion)
        held.check()
        engine.move_aliases(writer, naming, generation)
    return generation


def _check(writer: ClusterWriter, environment: Environment) -> dict[str, IndexState]:
    states = indices_of(writer, environment)
    if is_adopted(states, environment):
        raise RuleBroken(
            f"{environment} serves a generation already, perhaps of another console, or of this "
            "one before its database was lost. Nothing was changed. Reconcile it."
        )
    resolve(environment.naming, states)
    room = writer.capacity()
    found = errors(
        [
            *preflight.check_engine(room),
            *preflight.check_health(room.health),
            *preflight.check_disks(room),
            *preflight.check_shards(room, _shards(environment, states)),
            *preflight.check_indices(environment.naming, list(states)),
        ]
    )
    if found:
        words = " ".join(f"{finding.message} {finding.remedy}" for finding in found)
        raise PreflightFailed(f"{words} Nothing was changed.", tuple(found))
    return states


def _shards(environment: Environment, states: Mapping[str, IndexState]) -> int:
    """Return how many shards the clones and the marker of an adoption have, copies included."""
    names = [environment.naming.concrete(r.name) for r in environment.catalogue.promoted]
    return 2 + sum(preflight.shards_of(states[name]) for name in names if name in states)


def give_up_adoption(writer: ClusterWriter, promotion: Promotion) -> Generation | None:
    """Make production as it was before an adoption that did not switch: marker first.

    Returns the generation if it turns out that the names did move: then it is complete but for
    `complete_adoption`.

    Raises:
        Unfinished: the cluster did not do it; the next worker tries again.
    """
    try:
        return _give_up(writer, promotion)
    except PromotionError as error:
        raise Unfinished(
            f"{error} Production reads as before, but its configuration may be write-blocked still."
        ) from error


def _give_up(writer: ClusterWriter, promotion: Promotion) -> Generation | None:
    naming, made = promotion.environment.naming, promotion.made_facts or {}
    number = made.get("number")
    names = [resource.name for resource in naming.catalogue.promoted]
    clones = [naming.generation_index(n, number) for n in names] if number is not None else []
    if number is not None:
        # A late request of this attempt then fails whole: what the names say is the last word.
        writer.delete([naming.marker_index(number, promotion.token)])
    states = indices_of(writer, promotion.environment)
    if any(states[name].aliases for name in clones if name in states):
        generation = Generation.from_dict(made)
        writer.make_marker(generation.marker)
        writer.put_marker(generation.marker, generation.to_dict())
        writer.switch([AliasAction("add", generation.marker, naming.marker_alias)])
        return generation
    writer.delete([name for name in clones if name in states])
    writer.unblock([name for name in map(naming.concrete, names) if name in states])
    return None


def complete_adoption(
    actor: Actor, writer: ClusterWriter, promotion: Promotion, generation: Generation
) -> None:
    """Go on from the moved aliases to the end; again after a crash it goes on where it was."""
    environment, naming = promotion.environment, promotion.environment.naming
    # First: whatever breaks from here on, releasing it is a way out.
    _record_adopted(promotion, generation)
    patience = time.monotonic() + SEARCH_PATIENCE_SECONDS

    def wait() -> bool:
        time.sleep(PAUSE_SECONDS)
        return time.monotonic() < patience

    with step(promotion, "replace", "Replace the old indices by aliases of their names"):
        originals = writer.states([naming.concrete(name) for name in generation.resources])
        if any(name in originals for name in map(naming.concrete, generation.resources)):
            engine.replace_originals(writer, naming, generation, wait=wait)
    with step(promotion, "verify", "Read back through the live names") as note:
        states = everything(writer, environment)
        proof = verify(writer, DatabaseContent(), naming, generation, states)
        note.detail = f"{proof.documents} documents are equal to the byte"
    with step(promotion, "receipt", "Prove that nothing else was touched") as note:
        note.detail = complete_receipt(writer, promotion, states)
    conclude(
        actor,
        promotion,
        Promotion.Status.SUCCEEDED,
        f"{environment} is adopted as generation {generation.number}, and locked.",
    )


def _record_adopted(promotion: Promotion, generation: Generation) -> None:
    build = promotion.build
    if build is None:
        raise RuleBroken(f"{promotion} has no baseline build.")
    with transaction.atomic():
        Environment.objects.select_for_update().get(pk=promotion.environment_id)
        if StoredGeneration.live_in(promotion.environment) is None:
            StoredGeneration.objects.create(
                environment=promotion.environment,
                number=generation.number,
                marker=generation.marker,
                facts=generation.to_dict(),
                build=build,
                promotion=promotion,
                is_live=True,
                live_since=Now(),
            )
        Promotion.objects.filter(pk=promotion.pk).update(live_at=timezone.now())
