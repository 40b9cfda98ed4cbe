"""Tracardi's mappings on each engine, whatever it has in place of `flattened`."""

import os
import uuid

import pytest

from devtools.elasticsearch.mappings import fitted
from devtools.elasticsearch.node import HERE, Engine
from environments.elastic import connect
from environments.models import Cluster
from promotion.writer import ClusterWriter
from tests.data import load

NEAREST = {
    Engine.ELASTICSEARCH_7_17: "flattened",
    Engine.ELASTICSEARCH_7_10: "object",
    Engine.OPENSEARCH_2_19: "flat_object",
}


def test_each_engine_takes_every_shape_and_keeps_what_a_flat_field_holds(
    elasticsearch_url: str,
) -> None:
    writer = ClusterWriter(connect(Cluster(name="Test", url=elasticsearch_url)))
    shapes = load("0.8.1/indices.json")
    start = f"mappings-{uuid.uuid4().hex[:8]}"
    made = {f"{start}-{name}": fitted(writer.connection, shapes[name]) for name in shapes}
    try:
        for index, shape in made.items():
            writer.connection.request("PUT", f"/{index}", body=shape)
        setting = f"{start}-tracardi-setting"
        raw = b'{"config": {"a": {"b.c": [1, "x"]}, "d": 1e3}}'
        writer.load(setting, [("one", raw)])
        writer.refresh([setting])
        assert list(writer.read(setting)) == [("one", raw)]
        mapping = writer.states([setting])[setting].mapping
    finally:
        writer.delete(list(made))
    if not os.environ.get("TEST_ELASTICSEARCH_URL"):
        engine = Engine(os.environ.get("TEST_ENGINE") or Engine.ELASTICSEARCH_7_17)
        assert mapping["properties"]["config"]["type"] == NEAREST[engine]


def test_what_is_not_flattened_stays_as_it_is(elasticsearch_url: str) -> None:
    connection = connect(Cluster(name="Test", url=elasticsearch_url))
    flow = load("0.8.1/indices.json")["tracardi-flow"]
    assert fitted(connection, flow) == flow


@pytest.mark.parametrize("engine", list(Engine))
def test_the_jars_are_of_the_version_that_is_said(engine: Engine) -> None:
    assert f"<version>{engine.version}" in (HERE / engine / "pom.xml").read_text()
