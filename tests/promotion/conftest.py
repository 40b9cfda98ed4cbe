"""A staging set of indices on the real engine, with a real Tracardi's documents."""

import json
import uuid
from collections.abc import Callable, Iterator

import pytest

from environments.catalogue import catalogue_for
from environments.elastic import Connection, connect
from environments.models import Cluster, Environment
from tests.data import configuration, load


@pytest.fixture
def staging(elasticsearch_url: str) -> Iterator[Environment]:
    """A staging set with the real documents, under a tenant of its own."""
    cluster = Cluster.objects.create(name="Test", url=elasticsearch_url)
    environment = Environment.objects.create(
        name="Staging",
        slug="staging",
        cluster=cluster,
        version="0.8.1",
        tenant=f"t{uuid.uuid4().hex[:8]}",
        kind="staging",
    )
    engine, naming = connect(cluster), environment.naming
    shapes, made = load("0.8.1/indices.json"), []
    for resource in catalogue_for("0.8.1").promoted:
        index = naming.concrete(resource.name)
        shape = shapes[resource.storage]
        alias: dict[str, object] = {naming.alias(resource.name): {}}
        engine.request("PUT", f"/{index}", body={**shape, "aliases": alias})
        made.append(index)
        lines = [
            f"{json.dumps({'index': {'_id': doc_id}})}\n{raw.decode()}\n"
            for doc_id, raw in configuration(resource.storage)
        ]
        if lines:
            answer = engine.request("POST", f"/{index}/_bulk", body="".join(lines))
            assert not answer["errors"]
    yield environment
    engine.request("DELETE", f"/{','.join(made)}")


@pytest.fixture
def engine(staging: Environment) -> Connection:
    return connect(staging.cluster)


Put = Callable[[str, str, str], None]


@pytest.fixture
def put(staging: Environment, engine: Connection) -> Put:
    """Write a document without a refresh, as Tracardi does."""

    def write(resource: str, path_id: str, raw: str) -> None:
        index = staging.naming.concrete(resource)
        engine.request("PUT", f"/{index}/_doc/{path_id}", body=raw)

    return write
