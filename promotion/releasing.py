"""Releases an environment: the way back from adoption, to Tracardi's own plain indices."""

from collections.abc import Callable, Mapping

from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor, system_actor
from accounts.authorising import authorise
from accounts.roles import Verb
from environments.models import Environment
from promotion.beginning import begin, refuse
from promotion.claim import Claim, claimed, holder_of
from promotion.engine import release
from promotion.engine.errors import (
    LeaseLost,
    OutcomeUnknown,
    PromotionError,
    RuleBroken,
    Temporary,
)
from promotion.engine.plan import Generation
from promotion.journal import commit, conclude, ending, move, step
from promotion.models import Promotion, StoredGeneration, Unlocking
from promotion.planning import indices_of, look, not_ours, writer_for
from promotion.receipts import complete as complete_receipt
from promotion.receipts import keep_before
from promotion.store import DatabaseContent
from promotion.writer import ClusterWriter


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
    authorise(actor, Verb.PROMOTE, "release.requested", environment, confirmed=True)
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
            if promotion.switching_at is None:
                # From the first block on it cannot be stopped half-way: only gone on with.
                commit(promotion)
            with step(promotion, "look", "Look at what is live") as note:
                keep_before(writer, promotion)
                live = _live_now(writer, promotion)
                note.detail = f"Generation {live.number}"
            if not release.is_handed_over(writer, naming, live):
                _hand_over(writer, promotion, held, live)
            held.check()
            with step(promotion, "open", "Remove the templates and lift the blocks"):
                release.open_up(writer, naming, live)
            with step(promotion, "clean", "Remove the generations' indices") as note:
                note.detail = f"{_remove_generations(writer, environment)} indices removed"
            with step(promotion, "receipt", "Prove that nothing else was touched") as note:
                note.detail = complete_receipt(writer, promotion, indices_of(writer, environment))
            _forget(environment)
            conclude(
                actor,
                promotion,
                Promotion.Status.SUCCEEDED,
                f"{environment} has Tracardi's plain indices again. It can be adopted once more.",
            )
    return promotion


def _hand_over(writer: ClusterWriter, promotion: Promotion, held: Claim, live: Generation) -> None:
    naming = promotion.environment.naming
    with step(promotion, "guard", "Block, and guard the names with templates"):
        release.guard_names(writer, naming, live)
    with step(promotion, "copy", "Clone back to Tracardi's own indices"):
        release.copy_back(writer, naming, live, held.check)
    with step(promotion, "switch", "Prove the clones and point the aliases at them") as note:
        held.check()
        count = release.hand_over(writer, DatabaseContent(), naming, live)
        note.detail = f"{count} documents"


def _live_now(writer: ClusterWriter, promotion: Promotion) -> Generation:
    """Return the live generation with the trees that it really holds, edits by hand included."""
    made = promotion.made
    if made is not None:
        # An interrupted run looked already; since then the names may have moved.
        return made
    facts = writer.marker(promotion.environment.naming.marker_alias)
    if facts is None:
        # An earlier release handed the names over and then broke.
        stored = StoredGeneration.live_in(promotion.environment)
        if stored is None:
            raise RuleBroken(f"{promotion.environment} is not adopted. Nothing was changed.")
        return stored.generation
    recorded = Generation.from_dict(facts)
    if recorded.marker != StoredGeneration.live_marker(promotion.environment):
        raise RuleBroken(not_ours(promotion.environment, recorded.number))
    indices = [held.index for held in recorded.resources.values()]
    writer.block(indices)
    try:
        live = look(writer, promotion.environment).generation
    except PromotionError as error:
        # What is unsure is gone on with; else an unlocked environment stays open.
        unsure = isinstance(error, LeaseLost | OutcomeUnknown | Temporary)
        if not unsure and Unlocking.of(promotion.environment) is not None:
            writer.unblock(indices)
        raise
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
    # Of preparations too, which belong to what was live.
    left = writer.states([environment.naming.marker_pattern])
    writer.delete([*markers, *(name for name, state in left.items() if not state.aliases)])
    return len(made)


def generation_indices(environment: Environment, states: Mapping[str, object]) -> list[str]:
    """Return those of the names that are a generation's index."""
    naming = environment.naming
    return [
        name
        for name in states
        if (what := naming.classify(name)) is not None and what.number is not None
    ]
