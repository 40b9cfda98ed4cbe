"""What a look finds: each state is made on the real engine, and told in words with a remedy."""

from datetime import timedelta
from typing import Any

import pytest

from environments.elastic import Connection
from environments.engines import Engine
from environments.findings import Severity
from environments.health.cluster_judging import judge_cluster
from environments.health.facts import ClusterFacts, Disk, Watermark
from environments.health.reading import Asker, read_cluster
from environments.models import HealthLook
from tests.environments.health.conftest import MONTH, Pipeline
from tests.factories import make_index

pytestmark = pytest.mark.django_db
NOWHERE = {"settings": {"number_of_replicas": 0, "index.routing.allocation.require._name": "none"}}


def move(engine: Connection, *actions: dict[str, dict[str, str]]) -> None:
    engine.request("POST", "/_aliases", body={"actions": list(actions)})


def add(index: str, alias: str) -> dict[str, dict[str, str]]:
    return {"add": {"index": index, "alias": alias}}


def remove(index: str, alias: str) -> dict[str, dict[str, str]]:
    return {"remove": {"index": index, "alias": alias}}


def setting(engine: Connection, index: str, name: str, value: object) -> None:
    engine.request("PUT", f"/{index}/_settings", body={name: value})


def test_a_sound_pipeline_has_nothing_to_look_at(pipeline: Pipeline) -> None:
    assert pipeline.look() == {"staging": {}, "production": {}}
    row = HealthLook.objects.filter(environment=pipeline.production).get()
    assert (row.things, row.missing, row.extra, row.astray, row.red, row.differing) == (0,) * 6
    assert (row.events, row.day, row.failed, row.logged) == (1, 1, 0, 0)


def test_indices_that_are_missing_or_of_no_use_are_told(pipeline: Pipeline) -> None:
    engine, naming = pipeline.engine, pipeline.production.naming
    gone, runtime = naming.concrete("rule"), naming.concrete("task")
    engine.request("DELETE", f"/{gone},{runtime}")
    extra = f"{naming.concrete('rule')}-of-old"
    make_index(engine, extra, NOWHERE)
    open_, blocked, full, alone = (
        naming.concrete("segment"),
        naming.partition("event", MONTH),
        naming.partition("profile", MONTH),
        naming.concrete("user"),
    )
    engine.request("POST", f"/{open_}/_close")
    setting(engine, blocked, "index.blocks.write", True)
    setting(engine, full, "index.blocks.read_only_allow_delete", True)
    setting(engine, alone, "index.number_of_replicas", 1)
    found = pipeline.look()
    assert found["staging"].keys() == {"cluster.red"}
    told = found["production"]
    assert {code: one.subject for code, one in told.items()} == {
        "cluster.red": "",
        "indices.missing": gone,
        "indices.missing-others": runtime,
        "indices.unknown": extra,
        "indices.red": extra,
        "indices.yellow": alone,
        "indices.closed": open_,
        "indices.full": full,
        "indices.blocked": blocked,
    }
    assert told["indices.missing"].message == f"1 index of Production is missing: {gone}."
    assert told["indices.missing"].severity is Severity.ERROR
    assert told["indices.missing-others"].severity is Severity.WARNING
    assert "does not have" in told["indices.unknown"].message
    assert all(one.remedy for one in told.values())
    # Those that stop somebody come first.
    severities = [one.severity for one in pipeline.summaries()[pipeline.production.pk].findings]
    assert severities == sorted(severities, key=list(Severity).index)
    row = HealthLook.objects.filter(environment=pipeline.production).latest("pk")
    assert (row.missing, row.extra, row.red, row.things) == (2, 1, 1, 9)
    assert "rule" not in row.resources


def test_names_that_lead_astray_are_told(pipeline: Pipeline) -> None:
    engine, naming, other = pipeline.engine, pipeline.production.naming, pipeline.staging.naming

    def alias(name: str) -> str:
        return naming.alias(name)

    def own(name: str) -> str:
        return naming.concrete(name)

    made = {name: naming.generation_index(name, 9) for name in ("content", "report")}
    for name, index in made.items():
        live = engine.request("GET", f"/{own(name)}/_mapping")[own(name)]
        make_index(engine, index, {**live, "settings": {"number_of_replicas": 0}})
    event = naming.partition("event", MONTH)
    move(
        engine,
        remove(own("rule"), alias("rule")),
        add(own("flow"), alias("segment")),
        remove(own("flow"), alias("flow")),
        add(other.concrete("flow"), alias("flow")),
        remove(own("content"), alias("content")),
        add(made["content"], alias("content")),
        add(made["report"], alias("report")),
        {"remove_index": {"index": own("report")}},
        remove(event, alias("event")),
    )
    found = pipeline.look()
    assert found["staging"] == {}
    told = found["production"]
    assert told.keys() == {
        "names.none",
        "names.several",
        "names.elsewhere",
        "names.split",
        "names.unmade",
        "names.partition",
        "cluster.names",
    }
    assert f"{alias('rule')} to nothing" in told["names.none"].message
    assert f"{alias('segment')} to 2 indices" in told["names.several"].message
    foreign = f"{alias('flow')} to {other.concrete('flow')}"
    assert f"{alias('flow')} to an index that is not its own" in told["names.elsewhere"].message
    assert told["cluster.names"].message == (
        f"Names of Production lead to indices that are not its own: {foreign}."
    )
    assert not any(foreign in one.message for one in told.values() if one.code != "cluster.names")
    assert made["content"] in told["names.split"].message
    assert f"{own('report')} to nothing" in told["names.unmade"].message
    assert told["names.partition"].subject == event
    assert HealthLook.objects.latest("pk").astray is not None


def test_sides_of_different_shapes_are_told_on_both_until_they_are_equal(
    pipeline: Pipeline,
) -> None:
    engine, sides = pipeline.engine, (pipeline.staging, pipeline.production)
    pipeline.look()
    field = {"properties": {"by_hand": {"type": "keyword"}}}
    engine.request("PUT", f"/{sides[0].naming.concrete('rule')}/_mapping", body=field)
    for side in sides:
        # The settings of an analysis are set on a closed index alone.
        index = side.naming.concrete("segment")
        engine.request("POST", f"/{index}/_close")
        words = {"analysis": {"analyzer": {"own": {"type": "keyword"}}}}
        if side is sides[0]:
            engine.request("PUT", f"/{index}/_settings", body={"index": words})
        engine.request("POST", f"/{index}/_open", params={"wait_for_active_shards": "1"})
    found = pipeline.look()
    assert (
        found["staging"].keys()
        == found["production"].keys()
        == {
            "mapping.differs",
            "analysis.differs",
        }
    )
    told = found["production"]
    assert (
        told["mapping.differs"].message == "The mappings of Production and Staging differ: Rules."
    )
    assert told["analysis.differs"].subject == "segment"
    assert HealthLook.objects.filter(environment=sides[1]).latest("pk").differing == 2
    engine.request("PUT", f"/{sides[1].naming.concrete('rule')}/_mapping", body=field)
    assert "mapping.differs" not in pipeline.look()["staging"]


def test_fields_that_two_sides_learnt_from_documents_are_no_difference(pipeline: Pipeline) -> None:
    for side, name in ((pipeline.staging, "colour"), (pipeline.production, "length")):
        learnt = {"properties": {"traits": {"properties": {name: {"type": "keyword"}}}}}
        index = side.naming.concrete("content")
        pipeline.engine.request("PUT", f"/{index}/_mapping", body=learnt)
    assert pipeline.look() == {"staging": {}, "production": {}}
    # What no document teaches is one, in the same index.
    field = {"properties": {"by_hand": {"type": "keyword"}}}
    index = pipeline.staging.naming.concrete("content")
    pipeline.engine.request("PUT", f"/{index}/_mapping", body=field)
    assert pipeline.look()["production"]["mapping.differs"].subject == "content"


def test_what_the_events_say_is_told(pipeline: Pipeline) -> None:
    staging, production = pipeline.staging, pipeline.production
    for number in range(29):
        pipeline.event(staging, status="error" if number < 10 else "processed", error=number == 3)
    for number in range(5):
        log = {"event_id": f"e{number % 4}", "type": "error" if number < 4 else "info"}
        pipeline.log(staging, **log)
    old: dict[str, Any] = {"query": {"match_all": {}}}
    path = f"/{production.naming.partition('event', MONTH)}/_delete_by_query"
    pipeline.engine.request("POST", path, params={"refresh": "true"}, body=old)
    pipeline.event(production, ago=timedelta(hours=30))
    pipeline.settle()
    found = pipeline.look()
    assert found["staging"].keys() == {"events.failing", "events.logged"}
    assert found["staging"]["events.failing"].severity is Severity.ERROR
    assert "33 % of the last day's events of Staging failed: 10 of 30." in (
        found["staging"]["events.failing"].message
    )
    assert "about 4 of the last day's 30 events" in found["staging"]["events.logged"].message
    assert found["production"].keys() == {"events.silent"}
    assert found["production"]["events.silent"].message == "Production got no event for 30 hours."


def cluster_settings(engine: Connection, **names: Any) -> None:
    body = {"transient": {name.replace("__", "."): value for name, value in names.items()}}
    engine.request("PUT", "/_cluster/settings", body=body)


MARK = "cluster__routing__allocation__disk__watermark__"
GUARD = "cluster__routing__allocation__disk__threshold_enabled"


def test_a_lack_of_room_in_the_cluster_is_told(pipeline: Pipeline) -> None:
    engine = pipeline.engine
    pipeline.look()
    shards = HealthLook.objects.latest("pk").open_shards
    assert shards
    try:
        cluster_settings(engine, cluster__max_shards_per_node=shards)
        assert pipeline.look()["staging"].keys() == {"cluster.shards-none"}
        cluster_settings(engine, cluster__max_shards_per_node=shards + 2)
        told = pipeline.look()["production"]
        assert told.keys() == {"cluster.shards-few"}
        assert f"{shards:,} of the {shards + 2:,} shards" in told["cluster.shards-few"].message
        cluster_settings(engine, cluster__max_shards_per_node=None)
        total = read_cluster(Asker(pipeline.staging.cluster)).disks[0].total
        # What is free is always less than all: as bytes, each mark can be passed on any disk.
        for low, high, flood, code in (
            (f"{total}b", "1b", "1b", "cluster.disk-low"),
            (f"{total}b", f"{total}b", "1b", "cluster.disk-high"),
            (f"{total}b", f"{total}b", f"{total}b", "cluster.disk-full"),
        ):
            cluster_settings(
                engine,
                **{
                    GUARD: True,
                    f"{MARK}low": low,
                    f"{MARK}high": high,
                    f"{MARK}flood_stage": flood,
                },
            )
            told = pipeline.look()["production"]
            assert told.keys() - {"indices.full"} == {code}
            assert "over its watermark" in told[code].message
    finally:
        nothing = dict.fromkeys([GUARD, f"{MARK}low", f"{MARK}high", f"{MARK}flood_stage"])
        cluster_settings(engine, cluster__max_shards_per_node=None, **nothing)
        every = {"expand_wildcards": "all"}
        body = {"index.blocks.read_only_allow_delete": None}
        engine.request("PUT", "/_all/_settings", params=every, body=body)
    assert pipeline.look()["production"] == {}


def test_an_environment_without_any_index_is_told_in_one_sentence(empty: Pipeline) -> None:
    found = empty.look()["production"]
    assert found.keys() == {"indices.none"}
    assert found["indices.none"].message == "The cluster has no index of Production."
    [row] = HealthLook.objects.filter(environment=empty.production)
    assert (row.things, row.documents, row.resources) == (1, 0, {})


def facts(**changed: Any) -> ClusterFacts:
    same: dict[str, Any] = {
        "uuid": "u",
        "engine": Engine("Elasticsearch", "7.17.28"),
        "latency_ms": 1.0,
        "status": "green",
        "open_shards": 1,
        "most_shards": None,
        "disks": (),
        "watermarks": (),
    }
    return ClusterFacts(**{**same, **changed})


def test_an_engine_that_was_never_tried_and_a_disk_that_nobody_guards_are_told() -> None:
    odd = facts(engine=Engine("Elasticsearch", "8.15.0"), disks=(Disk("n1", 100, 5),))
    assert [one.code for one in judge_cluster(odd)] == [
        "cluster.engine",
        "cluster.disk-unguarded",
    ]
    assert judge_cluster(facts(disks=(Disk("n1", 100, 50), Disk("n2", 0, 0)))) == []


@pytest.mark.parametrize(
    ("text", "passed"),
    [("85%", True), ("0.85", True), ("20b", True), ("90%", False), ("5b", False)],
)
def test_a_watermark_is_read_as_a_share_or_as_what_must_be_free(text: str, passed: bool) -> None:
    mark = Watermark.read("low", text)
    assert mark is not None
    assert mark.is_passed(Disk("n", 100, 12)) is passed


@pytest.mark.parametrize("text", ["", "much", "5 elephants", "%"])
def test_a_watermark_that_is_none_is_left_out(text: str) -> None:
    assert Watermark.read("low", text) is None
