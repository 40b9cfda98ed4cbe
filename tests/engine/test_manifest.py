"""Manifests and differences of real documents."""

import json

import pytest

from environments import documents
from environments.catalogue import catalogue_for
from promotion.engine.diff import Change, Counts, compare, count
from promotion.engine.errors import UnreadableDocument
from promotion.engine.manifest import Manifest, Tree, TreeDigests, describe
from tests.data import configuration

LIMIT = 10 * 1024 * 1024
Sources = dict[str, bytes]


def real(storage: str) -> Sources:
    return dict(configuration(storage))


def tree(resource: str, sources: Sources) -> Tree:
    return Tree.of(resource, (describe(resource, i, s, limit=LIMIT) for i, s in sources.items()))


def test_a_tree_survives_being_packed() -> None:
    before = tree("flow", real("tracardi-flow"))
    after = Tree.unpack(before.pack())
    assert after.entries == before.entries
    assert (after.digest, after.exact, after.content) == (
        before.digest,
        before.exact,
        before.content,
    )


def test_the_order_of_reading_does_not_matter() -> None:
    sources = real("tracardi-rule")
    assert tree("rule", sources).digest == tree("rule", dict(reversed(sources.items()))).digest


def test_moving_a_character_between_ids_changes_the_digest() -> None:
    body = b'{"name": "x"}'
    one, two = tree("rule", {"a\0": body, "b": body}), tree("rule", {"a": body, "\0b": body})
    assert one.exact != two.exact


def test_each_kind_of_change_is_told_apart() -> None:
    before = real("tracardi-rule")
    changed = documents.parse(before["rule-page"]) | {"enabled": True}
    noisy = documents.parse(before["rule-purchase"]) | {"metadata": {"time": {}}}
    after = {
        "rule-page": json.dumps(changed).encode(),
        "rule-purchase": json.dumps(noisy).encode(),
        "rule-new/ä": b'{"name": "New"}',
    }
    old, new = tree("rule", before), tree("rule", after)
    assert {c.entry.id: c.kind for c in compare(old, new)} == {
        "rule-page": Change.CHANGED,
        "rule-purchase": Change.NOISE,
        "rule-segment": Change.REMOVED,
        "rule-new/ä": Change.ADDED,
    }
    assert count(old, new) == Counts(1, 1, 1, 1, total_before=3, total_after=3)


def test_the_rewritten_heartbeat_source_leaves_the_content_as_it_was() -> None:
    sources = real("tracardi-source")
    beat = next(i for i in sources if i.startswith("@@heartbeats-"))
    without = {i: s for i, s in sources.items() if i != beat}
    old, new = tree("event-source", sources), tree("event-source", without)
    assert old.content == new.content
    assert old.exact != new.exact
    assert not count(old, new).any


@pytest.mark.parametrize(
    ("counts", "much"),
    [
        (Counts(removed=1, total_before=4, total_after=3), False),
        (Counts(removed=1, total_before=1, total_after=0), True),
        (Counts(removed=2, total_before=10, total_after=8), False),
        (Counts(removed=3, total_before=10, total_after=7), True),
        (Counts(total_before=0, total_after=0), False),
    ],
)
def test_a_large_deletion_asks_for_its_own_consent(counts: Counts, much: bool) -> None:
    assert counts.removes_much is much


def test_a_document_over_the_limit_is_refused_by_name() -> None:
    with pytest.raises(UnreadableDocument, match=r"'big' of resource flow .* Nothing was captured"):
        describe("flow", "big", b'{"a": "' + b"x" * 100 + b'"}', limit=50)


def test_the_manifest_of_the_real_configuration_is_bound_to_each_resource() -> None:
    trees = {r.name: tree(r.name, real(r.storage)) for r in catalogue_for("0.8.1").promoted}
    whole = Manifest({name: TreeDigests.of(t) for name, t in trees.items()})
    for name in trees:
        without = Manifest({**whole.trees, name: TreeDigests.of(Tree(name, ()))})
        assert without.content != whole.content, name
        assert without.exact != whole.exact, name
