"""Each change that the promotion engine makes, on the real engine."""

import json
import uuid
from collections.abc import Callable, Iterator

import pytest

from environments.elastic import Connection, connect
from environments.models import Cluster
from promotion.engine.errors import Conflict, MachineryError
from promotion.engine.ports import AliasAction
from promotion.writer import ClusterWriter
from tests.data import configuration, load
from tests.faults.proxy import Answer, Fault, Proxy

Name = Callable[[str], str]


@pytest.fixture
def writer(elasticsearch_url: str) -> ClusterWriter:
    return ClusterWriter(connect(Cluster(name="Test", url=elasticsearch_url)))


@pytest.fixture
def name(writer: ClusterWriter) -> Iterator[Name]:
    """Make index names of this test alone; what has one is deleted afterwards."""
    token, made = uuid.uuid4().hex[:8], []

    def fresh(stem: str) -> str:
        made.append(f"writer-{token}-{stem}")
        return made[-1]

    yield fresh
    there = writer.states(made) if made else {}
    writer.delete(list(there))


@pytest.fixture
def flows(writer: ClusterWriter, name: Name) -> str:
    """An index of real flows with the real mapping."""
    index = name("flows")
    writer.connection.request("PUT", f"/{index}", body=load("0.8.1/indices.json")["tracardi-flow"])
    assert writer.load(index, configuration("tracardi-flow")) == 4
    writer.refresh([index])
    return index


def acknowledged(connection: Connection, index: str, doc_id: str) -> bool:
    from environments.elastic import Refused

    try:
        connection.request("PUT", f"/{index}/_doc/{doc_id}", body={"name": "x"})
    except Refused as error:
        assert error.kind == "cluster_block_exception"
        return False
    return True


def test_a_new_index_equals_the_one_it_is_made_like(
    writer: ClusterWriter, flows: str, name: Name
) -> None:
    copy = name("copy")
    like = writer.states([flows])[flows]
    assert writer.template_for(copy) == {}
    writer.create(copy, like)
    writer.load(copy, writer.read(flows))
    writer.refresh([copy])
    made = writer.states([copy])[copy]
    assert made.mapping_digest == like.mapping_digest
    assert made.settings_digest == like.settings_digest
    assert dict(writer.read(copy)) == dict(configuration("tracardi-flow"))
    with pytest.raises(Conflict):
        writer.create(copy, like)
    taken = name("taken")
    writer.switch([AliasAction("add", copy, taken)])
    with pytest.raises(Conflict, match="already exists as alias"):
        writer.create(taken, like)


def test_a_document_with_line_breaks_arrives_byte_for_byte(
    writer: ClusterWriter, flows: str
) -> None:
    pretty = json.dumps({"name": "a\nb", "id": "x"}, indent=2).encode()
    assert writer.load(flows, [("plain", b'{"name": "x"}'), ("ä/b", pretty)]) == 2
    writer.refresh([flows])
    found = dict(writer.read(flows))
    assert (found["plain"], found["ä/b"]) == (b'{"name": "x"}', pretty)
    with pytest.raises(MachineryError, match=r"'bad'.*strict"):
        writer.load(flows, [("bad", b'{\n"nonsense": 1}')])


def test_a_document_against_the_mapping_is_refused_by_name(
    writer: ClusterWriter, flows: str
) -> None:
    with pytest.raises(MachineryError, match=r"'bad'.*strict"):
        writer.load(flows, [("good", b'{"name": "x"}'), ("bad", b'{"nonsense": 1}')])


def test_a_block_refuses_writes_until_it_is_lifted(writer: ClusterWriter, flows: str) -> None:
    writer.block([flows])
    assert writer.states([flows])[flows].write_blocked
    assert not acknowledged(writer.connection, flows, "late")
    writer.unblock([flows])
    assert not writer.states([flows])[flows].write_blocked
    assert acknowledged(writer.connection, flows, "later")


def test_a_block_moves_no_fingerprint(writer: ClusterWriter, flows: str) -> None:
    before, marks = writer.states([flows])[flows], writer.marks([flows])
    writer.block([flows])
    after = writer.states([flows])[flows]
    assert after.settings_digest == before.settings_digest
    assert writer.marks([flows]) == marks


def test_a_clone_is_blocked_and_equal(writer: ClusterWriter, flows: str, name: Name) -> None:
    target = name("clone")
    writer.block([flows])
    writer.clone(writer.states([flows])[flows], target)
    made = writer.states([target])[target]
    assert made.write_blocked
    assert made.settings["index.number_of_replicas"] == "0"
    assert dict(writer.read(target)) == dict(configuration("tracardi-flow"))


def test_a_writable_clone_is_changed_and_sealed(
    writer: ClusterWriter, flows: str, name: Name
) -> None:
    target, before = name("clone"), dict(configuration("tracardi-flow"))
    gone, *kept = sorted(before)
    writer.block([flows])
    like, marks = writer.states([flows])[flows], writer.marks([flows])[flows]
    writer.clone(like, target, writable=True)
    writer.await_started({target: 1})
    assert writer.states([target])[target].mapping_digest == like.mapping_digest
    writer.erase(target, [gone, "never there"])
    writer.load(target, [("new", b'{"name": "New"}')])
    writer.refresh([target])
    writer.seal([target])
    assert not acknowledged(writer.connection, target, "late")
    assert writer.count(target) == len(before)
    assert dict(writer.find(target, ["new", gone, kept[0]])) == {
        "new": b'{"name": "New"}',
        kept[0]: before[kept[0]],
    }
    (above,) = marks.max_seq_no
    assert dict(writer.read(target, above=above)) == {"new": b'{"name": "New"}'}
    assert dict(writer.read(flows)) == before


def test_an_index_whose_shard_cannot_start_is_waited_for_in_vain(
    writer: ClusterWriter, flows: str, name: Name, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promotion.writer.START_SECONDS", 1)
    stuck = name("stuck")
    settings = {"index.routing.allocation.require._name": "no such node"}
    writer.connection.request(
        "PUT", f"/{stuck}", params={"wait_for_active_shards": "0"}, body={"settings": settings}
    )
    with pytest.raises(MachineryError, match="did not start"):
        writer.await_started({flows: 1, stuck: 1})


def test_a_name_moves_only_away_from_the_index_that_was_expected(
    writer: ClusterWriter, flows: str, name: Name
) -> None:
    like = writer.states([flows])[flows]
    second, third, alias = name("second"), name("third"), name("alias")
    for index in (second, third):
        writer.create(index, like)
    writer.switch([AliasAction("add", flows, alias)])
    move = [AliasAction("remove", flows, alias), AliasAction("add", second, alias)]
    writer.switch(move)
    stale = [AliasAction("remove", flows, alias), AliasAction("add", third, alias)]
    with pytest.raises(Conflict):
        writer.switch(stale)
    assert list(writer.states([alias])) == [second]


def test_a_late_request_whose_marker_is_gone_changes_nothing(
    writer: ClusterWriter, flows: str, name: Name
) -> None:
    second, marker = name("second"), name("marker")
    alias, live = name("alias"), name("live")
    writer.create(second, writer.states([flows])[flows])
    writer.switch([AliasAction("add", flows, alias)])
    writer.make_marker(marker)
    writer.put_marker(marker, {"generation": 7})
    assert writer.marker(marker) == {"generation": 7}
    writer.delete([marker])
    assert writer.marker(marker) is None
    late = [
        AliasAction("remove", flows, alias),
        AliasAction("add", second, alias),
        AliasAction("add", marker, live),
    ]
    with pytest.raises(Conflict):
        writer.switch(late)
    assert list(writer.states([alias])) == [flows]


def test_deleting_is_by_exact_name_and_again_is_harmless(writer: ClusterWriter, flows: str) -> None:
    with pytest.raises(ValueError, match="exact name"):
        writer.delete([f"{flows[:-2]}*"])
    writer.delete([flows])
    writer.delete([flows])
    assert writer.states([flows]) == {}


def test_running_searches_are_counted(writer: ClusterWriter, flows: str) -> None:
    assert writer.searches_running([flows]) == 0


def test_more_names_than_a_request_line_holds_are_asked_for_in_parts(
    writer: ClusterWriter, flows: str
) -> None:
    absent = [f"console-test-{'x' * 90}-{number}" for number in range(100)]
    assert list(writer.states([*absent, flows])) == [flows]
    assert list(writer.marks([flows])) == [flows]
    writer.delete(absent)


def test_the_clusters_room_is_read_from_its_own_settings(writer: ClusterWriter, flows: str) -> None:
    assert writer.capacity().flooded == ()
    body = {"transient": {"cluster.max_shards_per_node": 1}}
    writer.connection.request("PUT", "/_cluster/settings", body=body)
    try:
        assert writer.capacity().free_shards == 0
    finally:
        body = {"transient": {"cluster.max_shards_per_node": None}}  # type: ignore[dict-item]
        writer.connection.request("PUT", "/_cluster/settings", body=body)
    free = writer.capacity().free_shards
    assert free is not None
    assert free > 100


def test_the_limit_of_a_whole_cluster_counts_where_it_is_the_lower_one(
    elasticsearch_url: str, flows: str
) -> None:
    """OpenSearch's own; a single node takes none below that of a node, so it is put in between."""

    def limited(answer: Answer) -> Answer:
        status, body = answer
        said = json.loads(body)
        said["persistent"] = {"cluster": {"routing": {"allocation": {"total_shards_limit": "3"}}}}
        return status, json.dumps(said).encode()

    proxy = Proxy(elasticsearch_url)
    try:
        behind = ClusterWriter(connect(Cluster(name="Limited", url=proxy.url)))
        with proxy.failing(Fault(r"GET /_cluster/settings", after=limited)):
            free = behind.capacity().free_shards
        assert free is not None
        assert free <= 2
    finally:
        proxy.close()
