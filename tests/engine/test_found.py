"""What a marker's name says, and which leftovers are surely nobody's."""

import pytest

from environments.catalogue import catalogue_for
from environments.naming import Naming, Side
from promotion.engine.found import Marked, Sight, leftovers, lineage, marker_number
from promotion.engine.manifest import TreeDigests
from promotion.engine.plan import Generation, Held
from promotion.engine.ports import Fingerprint, IndexState

naming = Naming(catalogue_for("0.8.1"), "acme", Side.PRODUCTION)
TREE = TreeDigests("d", "e", "c", 1, 2)


def state(name: str, *aliases: str) -> IndexState:
    return IndexState(name, f"uuid of {name}", aliases, 1, {}, {}, "s", write_blocked=True)


def marked(number: int, token: str, index: str = "", **parents: str) -> Marked:
    """A marker, of a generation that holds one index, or of none."""
    name = naming.marker_index(number, token)
    held = {"flow": Held(index, TREE, Fingerprint("u", (1,), 1, "s"))}
    return Marked(name, number, Generation(number, name, held) if index else None, **parents)


def sight(live: Marked | None, *others: Marked, indices: tuple[str, ...] = ()) -> Sight:
    markers = {one.name: one for one in others}
    states = {name: state(name) for name in (*indices, *markers)}
    if live is not None and live.generation is not None:
        markers[live.name] = live
        states[live.name] = state(live.name, naming.marker_alias)
        index = live.generation.resources["flow"].index
        states[index] = state(index, naming.alias("flow"), naming.concrete("flow"))
    return Sight(states, markers, live, live is not None)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (naming.marker_index(7, "abc123"), 7),
        (naming.marker_alias, None),
        (naming.marker_index(7, "abc123").replace("acme", "other"), None),
        ("tracardi-console.prod-08x.acme.g7-abc", None),
        ("tracardi-console.prod-08x.acme.g000007", None),
        ("tracardi-console.prod-08x.acme.g000007-a.b", None),
        ("tracardi-console.leases", None),
        (naming.generation_index("flow", 7), None),
    ],
)
def test_only_a_name_that_the_console_gives_is_a_marker(name: str, number: int | None) -> None:
    assert marker_number(naming, name) == number


def test_only_what_the_live_marker_descends_from_was_surely_live() -> None:
    first = marked(1, "a", naming.generation_index("flow", 1))
    second = marked(2, "b", naming.generation_index("flow", 2), base=first.name)
    # It looks just the same, and was only prepared.
    prepared = marked(3, "c", naming.generation_index("flow", 3), base=first.name)
    live = marked(4, "d", naming.generation_index("flow", 4), base=second.name)
    seen = sight(live, first, second, prepared)
    assert [one.number for one in lineage(seen)] == [4, 2, 1]


def test_a_circle_of_markers_has_an_end() -> None:
    name = naming.marker_index(1, "a")
    live = marked(1, "a", naming.generation_index("flow", 1), base=name, previous=name)
    assert lineage(sight(live)) == [live]


def test_what_is_newer_than_what_is_live_may_be_a_living_preparations() -> None:
    old, reused = naming.generation_index("flow", 2), naming.generation_index("rule", 3)
    newer = naming.generation_index("flow", 9)
    # Another console's preparation takes an old index again.
    preparing = marked(9, "p", reused)
    live = marked(5, "l", naming.generation_index("flow", 5))
    dead = marked(2, "x")
    seen = sight(live, preparing, dead, indices=(old, reused, newer))
    left = leftovers(naming, seen, {live.name, naming.generation_index("flow", 5)})
    assert set(left.dead) == {old, dead.name}
    assert set(left.doubtful) == {reused, newer, preparing.name}


def test_what_has_a_name_is_needed_or_belongs_elsewhere_is_no_leftover() -> None:
    kept = naming.generation_index("flow", 3)
    others = (
        naming.concrete("flow"),
        naming.partition("event", "2026-11"),
        naming.generation_index("flow", 3).replace("acme", "other"),
        "prod-08x-g000003.acme.tracardi-unknown",
    )
    live = marked(5, "l", naming.generation_index("flow", 5))
    seen = sight(live, indices=(kept, *others))
    left = leftovers(naming, seen, {live.name, kept})
    assert left.dead == left.doubtful == ()


def test_without_a_live_marker_nothing_is_surely_dead_while_names_point_at_a_generation() -> None:
    index = naming.generation_index("flow", 3)
    seen = Sight({index: state(index)}, {}, None, holds_names=True)
    assert leftovers(naming, seen, ()).dead == ()
    released = Sight({index: state(index)}, {}, None, holds_names=False)
    assert leftovers(naming, released, ()).dead == (index,)
