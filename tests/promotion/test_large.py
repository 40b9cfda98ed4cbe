"""Large documents and many: read in pages that fit into memory, each document once."""

import json

import pytest
from pytest_django import Settings

from environments.elastic import AnswerTooLargeError, Connection
from environments.models import Environment
from promotion import store
from promotion.cluster import PAGE
from promotion.engine.errors import UnreadableDocument
from promotion.engine.manifest import Entry, Tree
from promotion.engine.recent import Recent
from promotion.models import Blob
from promotion.services import capture
from promotion.store import LARGE_TREE, DatabaseContent
from promotion.writer import ClusterWriter
from tests.factories import People, make_index

pytestmark = pytest.mark.django_db
BOUND = 50_000


def raw(text: str) -> bytes:
    return json.dumps({"name": text}).encode()


def entries(count: int, changed: int = -1) -> list[Entry]:
    return [
        Entry(f"é{n}", f"{n}{n == changed}" * 4, f"x{n}{n == changed}", f"c{n}", f"Title {n}", 9)
        for n in range(count)
    ]


def test_a_large_tree_that_changed_little_is_kept_in_few_new_parts() -> None:
    content, count = DatabaseContent(), LARGE_TREE + 5
    before, after = (Tree.of("rule", entries(count, changed)) for changed in (-1, 7))
    content.keep_tree(before)
    parts = Blob.objects.count()
    content.keep_tree(after)
    assert Blob.objects.count() == parts + 1
    for tree in (before, after):
        store._recent.clear()
        store._recent_chunks.clear()
        found = content.tree(tree.digest)
        assert found == tree
        assert found.digest == tree.digest


def test_what_was_opened_last_is_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 2 * LARGE_TREE + 10
    for name, kept in (
        ("_recent", Recent[str, Tree](most, lambda tree: len(tree.entries))),
        ("_recent_chunks", Recent[str, tuple[Entry, ...]](most)),
    ):
        monkeypatch.setattr(store, name, kept)
    content = DatabaseContent()
    trees = [Tree.of("rule", entries(LARGE_TREE, changed)) for changed in range(4)]
    for tree in trees:
        content.keep_tree(tree)
    for kept in (store._recent, store._recent_chunks):
        assert LARGE_TREE < kept.total <= most
    assert [content.tree(tree.digest) for tree in trees] == trees


@pytest.fixture
def writer(staging: Environment, settings: Settings) -> ClusterWriter:
    """A writer whose answers are small."""
    settings.LARGEST_ANSWER_BYTES = BOUND
    return ClusterWriter(Connection(staging.cluster))


def fill(writer: ClusterWriter, index: str, shards: int, documents: dict[str, bytes]) -> None:
    settings = {"number_of_shards": shards, "number_of_replicas": 0}
    mappings = {"dynamic": False, "properties": {}}
    make_index(writer.connection, index, {"settings": settings, "mappings": mappings})
    writer.load(index, documents.items())
    writer.refresh([index])


@pytest.mark.parametrize("shards", [1, 3])
def test_each_document_is_read_once_whatever_its_size(
    writer: ClusterWriter, staging: Environment, shards: int
) -> None:
    index = f"{staging.naming.concrete('rule')}-large"
    # Small ones for more than two pages, and a few of which three are more than an answer holds.
    documents = {f"s{n}": raw(f"é{n}") for n in range(2 * PAGE + 7)}
    documents |= {f"l{n}": raw("x" * (BOUND // 3)) for n in range(9)}
    fill(writer, index, shards, documents)
    try:
        found = list(writer.read(index))
        assert len(found) == len(documents)
        assert dict(found) == documents
        assert dict(writer.find(index, list(documents))) == documents
    finally:
        writer.delete([index])


def test_only_what_was_written_since_is_read(writer: ClusterWriter, staging: Environment) -> None:
    index = f"{staging.naming.concrete('rule')}-large"
    fill(writer, index, 1, {f"s{n}": raw("old") for n in range(PAGE + 1)})
    try:
        (above,) = writer.marks([index])[index].max_seq_no
        written = {f"s{n}": raw("new") for n in range(3)}
        writer.load(index, written.items())
        writer.refresh([index])
        assert dict(writer.read(index, above=above)) == written
    finally:
        writer.delete([index])


def test_an_answer_that_is_too_long_is_not_read(
    writer: ClusterWriter, staging: Environment
) -> None:
    index = staging.naming.concrete("segment")
    writer.load(index, [("large", raw("x" * BOUND))])
    writer.refresh([index])
    path = f"/{index}/_search"
    with pytest.raises(AnswerTooLargeError):
        writer.connection.bounded("POST", path, body={"size": 10_000})
    # The connection is of use afterwards.
    assert writer.connection.bounded("POST", path, body={"size": 0})


def test_a_single_document_over_the_limit_is_told_by_its_name(
    people: People, staging: Environment, settings: Settings
) -> None:
    settings.MAX_DOCUMENT_BYTES = BOUND
    settings.LARGEST_ANSWER_BYTES = BOUND
    writer = ClusterWriter(Connection(staging.cluster))
    writer.load(staging.naming.concrete("segment"), [("large", raw("x" * BOUND))])
    with pytest.raises(UnreadableDocument, match="'large' of resource segment"):
        capture(people.qa, staging)
