"""A large resource of which little changes: only that is read and written."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.audit import system_actor
from environments.elastic import connect
from environments.models import Environment
from promotion.cleaning import clean_up
from promotion.engine.delta import CLONE_BYTES, CLONE_DOCUMENTS, delta
from promotion.engine.manifest import Entry, Tree
from promotion.live import finish
from promotion.locking import unlock
from promotion.models import Promotion, StoredGeneration
from promotion.rollback import rollback
from promotion.services import capture
from promotion.store import DatabaseContent
from promotion.writer import ClusterWriter
from tests.factories import People, served

Ship = Callable[[], Promotion]
MANY = CLONE_DOCUMENTS + 50


def raw(text: str) -> bytes:
    return json.dumps({"name": text}).encode()


def entry(doc_id: str, oid: str, size: int = 1) -> Entry:
    return Entry(doc_id, oid, oid, oid, doc_id, size)


sources = st.dictionaries(st.text(max_size=3), st.sampled_from("abc"), max_size=8)


@given(sources, sources)
def test_a_delta_turns_the_one_tree_into_the_other(
    before: dict[str, str], after: dict[str, str]
) -> None:
    one, two = (Tree.of("rule", [entry(*item) for item in d.items()]) for d in (before, after))
    found = delta(one, two)
    now = {name: oid for name, oid in before.items() if name not in found.removed}
    assert set(found.removed) <= set(before)
    assert now | {e.id: e.oid for e in found.written.entries} == after
    assert found.kept == sum(before.get(name) == oid for name, oid in after.items())


@pytest.mark.parametrize(
    ("documents", "size", "changed", "small"),
    [
        (CLONE_DOCUMENTS, 1, 1, True),
        (CLONE_DOCUMENTS - 1, 1, 1, False),
        (2, CLONE_BYTES // 2, 1, True),
        (CLONE_DOCUMENTS, 1, CLONE_DOCUMENTS + 1, False),
    ],
)
def test_a_clone_is_for_little_of_much(
    documents: int, size: int, changed: int, small: bool
) -> None:
    kept = [entry(f"k{n}", "same", size) for n in range(documents)]
    before = Tree.of("rule", [*kept, *(entry(f"c{n}", "old") for n in range(changed))])
    after = Tree.of("rule", [*kept, *(entry(f"c{n}", "new") for n in range(changed))])
    assert delta(before, after).is_small is small


@pytest.fixture
def many(staging: Environment) -> ClusterWriter:
    """Staging has many segments more."""
    writer = ClusterWriter(connect(staging.cluster))
    writer.load(staging.naming.concrete("segment"), [(f"m{n}", raw(f"m{n}")) for n in range(MANY)])
    return writer


def cloned_from(environment: Environment, resource: str) -> str:
    """Return which index the live one of a resource was cloned from, or an empty string."""
    writer = ClusterWriter(connect(environment.cluster))
    (index,) = writer.states([environment.naming.alias(resource)])
    answer = writer.connection.request(
        "GET", f"/{index}/_settings", params={"flat_settings": "true"}
    )
    return str(answer[index]["settings"].get("index.resize.source.name", ""))


@pytest.mark.django_db
def test_a_clone_is_changed_where_little_of_much_changes(
    people: People,
    staging: Environment,
    production: Environment,
    many: ClusterWriter,
    ship: Ship,
) -> None:
    naming = staging.naming
    ship()
    assert cloned_from(production, "segment") == ""
    first = served(production, "segment")
    assert first == served(staging, "segment")
    many.erase(naming.concrete("segment"), ["m7"])
    many.load(naming.concrete("segment"), [("m8", raw("changed")), ("ä/new", raw("new"))])
    second = ship()
    assert second.status == "succeeded"
    live = StoredGeneration.objects.get(promotion=second)
    assert live.previous is not None
    assert cloned_from(production, "segment") == live.previous.generation.resources["segment"].index
    now = served(production, "segment")
    assert now == served(staging, "segment")
    assert ("m7" in now, now["m8"], now["ä/new"]) == (False, raw("changed"), raw("new"))
    # A clone of a clone, and the way back.
    many.load(naming.concrete("segment"), [("m9", raw("again"))])
    ship()
    clean_up(many, production)
    assert served(production, "segment") == now | {"m9": raw("again")}
    last = StoredGeneration.live_in(production)
    assert last is not None
    finish(rollback(people.admin, production, marker=last.marker))
    assert served(production, "segment") == now


@pytest.mark.django_db
def test_what_may_be_edited_is_never_cloned(
    people: People,
    staging: Environment,
    production: Environment,
    many: ClusterWriter,
    ship: Ship,
) -> None:
    ship()
    unlock(people.admin, production, "A test")
    many.load(staging.naming.concrete("segment"), [("m8", raw("changed"))])
    ship()
    assert cloned_from(production, "segment") == ""
    assert served(production, "segment") == served(staging, "segment")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("written", "removed"),
    [
        ({"m1": "changed", "new": "new"}, []),
        ({}, ["m1"]),
        ({"new": "as many as before"}, ["m1"]),
        ({"m1": "deleted, and there again"}, []),
        ({"m1": "m1"}, []),
    ],
)
def test_what_was_written_since_is_captured(
    staging: Environment, many: ClusterWriter, written: dict[str, str], removed: list[str]
) -> None:
    index, content = staging.naming.concrete("segment"), DatabaseContent()
    capture(system_actor(), staging)
    many.erase(index, [*removed, *([] if "new" in written else written)])
    many.load(index, [(doc_id, raw(text)) for doc_id, text in written.items()])
    build = capture(system_actor(), staging)
    tree = content.tree(build.resources()["segment"].tree.digest)
    found = {entry.id: content.source(entry.oid) for entry in tree.entries}
    assert found == served(staging, "segment")
    assert ("m1" in found) == ("m1" not in removed)
