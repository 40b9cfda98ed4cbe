"""Two consoles with separate databases, each in a process of its own, on one cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.elastic import connect
from promotion.models import StoredGeneration
from promotion.writer import ClusterWriter
from tests.faults.conftest import Worlds
from tests.faults.world import World
from tests.races.at_once import database_url
from tests.races.consoles import Console, copied, fresh, outcome

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    """Both sets, for one test: afterwards one of two consoles does not know what is live."""
    yield worlds.get()
    worlds.end()


def live_marker(world: World) -> str:
    writer = ClusterWriter(connect(world.production.cluster))
    facts = writer.marker(world.production.naming.marker_alias) or {}
    return str(facts.get("marker", ""))


@pytest.mark.parametrize("prepared", [True, False], ids=["one preparation", "each its own"])
def test_of_two_promotions_at_once_one_goes_live_whole(
    world: World, tmp_path: Path, prepared: bool
) -> None:
    build = world.approved()
    if prepared:
        world.work()
    old, new = world.served(), world.staged()
    ours, other = Console(database_url()), copied(tmp_path)
    words = ("promote", f"staging:{build.number}", "production")
    started = [console.start(*words) for console in (ours, other)]
    first, second = (outcome(one) for one in started)
    ends = sorted([first["status"], second["status"]])
    assert "done" in ends, (first, second)
    assert world.served() == new != old
    if not prepared:
        # Their indices have names of their own, and one set of names moved.
        assert ends != ["done", "done"]
        loser = first if second["status"] == "done" else second
        assert loser["code"] in {"lease-held", "stale-plan", "rule-broken"}, loser
        # Whoever lost knows that what is live is not its own, and leaves it alone.
        console = ours if loser is first else other
        again = console.run(*words)
        assert again["status"] != "done", again
        assert world.served() == new
    live = StoredGeneration.live_in(world.production)
    assert live is not None
    if first["status"] == "done":
        assert live_marker(world) == live.marker


def test_of_two_adoptions_at_once_one_adopts_and_the_other_leaves_it_alone(
    world: World, tmp_path: Path
) -> None:
    old = world.served()
    ours, other = Console(database_url()), fresh(tmp_path, world.production)
    started = [console.start("adopt", "production") for console in (ours, other)]
    found = [outcome(one) for one in started]
    assert sorted(one["status"] == "done" for one in found) == [False, True], found
    (loser,) = (one for one in found if one["status"] != "done")
    assert "Another promotion works" in loser["message"] or "already" in loser["message"], loser
    marker = live_marker(world)
    assert marker
    assert world.served() == old
    late = (other if found[0]["status"] == "done" else ours).run("adopt", "production")
    assert "serves a generation already" in late["message"]
    assert live_marker(world) == marker
    naming = world.production.naming
    states = world.writer.states([naming.alias(r.name) for r in naming.catalogue.promoted])
    assert all(state.write_blocked for state in states.values())
