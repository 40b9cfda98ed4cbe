"""Adopts and releases an environment, locks and unlocks it."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import Actor, record, system_actor
from accounts.roles import Verb
from environments.findings import errors
from environments.models import Environment
from promotion.claim import Claim, claimed, holder_of
from promotion.engine import adopt as engine
from promotion.engine import preflight, release
from promotion.engine.capture import capture as capture_content
from promotion.engine.capture import resolve
from promotion.engine.errors import PreflightFailed, PromotionError, RuleBroken
from promotion.engine.lease import take_generation
from promotion.engine.plan import Generation
from promotion.engine.ports import IndexState
from promotion.engine.verification import receipt, verify
from promotion.journal import conclude, ending, move, step
from promotion.models import Build, Promotion, StoredGeneration, Unlocking
from promotion.planning import (
    generation_numbers,
    indices_of,
    is_adopted,
    look,
    recorded_live,
    writer_for,
)
from promotion.preparing import prepare_again
from promotion.promotions import begin, refuse
from promotion.services import authorise, keep_build
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
    authorise(actor, Verb.PROMOTE, "adopt.requested", environment)
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
            generation = _baseline(actor, writer, promotion, held)
            complete_adoption(actor, writer, promotion, generation)
    prepare_again(environment)
    return promotion


def _baseline(actor: Actor, writer: ClusterWriter, promotion: Promotion, held: Claim) -> Generation:
    environment, naming = promotion.environment, promotion.environment.naming
    originals = [naming.concrete(r.name) for r in naming.catalogue.promoted]
    with step(promotion, "check", "Check the environment's indices") as note:
        states = _check(writer, environment)
        promotion.receipt = {
            "before": {n: list(v) for n, v in receipt(naming, states).indices.items()}
        }
        promotion.save(update_fields=["receipt"])
        note.detail = f"{len(states)} indices"
    try:
        with step(promotion, "block", "Write-block the configuration's indices"):
            writer.block(originals)
        held.keep()
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
        held.keep()
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
        held.keep()
        with step(promotion, "switch", "Point Tracardi's aliases at the clones"):
            held.lease.check()
            engine.move_aliases(writer, naming, generation)
    except PromotionError:
        give_up_adoption(writer, promotion)
        raise
    return generation


def _check(writer: ClusterWriter, environment: Environment) -> dict[str, IndexState]:
    states = indices_of(writer, environment)
    if is_adopted(states, environment):
        raise RuleBroken(
            f"{environment} serves a generation already, perhaps of another console. Nothing was "
            "changed. Release it there first."
        )
    resolve(environment.naming, states)
    found = errors(
        [
            *preflight.check_health(writer.health()),
            *preflight.check_indices(environment.naming, list(states)),
        ]
    )
    if found:
        words = " ".join(f"{finding.message} {finding.remedy}" for finding in found)
        raise PreflightFailed(f"{words} Nothing was changed.", tuple(found))
    return states


def give_up_adoption(writer: ClusterWriter, promotion: Promotion) -> None:
    """Make production as it was before an adoption that did not switch: marker first."""
    naming = promotion.environment.naming
    number = (promotion.made_facts or {}).get("number")
    if number is not None:
        writer.delete([naming.marker_index(number, promotion.token)])
    states = indices_of(writer, promotion.environment)
    originals = [naming.concrete(r.name) for r in naming.catalogue.promoted]
    if number is not None:
        clones = [naming.generation_index(r.name, number) for r in naming.catalogue.promoted]
        writer.delete([name for name in clones if name in states and not states[name].aliases])
    there = [name for name in originals if name in states]
    if there:
        writer.unblock(there)


def complete_adoption(
    actor: Actor, writer: ClusterWriter, promotion: Promotion, generation: Generation
) -> None:
    """Go on from the moved aliases to the end; again after a crash it goes on where it was."""
    environment, naming = promotion.environment, promotion.environment.naming
    patience = time.monotonic() + SEARCH_PATIENCE_SECONDS

    def wait() -> bool:
        time.sleep(PAUSE_SECONDS)
        return time.monotonic() < patience

    with step(promotion, "replace", "Replace the old indices by aliases of their names"):
        originals = writer.states([naming.concrete(name) for name in generation.resources])
        if any(name in originals for name in map(naming.concrete, generation.resources)):
            engine.replace_originals(writer, naming, generation, wait=wait)
    with step(promotion, "verify", "Read back through the live names") as note:
        note.detail = (
            f"{verify(writer, DatabaseContent(), naming, generation)} documents are equal "
            "to the byte"
        )
    build = promotion.build
    if build is None:
        raise RuleBroken(f"{promotion} has no baseline build.")
    with transaction.atomic():
        if StoredGeneration.live_in(environment) is None:
            StoredGeneration.objects.create(
                environment=environment,
                number=generation.number,
                marker=generation.marker,
                facts=generation.to_dict(),
                build=build,
                promotion=promotion,
                is_live=True,
            )
        Promotion.objects.filter(pk=promotion.pk).update(live_at=timezone.now())
    conclude(
        actor,
        promotion,
        Promotion.Status.SUCCEEDED,
        f"{environment} is adopted as generation {generation.number}, and locked.",
    )


def request_release(
    actor: Actor,
    environment: Environment,
    *,
    comment: str = "",
    task: Callable[[int], object] | None = None,
) -> Promotion:
    """Begin to turn an adopted environment back into plain indices.

    `task` has the worker call `run_release`; without one, call it afterwards.

    Raises:
        NotAllowedError, RuleBroken: nothing was changed.
    """
    authorise(actor, Verb.PROMOTE, "release.requested", environment)
    live = StoredGeneration.live_in(environment)
    if live is None:
        words = f"{environment} is not adopted. Nothing was changed."
        raise refuse(actor, "release.requested", environment, words)
    return begin(
        actor,
        Promotion.Kind.RELEASE,
        environment,
        task=task,
        comment=comment,
        build=live.build,
    )


def run_release(
    promotion: Promotion, actor: Actor | None = None, *, resume: bool = False
) -> Promotion:
    """Do the release and end it; to `resume` it after a crash, it goes on where it was.

    Raises:
        PromotionError: it did not end; production reads its configuration as before.
    """
    actor = actor or system_actor()
    environment, naming = promotion.environment, promotion.environment.naming
    if not move(promotion, Promotion.Status.RUNNING) and not resume:
        return promotion
    with ending(actor, promotion):
        writer = writer_for(environment)
        with claimed(writer, environment, holder_of(promotion)) as held:
            with step(promotion, "look", "Look at what is live") as note:
                live = _live_now(writer, promotion)
                note.detail = f"Generation {live.number}"
            with step(promotion, "guard", "Block, and guard the names with templates"):
                release.guard_names(writer, naming, live)
            held.keep()
            with step(promotion, "copy", "Clone back to Tracardi's own indices"):
                release.copy_back(writer, naming, live)
            held.keep()
            with step(promotion, "switch", "Prove the clones and point the aliases at them") as n:
                held.lease.check()
                n.detail = f"{release.hand_over(writer, DatabaseContent(), naming, live)} documents"
            _forget(environment)
            with step(promotion, "open", "Remove the templates and lift the blocks"):
                release.open_up(writer, naming, live)
            with step(promotion, "clean", "Remove the generations' indices") as note:
                note.detail = f"{_remove_generations(writer, environment)} indices removed"
            conclude(
                actor,
                promotion,
                Promotion.Status.SUCCEEDED,
                f"{environment} has Tracardi's plain indices again. It can be adopted once more.",
            )
    return promotion


def _live_now(writer: ClusterWriter, promotion: Promotion) -> Generation:
    """Return the live generation with the trees that it really holds, edits by hand included."""
    made = promotion.made
    if made is not None:
        # An interrupted run looked already; since then the names may have moved.
        return made
    recorded = recorded_live(writer, promotion.environment)
    writer.block([held.index for held in recorded.resources.values()])
    live = look(writer, promotion.environment).generation
    promotion.made_facts = live.to_dict()
    promotion.save(update_fields=["made_facts"])
    return live


def _forget(environment: Environment) -> None:
    with transaction.atomic():
        StoredGeneration.objects.filter(environment=environment).update(
            is_live=False, is_kept=False
        )
        Unlocking.objects.filter(environment=environment, locked_at=None).update(
            locked_at=timezone.now()
        )


def _remove_generations(writer: ClusterWriter, environment: Environment) -> int:
    states = indices_of(writer, environment)
    made = generation_indices(environment, states)
    markers = list(
        StoredGeneration.objects.filter(environment=environment).values_list("marker", flat=True)
    )
    writer.delete([name for name in made if not states[name].aliases])
    writer.delete(markers)
    return len(made)


def generation_indices(environment: Environment, states: Mapping[str, object]) -> list[str]:
    """Return those of the names that are a generation's index."""
    naming = environment.naming
    return [
        name
        for name in states
        if (what := naming.classify(name)) is not None and what.number is not None
    ]


def unlock(actor: Actor, environment: Environment, reason: str) -> Unlocking:
    """Let people edit the live generation by hand, for a reason that everybody sees.

    Raises:
        NotAllowedError, RuleBroken: nothing was changed.
    """
    authorise(actor, Verb.PROMOTE, "environment.unlock", environment)
    if not reason.strip() or actor.user is None:
        words = "Say why the environment is to be unlocked. Nothing was changed."
        raise refuse(actor, "environment.unlock", environment, words)
    live = _quiet_live(actor, environment, "environment.unlock")
    writer = writer_for(environment)
    with claimed(writer, environment, f"unlock{timezone.now():%H%M%S%f}"):
        try:
            with transaction.atomic():
                made = Unlocking.objects.create(
                    environment=environment, reason=reason.strip(), unlocked_by=actor.user
                )
                record(actor, "environment.unlock", environment, reason=made.reason)
        except IntegrityError as error:
            raise RuleBroken(f"{environment} is unlocked already. Nothing was changed.") from error
        writer.unblock([held.index for held in live.generation.resources.values()])
    return made


def lock(actor: Actor, environment: Environment) -> None:
    """Write-block the live generation again.

    Raises:
        NotAllowedError, RuleBroken: nothing was changed.
    """
    authorise(actor, Verb.PROMOTE, "environment.lock", environment)
    live = _quiet_live(actor, environment, "environment.lock")
    if Unlocking.of(environment) is None:
        words = f"{environment} is locked already. Nothing was changed."
        raise refuse(actor, "environment.lock", environment, words)
    writer = writer_for(environment)
    with claimed(writer, environment, f"lock{timezone.now():%H%M%S%f}"):
        writer.block([held.index for held in live.generation.resources.values()])
        with transaction.atomic():
            Unlocking.objects.filter(environment=environment, locked_at=None).update(
                locked_at=timezone.now()
            )
            record(actor, "environment.lock", environment)


def _quiet_live(actor: Actor, environment: Environment, action: str) -> StoredGeneration:
    live = StoredGeneration.live_in(environment)
    if live is None:
        words = f"{environment} is not adopted. Nothing was changed."
        raise refuse(actor, action, environment, words)
    busy = Promotion.objects.filter(environment=environment, status__in=Promotion.ACTIVE).exclude(
        kind=Promotion.Kind.PREPARE
    )
    if busy.exists():
        raise refuse(actor, action, environment, "A promotion is running. Nothing was changed.")
    return live
