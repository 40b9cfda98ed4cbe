"""Composing a configuration from what production serves and some of a build's changes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promotion.engine.compose import Choice, changes, compose
from promotion.engine.dangling import MISSING, problems
from promotion.engine.dependencies import Configuration, Key, needs
from promotion.engine.manifest import Manifest, TreeDigests
from tests.engine.test_dependencies import flow, made, resource, rule


def manifest(held: Configuration) -> Manifest:
    return Manifest({name: TreeDigests.of(held.tree(name)) for name in held.resources})


# Each example digests some twenty documents.
few = settings(max_examples=40, deadline=None)
numbers = st.integers(0, 3)
documents = st.fixed_dictionaries(
    {
        "rule": st.dictionaries(
            numbers.map(lambda n: f"r{n}"),
            st.builds(lambda n, v: rule(f"f{n}", name=f"Rule {v}"), numbers, numbers),
            max_size=4,
        ),
        "flow": st.dictionaries(
            numbers.map(lambda n: f"f{n}"),
            st.builds(lambda n, v: {**flow(f"c{n}"), "name": f"Flow {v}"}, numbers, numbers),
            max_size=4,
        ),
        "resource": st.dictionaries(
            numbers.map(lambda n: f"c{n}"),
            st.builds(lambda v: resource(f"key {v}"), numbers),
            max_size=4,
        ),
    }
)


def missing(held: Configuration) -> set[tuple[Key, Key]]:
    return {(one.user, one.used) for one in problems(held) if one.code == MISSING}


@few
@given(documents, documents, st.data())
def test_what_a_choice_needs_needs_nothing_more(
    before: dict[str, Any], after: dict[str, Any], data: st.DataObject
) -> None:
    base, wanted = made(before), made(after)
    known = changes(base, wanted)
    chosen = {key for key in known if data.draw(st.booleans())}
    found = {need.key for need in needs(chosen, wanted, base)}
    assert not found & chosen
    assert found <= set(known)
    assert needs(chosen | found, wanted, base) == []


@few
@given(documents, documents, st.data())
def test_a_composition_has_no_dangling_reference_that_neither_side_has(
    before: dict[str, Any], after: dict[str, Any], data: st.DataObject
) -> None:
    base, wanted = made(before), made(after)
    known = changes(base, wanted)
    chosen = frozenset(key for key in known if data.draw(st.booleans()))
    result = compose(base, wanted, Choice(documents=chosen), known).result
    assert missing(result) <= missing(base) | missing(wanted)


@few
@given(documents, documents)
def test_all_changes_make_the_build_and_none_make_the_base(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    base, wanted = made(before), made(after)
    known = changes(base, wanted)
    everything = compose(base, wanted, Choice(whole=frozenset(wanted.resources)), known)
    assert manifest(everything.result).content == manifest(wanted).content
    assert manifest(everything.result).exact == manifest(wanted).exact
    nothing = compose(base, wanted, Choice(), known)
    assert manifest(nothing.result).exact == manifest(base).exact


@few
@given(documents, documents, st.data())
def test_each_document_is_the_bases_or_the_builds_to_the_byte(
    before: dict[str, Any], after: dict[str, Any], data: st.DataObject
) -> None:
    base, wanted = made(before), made(after)
    known = changes(base, wanted)
    chosen = frozenset(key for key in known if data.draw(st.booleans()))
    without = frozenset(key for key in known if data.draw(st.booleans()))
    done = compose(base, wanted, Choice(documents=chosen, without=without), known)
    taken = done.chosen | {need.key for need in done.added}
    assert taken.isdisjoint(without)
    for key in {(name, e.id) for name in base.resources for e in base.tree(name).entries} | {
        *known
    }:
        source = wanted if key in taken else base
        assert done.result.entry(key) == source.entry(key)
        assert done.result.links_of(key) == source.links_of(key)


def test_excluding_a_deletion_keeps_the_document_as_production_has_it() -> None:
    base = made({"flow": {"f": flow(), "old": flow()}, "rule": {"r": rule()}})
    wanted = made({"flow": {"f": {**flow(), "name": "New"}}, "rule": {"r": rule()}})
    known = changes(base, wanted)
    choice = Choice(whole=frozenset({"flow"}), without=frozenset({("flow", "old")}))
    result = compose(base, wanted, choice, known).result
    assert {entry.id: entry.title for entry in result.tree("flow").entries} == {
        "f": "New",
        "old": "Follow-up",
    }


def test_noise_is_no_change_and_stays_as_production_has_it() -> None:
    base = made({"resource": {"c": {**resource(), "timestamp": "a"}, "d": resource("x")}})
    wanted = made({"resource": {"c": {**resource(), "timestamp": "b"}, "d": resource("y")}})
    known = changes(base, wanted)
    assert set(known) == {("resource", "d")}
    done = compose(base, wanted, Choice(whole=frozenset({"resource"})), known)
    assert done.result.entry(("resource", "c")) == base.entry(("resource", "c"))


def test_a_choice_survives_being_kept_and_names_what_it_does_not_know() -> None:
    choice = Choice(
        frozenset({"flow", "event"}), frozenset({("rule", "a/b")}), frozenset({("flow", "x")})
    )
    assert Choice.from_dict(json.loads(json.dumps(choice.to_dict()))) == choice
    known = {("flow", "x"), ("flow", "y")}
    assert choice.unknown(known) == ["event", "rule/a/b"]
    assert choice.known(known).chosen(known) == {("flow", "y")}


@pytest.mark.parametrize("left", [True, False])
def test_what_is_needed_and_left_out_is_told_and_dangles(left: bool) -> None:
    base, wanted = made({}), made({"flow": {"f": flow()}, "rule": {"r": rule()}})
    without = frozenset({("flow", "f")}) if left else frozenset()
    choice = Choice(documents=frozenset({("rule", "r")}), without=without)
    done = compose(base, wanted, choice, changes(base, wanted))
    assert [(need.key, need.left_out) for need in done.needed] == [(("flow", "f"), left)]
    assert bool(missing(done.result)) is left
