"""Installations are found by their names, and what of them is not right is told one by one."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.catalogue import CATALOGUES, Policy, catalogue_for
from environments.discovery import Discovery, Fault, IndexFacts, IndexSet, discover
from environments.naming import Naming, Side
from tests.data import load

Indices = dict[str, IndexFacts]
TENANTS = {"0.8.1": "acme", "0.8.2": "acme82"}


def real(version: str, tenant: str = "") -> Indices:
    """Return a real installation's names, under another tenant where one is given."""
    own = TENANTS[version]

    def called(name: str) -> str:
        return name.replace(f"{own}.", f"{tenant}.", 1) if tenant else name

    return {
        called(name): IndexFacts(frozenset(map(called, facts["aliases"])))
        for name, facts in load(f"{version}/aliases.json").items()
    }


def moved(indices: Indices, alias: str, *to: str) -> Indices:
    """Let an alias lead to some indices, and to no other."""
    made = {n: IndexFacts(f.aliases - {alias}, f.is_open) for n, f in indices.items()}
    for name in to:
        made[name] = IndexFacts(made.get(name, IndexFacts()).aliases | {alias})
    return made


def one_set(indices: Indices, key: str = "prod-08x.acme") -> IndexSet:
    found = discover(indices).find(key)
    assert found is not None
    return found


def faults(found: IndexSet) -> dict[str, Fault]:
    return {gap.resource.name: gap.fault for gap in found.gaps}


@pytest.mark.parametrize("version", sorted(CATALOGUES))
def test_a_real_installation_is_complete_on_both_sides(version: str) -> None:
    found = discover(real(version))
    [one] = found.installations
    assert (one.version, one.tenant, one.problem) == (version, TENANTS[version], "")
    assert list(one.sets) == [Side.STAGING, Side.PRODUCTION]
    for side, held in one.sets.items():
        assert held.is_complete, held.gaps
        assert held.working == 20
        assert held.naming == Naming(catalogue_for(version), TENANTS[version], side)
        assert (held.generation, held.loose, held.unknown) == (None, 0, ())
        assert held.indices > 30
    assert found.strange == ()


def test_several_tenants_and_versions_are_told_apart() -> None:
    many = {**real("0.8.1"), **real("0.8.2"), **real("0.8.1", "shop"), **real("0.8.2", "beta")}
    found = discover(many)
    names = [(one.tenant, one.version) for one in found.installations]
    assert names == [("acme", "0.8.1"), ("acme82", "0.8.2"), ("beta", "0.8.2"), ("shop", "0.8.1")]
    assert all(one.is_complete for one in found.sets())
    assert found.find("prod-0820.beta") is not None
    assert found.find("prod-0820.shop") is None


def test_a_side_alone_is_an_installation_without_the_other() -> None:
    [one] = discover(
        {n: f for n, f in real("0.8.1").items() if not n.startswith("prod-")}
    ).installations
    assert list(one.sets) == [Side.STAGING]
    assert one.label == "acme (0.8.1: staging)"


def test_what_is_there_once_for_both_sides_counts_for_both() -> None:
    without = {n: f for n, f in real("0.8.1").items() if "bridge" not in n}
    for key in ("08x.acme", "prod-08x.acme"):
        assert faults(one_set(without, key)) == {"bridge": Fault.MISSING}


FLOW, ALIAS = "prod-08x.acme.tracardi-flow", "prod-acme.tracardi-flow"
EVENT, EVENTS = "prod-08x.acme.tracardi-event-2026-11", "prod-acme.tracardi-event"


@pytest.mark.parametrize(
    ("change", "resource", "fault", "words"),
    [
        (lambda i: moved(i, ALIAS), "flow", Fault.NO_ALIAS, "No index has the alias"),
        (lambda i: {n: f for n, f in i.items() if n != FLOW}, "flow", Fault.MISSING, "Neither"),
        # All of production reads staging: what a deploy of Tracardi's leaves when it fails midway.
        (
            lambda i: moved(i, ALIAS, "08x.acme.tracardi-flow"),
            "flow",
            Fault.ELSEWHERE,
            "leads to 08x.acme.tracardi-flow",
        ),
        (lambda i: moved(i, ALIAS, "restored"), "flow", Fault.ELSEWHERE, "leads to restored"),
        (
            lambda i: moved(i, ALIAS, FLOW, "08x.acme.tracardi-flow"),
            "flow",
            Fault.AMBIGUOUS,
            "at once",
        ),
        (lambda i: {**i, FLOW: IndexFacts(i[FLOW].aliases, False)}, "flow", Fault.CLOSED, "closed"),
        # A write to a name that was not there made an index of it.
        (
            lambda i: {**moved(i, ALIAS), ALIAS: IndexFacts()},
            "flow",
            Fault.IN_PLACE,
            f"An index is called {ALIAS}",
        ),
        (lambda i: moved(i, EVENTS), "event", Fault.NO_ALIAS, "has not the alias"),
        (lambda i: {n: f for n, f in i.items() if n != EVENT}, "event", Fault.MISSING, "No index"),
        (lambda i: moved(i, EVENTS, EVENT, FLOW), "event", Fault.ELSEWHERE, f"leads to {FLOW}"),
        (lambda i: {**i, EVENTS: IndexFacts()}, "event", Fault.IN_PLACE, "is to be an alias"),
        (
            lambda i: {**i, EVENT: IndexFacts(i[EVENT].aliases, False)},
            "event",
            Fault.CLOSED,
            "closed",
        ),
    ],
)
def test_each_thing_that_is_not_right_is_named(
    change: Any, resource: str, fault: Fault, words: str
) -> None:
    found = one_set(change(real("0.8.1")))
    assert faults(found) == {resource: fault}
    assert words in found.gaps[0].words
    assert found.successor == ""
    # Of the other side nothing is said.
    assert one_set(change(real("0.8.1")), "08x.acme").is_complete or resource != "flow"
    policy = Policy.PROMOTED if resource == "flow" else Policy.PROTECTED
    assert [gap.resource.name for gap in found.gaps_of(policy)] == [resource]
    assert found.working == (19 if resource == "flow" else 20)


def adopted(number: int = 7, *, marker: bool = True, names: bool = True) -> Indices:
    """Return an installation whose production the console adopted, with Flow rebuilt since."""
    indices = real("0.8.1")
    naming = Naming(catalogue_for("0.8.1"), "acme", Side.PRODUCTION)
    for resource in naming.catalogue.promoted:
        concrete, alias = naming.concrete(resource.name), naming.alias(resource.name)
        del indices[concrete]
        made = naming.generation_index(resource.name, number)
        indices[made] = IndexFacts(frozenset({alias, *([concrete] if names else [])}))
    if marker:
        name = naming.marker_index(number, "abc")
        indices[name] = IndexFacts(frozenset({naming.marker_alias}))
    return indices


def test_an_adopted_production_is_complete_and_names_its_generation() -> None:
    found = one_set(adopted())
    assert (found.gaps, found.generation, found.loose) == ((), 7, 0)
    assert discover(adopted()).strange == ()


def test_generations_without_their_marker_are_counted() -> None:
    found = one_set(adopted(marker=False))
    assert (found.generation, found.loose) == (None, 20)


def test_a_generation_without_the_name_that_tracardi_writes_to_is_a_gap() -> None:
    found = one_set(adopted(names=False))
    assert set(faults(found).values()) == {Fault.NO_NAME}
    assert len(found.gaps) == 20


def test_a_set_whose_names_a_newer_version_took_is_left_behind() -> None:
    old, new = real("0.8.1"), real("0.8.2", "acme")
    taken = frozenset().union(*(facts.aliases for facts in new.values()))
    both = {n: IndexFacts(f.aliases - taken) for n, f in old.items()} | new
    assert one_set(both).successor == "0820"
    assert one_set(both, "prod-0820.acme").is_complete
    # While any of its names still leads to it, it is one with gaps.
    half = moved(both, ALIAS, FLOW)
    assert one_set(half).successor == ""


def test_a_version_that_the_console_does_not_know_is_told() -> None:
    found = discover({n.replace("08x.", "0900."): f for n, f in real("0.8.1").items()})
    [one] = found.installations
    assert (one.version, dict(one.sets)) == ("", {})
    assert one.sides == set(Side)
    assert one.problem == (
        "The console knows no Tracardi with the prefix 0900; it knows 08x (0.8.1), 0820 (0.8.2)."
    )
    assert one.label == "acme (prefix 0900: staging and production)"


@pytest.mark.parametrize("tenant", ["prod-acme", "static-x", "a.b", "-a", "x" * 61])
def test_a_tenant_whose_names_cannot_be_read_is_told(tenant: str) -> None:
    [one] = discover(real("0.8.1", tenant)).installations
    assert one.tenant == tenant
    assert "is not usable" in one.problem
    assert not one.sets


def test_names_that_are_like_tracardis_and_are_not_are_kept_apart() -> None:
    found = discover({**real("0.8.1"), "my.tracardi-backup": IndexFacts(), ALIAS: IndexFacts()})
    assert found.strange == ("my.tracardi-backup", ALIAS)
    unknown = {**real("0.8.1"), "prod-08x.acme.tracardi-novelty": IndexFacts()}
    assert one_set(unknown).unknown == ("prod-08x.acme.tracardi-novelty",)


def test_nothing_there_is_no_installation() -> None:
    assert discover({}) == Discovery(())


def test_a_name_that_misleads_is_written_out() -> None:
    found = one_set(moved(real("0.8.1"), ALIAS, "evil\u202ename"))
    assert found.gaps[0].words == f"The alias {ALIAS} leads to evil\\u202ename."


def many(count: int) -> Iterator[tuple[str, IndexFacts]]:
    for number in range(count):
        yield from real("0.8.1", f"tenant-with-a-name-{number:04}").items()


def test_hundreds_of_tenants_are_found() -> None:
    found = discover(dict(many(300)))
    assert len(found.installations) == 300
    assert all(one.is_complete for one in found.sets())


NAMES = st.text("08xprod-static.acme_tracardi-flowg2\u202e", min_size=1, max_size=50)


@given(st.dictionaries(NAMES, st.builds(IndexFacts, st.frozensets(NAMES), st.booleans())))
def test_no_names_end_in_an_error(indices: Indices) -> None:
    for one in discover({**indices, **real("0.8.1")}).installations:
        assert one.label
