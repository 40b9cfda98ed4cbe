"""A worker stalls past its lease, is taken over, and wakes up: it must not write any more."""

from pathlib import Path

import pytest

from promotion.models import Promotion, StoredGeneration, Unlocking
from tests.alike import some
from tests.faults.points import POINTS
from tests.faults.scenes import SCENES, last
from tests.faults.world import World
from tests.races.stalling import stall_at

pytestmark = pytest.mark.django_db
# Where it writes next, or has a request on its way when it stops.
WAKES = {
    "adopt": (
        "block begun",
        "copy begun",
        "copy: clone sent",
        "switch: aliases due",
        "replace: aliases due",
    ),
    "release": (
        "look begun",
        "guard: template sent",
        "copy: aliases due",
        "copy: delete sent",
        "switch: aliases due",
        "open: untemplate sent",
        "clean begun",
    ),
    "prepare": ("copy begun", "copy: bulk sent", "copy: facts sent", "copy recorded"),
    "promote": ("cutover begun", "cutover: aliases due", "cutover: aliases sent"),
    "promote unlocked": ("cutover begun", "cutover: block sent", "cutover: aliases due"),
    "verify unlocked": ("receipt recorded", "open begun"),
    "swap back": ("undo begun", "undo: aliases due"),
    "rebuild": ("copy: bulk sent", "cutover: aliases due"),
}
EVERY = [(scene, moment) for scene, moments in WAKES.items() for moment in moments]


def is_ours(error: str) -> bool:
    """Answer whether a process ended well, or because it was told to stop."""
    return not error or error.startswith("promotion.engine.errors.")


def test_each_of_the_moments_is_one_that_is_there() -> None:
    assert all(set(moments) <= set(POINTS[scene]) for scene, moments in WAKES.items())


@pytest.mark.parametrize(
    ("name", "moment"),
    some(EVERY, lambda place, _case: place % 2 == 0),
    ids=[f"{s}: {m}" for s, m in EVERY],
)
def test_who_was_taken_over_changes_nothing_any_more(
    world: World, name: str, moment: str, tmp_path: Path
) -> None:
    scene = SCENES[name]
    before = scene.arrange(world)

    def taken_over() -> None:
        world.next_worker()
        world.check()
        scene.settle(world, before)

    error = stall_at(moment, lambda: scene.act(world, before), taken_over, tmp_path / "errors")
    assert is_ours(error), error
    world.check()
    scene.settle(world, before)


@pytest.mark.parametrize("moment", WAKES["promote unlocked"])
def test_who_wakes_up_under_the_next_promotion_does_not_lift_its_block(
    world: World, moment: str, tmp_path: Path
) -> None:
    scene = SCENES["promote unlocked"]
    before = scene.arrange(world)
    found: list[Promotion] = []

    def next_one_goes_live() -> None:
        world.next_worker()
        (given_up,) = [last(world, "promote")]
        assert given_up.status == "errored"
        ready = world.again()
        found.append(world.promote(ready))

    error = stall_at(
        moment, lambda: scene.act(world, before), next_one_goes_live, tmp_path / "errors"
    )
    assert is_ours(error), error
    # It is live, not verified yet, and blocked until it is.
    (made,) = found
    live = StoredGeneration.live_in(world.production)
    assert live is not None
    assert live.promotion == made
    changed = [part.next_index for part in made.plan.changed] if made.plan is not None else []
    states = world.writer.states(changed)
    assert all(states[index].write_blocked for index in changed)
    world.next_worker()
    assert last(world, "promote").status == "succeeded"
    assert world.served() == world.staged() == before.new
    assert Unlocking.of(world.production) is not None
