"""What a process may be killed in the middle of."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from promotion.adoption import adopt, run_adopt
from promotion.cleaning import clean_up
from promotion.engine.errors import Mismatch
from promotion.live import finish
from promotion.locking import lock
from promotion.lost import check
from promotion.models import Promotion, StoredGeneration, Unlocking
from promotion.preparing import current_preparation, prepare
from promotion.reconciling import reconcile, run_reconcile
from promotion.rehearsing import (
    GAVE_UP,
    request_rehearsal,
    request_rollback_rehearsal,
    run_rehearsal,
)
from promotion.releasing import request_release, run_release
from tests.backups import Backups
from tests.faults.world import Content, World


@dataclass
class Before:
    """What was there before the kill: what production served, and would serve; what to act on."""

    old: Content
    new: Content
    subject: Any = None


@dataclass(frozen=True)
class Scene:
    """How to get there, what is killed, and what must be true after the next worker was there."""

    arrange: Callable[[World], Before]
    act: Callable[[World, Before], object]
    settle: Callable[[World, Before], None]


def last(world: World, kind: str) -> Promotion:
    found = Promotion.objects.filter(environment=world.production, kind=kind).first()
    assert found is not None
    return found


def _true_status(world: World, before: Before, kind: str) -> None:
    """It says that it succeeded if and only if the new state is served."""
    now, made = world.served(), last(world, kind)
    assert now in (before.old, before.new)
    assert made.status == ("succeeded" if now == before.new else "errored"), made.message
    assert made.message
    assert not made.steps.filter(status="running").exists()


# --- Adopt and release ---------------------------------------------------------------------------


def _plain(world: World) -> Before:
    world.plain()
    return Before(world.served(), world.served())


def _adopt(world: World, _before: Before) -> None:
    run_adopt(adopt(world.people.admin, world.production))


def _adopted_or_not(world: World, before: Before) -> None:
    assert world.served() == before.old
    made, live = last(world, "adopt"), StoredGeneration.live_in(world.production)
    assert made.status == ("errored" if live is None else "succeeded"), made.message


def _adopted(world: World) -> Before:
    world.adopted()
    return Before(world.served(), world.served())


def _release(world: World, _before: Before) -> None:
    run_release(request_release(world.people.admin, world.production))


def _released(world: World, before: Before) -> None:
    assert world.served() == before.old
    # From its first block on it is only gone on with.
    assert last(world, "release").status == "succeeded"
    assert StoredGeneration.live_in(world.production) is None


# --- Prepare -------------------------------------------------------------------------------------


def _approved(world: World) -> Before:
    build = world.approved()
    return Before(world.served(), world.staged(), build)


def _prepare(world: World, before: Before) -> None:
    prepare(before.subject, world.production)


def _prepared_again(world: World, before: Before) -> None:
    assert world.served() == before.old
    ready = current_preparation(world.production)
    assert ready is not None
    assert ready.build == before.subject
    attempts = Promotion.objects.filter(kind="prepare", build=before.subject)
    given_up = attempts.exclude(pk=ready.pk)
    assert all(attempt.status == "errored" and attempt.message for attempt in given_up)
    assert not any(attempt.steps.filter(status="running").exists() for attempt in given_up)


# --- Promote, verify, swap back ------------------------------------------------------------------


def _prepared(world: World) -> Before:
    ready = world.prepared()
    return Before(world.served(), world.staged(), ready)


def _prepared_and_unlocked(world: World) -> Before:
    before = _prepared(world)
    world.unlocked()
    return before


def _switched_and_unlocked(world: World) -> Before:
    before = _prepared_and_unlocked(world)
    before.subject = world.promote(before.subject)
    return before


def _promote(world: World, before: Before) -> None:
    world.promote(before.subject)


def _promoted_or_not(world: World, before: Before) -> None:
    _true_status(world, before, "promote")


def _switched(world: World) -> Before:
    ready = world.prepared()
    old = world.served()
    made = world.promote(ready)
    return Before(old, world.served(), made)


def _finish(_world: World, before: Before) -> None:
    finish(before.subject)


def _proved(world: World, before: Before) -> None:
    assert world.served() == before.new
    _true_status(world, before, "promote")


def _tampered(world: World) -> Before:
    before = _switched(world)
    index = before.subject.made.resources["segment"].index
    world.edit(index, "changing", "not what was approved")
    return before


def _finish_in_vain(_world: World, before: Before) -> None:
    try:
        finish(before.subject)
    except Mismatch:
        return
    raise AssertionError("It was not noticed.")


def _swapped_back(world: World, before: Before) -> None:
    assert world.served() == before.old
    made = last(world, "promote")
    assert made.status in {"failed", "errored"}, made.message
    assert "back" in made.message or "as it was" in made.message


# --- Roll back, clean up -------------------------------------------------------------------------


def _with_a_way_back(world: World) -> Before:
    world.adopted()
    old = world.served()
    world.promoted()
    return Before(world.served(), old)


def _with_an_edited_way_back(world: World) -> Before:
    before = _with_a_way_back(world)
    live = StoredGeneration.live_in(world.production)
    assert live is not None
    assert live.previous is not None
    kept = live.previous.generation.resources["segment"]
    world.edit(kept.index, "edited", "by hand")
    return before


def _roll_back(world: World, _before: Before) -> None:
    world.roll_back()


def _back_or_not(world: World, before: Before) -> None:
    _true_status(world, before, "rollback")


def _with_old_generations(world: World) -> Before:
    world.adopted()
    # The last one's own clean-up has not run.
    for _ in range(3):
        finish(world.switched())
    return Before(world.served(), world.served())


def _clean(world: World, _before: Before) -> None:
    clean_up(world.writer, world.production)


def _still_there(world: World, before: Before) -> None:
    assert world.served() == before.old


# --- Reconcile -----------------------------------------------------------------------------------


def _lost(world: World) -> Before:
    """The database is restored from an older backup, twice: an attempt and a promotion are lost."""
    world.adopted()
    with TemporaryDirectory() as folder:
        backups = Backups(Path(folder))
        older = backups.take()
        world.prepared()
        backups.restore(older)
        world.promoted()
        backups.restore(older)
    return Before(world.served(), world.served())


def _reconcile(world: World, _before: Before) -> None:
    begun = reconcile(world.people.admin, world.production, clean=True)
    assert begun is not None
    run_reconcile(begun)


def _reconciled(world: World, before: Before) -> None:
    assert world.served() == before.old
    made = last(world, "reconcile")
    assert made.status == "succeeded", made.message
    assert not made.steps.filter(status="running").exists()
    live = StoredGeneration.live_in(world.production)
    assert live is not None
    assert live.is_found
    assert live.previous is not None
    assert check(world.writer, world.production) is None


# --- Rehearse ------------------------------------------------------------------------------------


def _captured(world: World) -> Before:
    build = world.approved()
    return Before(world.served(), world.served(), build)


def _rehearse(world: World, before: Before) -> None:
    run_rehearsal(request_rehearsal(world.people.admin, before.subject, world.production))


def _rehearse_back(world: World, _before: Before) -> None:
    run_rehearsal(request_rollback_rehearsal(world.people.admin, world.production))


def _rehearsed_or_not(world: World, before: Before) -> None:
    assert world.served() == before.old
    made = last(world, "rehearse")
    assert made.status == ("errored" if made.message == GAVE_UP else "succeeded"), made.message
    assert not made.steps.filter(status="running").exists()


# --- Lock and unlock -----------------------------------------------------------------------------


def _unlocked(world: World) -> Before:
    world.adopted()
    world.unlocked()
    return Before(world.served(), world.served())


def _unlock(world: World, _before: Before) -> None:
    world.unlocked()


def _lock(world: World, _before: Before) -> None:
    lock(world.people.admin, world.production)


def _either_way(world: World, before: Before) -> None:
    """The blocks are what the record says: `World.check` compares them."""
    assert world.served() == before.old
    # The administrator can do it once more, and then it is done.
    if Unlocking.of(world.production) is None:
        world.unlocked()
    lock(world.people.admin, world.production)
    world.work()
    world.check()


SCENES = {
    "adopt": Scene(_plain, _adopt, _adopted_or_not),
    "release": Scene(_adopted, _release, _released),
    "prepare": Scene(_approved, _prepare, _prepared_again),
    "promote": Scene(_prepared, _promote, _promoted_or_not),
    "verify": Scene(_switched, _finish, _proved),
    "promote unlocked": Scene(_prepared_and_unlocked, _promote, _promoted_or_not),
    "verify unlocked": Scene(_switched_and_unlocked, _finish, _proved),
    "swap back": Scene(_tampered, _finish_in_vain, _swapped_back),
    "roll back": Scene(_with_a_way_back, _roll_back, _back_or_not),
    "rebuild": Scene(_with_an_edited_way_back, _roll_back, _back_or_not),
    "rehearse": Scene(_captured, _rehearse, _rehearsed_or_not),
    "rehearse back": Scene(_with_a_way_back, _rehearse_back, _rehearsed_or_not),
    "unlock": Scene(_adopted, _unlock, _either_way),
    "lock": Scene(_unlocked, _lock, _either_way),
    "clean up": Scene(_with_old_generations, _clean, _still_there),
    "reconcile": Scene(_lost, _reconcile, _reconciled),
}
