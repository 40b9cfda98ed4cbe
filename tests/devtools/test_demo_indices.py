"""The demo's indices on a real engine: named as Tracardi names them, and taking every document."""

import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from devtools.demo import Document, indices, shop, traffic
from environments.catalogue import catalogue_for
from environments.elastic import Connection, Refused
from environments.models import Cluster
from environments.naming import Naming, Side
from tests.data import load

CATALOGUE = catalogue_for("0.8.1")
NOW = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)


def test_the_shapes_are_those_of_the_real_installation() -> None:
    naming = Naming(CATALOGUE, "acme", Side.STAGING)
    assert indices.shapes(naming) == {
        resource.name: load("0.8.1/indices.json")[resource.storage]
        for resource in CATALOGUE.resources
    }


@pytest.mark.parametrize("side", list(Side))
def test_the_names_are_those_of_the_real_installation(side: Side) -> None:
    named = indices.names(Naming(CATALOGUE, "acme", side), ["2026-11"])
    real = {
        index: next(iter(found["aliases"])) for index, found in load("0.8.1/aliases.json").items()
    }
    start = "prod-" if side is Side.PRODUCTION else "08x."
    missing = {index for index in real if index.startswith(start)} ^ set(named.indices)
    # The tests' Tracardi had no production user log or item yet.
    assert all("user-log" in index or "item" in index for index in missing)
    assert all(real.get(index, alias) == alias for index, alias in named.indices.items())
    assert named.shared == {
        index: alias for index, alias in real.items() if index.startswith("static-")
    }
    templates = {template["name"] for template in load("0.8.1/templates.json")}
    assert set(named.templates) == {
        name for name in templates if name.startswith("prod-") is (side is Side.PRODUCTION)
    }
    with pytest.raises(ValueError, match="no months"):
        indices.names(Naming(CATALOGUE, "acme", side), ["2026-q4"])


@pytest.fixture
def connection(elasticsearch_url: str) -> Connection:
    return Connection(Cluster(name="Test", url=elasticsearch_url))


@pytest.fixture
def tenant(connection: Connection) -> Iterator[str]:
    """A tenant whose names are removed afterwards, one by one."""
    name = f"demo-{uuid.uuid4().hex[:8]}"
    yield name
    gone: set[str] = set()
    for side in Side:
        named = indices.names(Naming(CATALOGUE, name, side), traffic.months(NOW))
        gone |= {f"/{index}" for index in (*named.indices, *named.shared)}
        gone |= {f"/_index_template/{template}" for template in named.templates}
    for path in sorted(gone):
        try:
            connection.request("DELETE", path)
        except Refused as error:
            if not error.missing:
                raise


def test_the_engine_takes_every_document_of_both_sides(connection: Connection, tenant: str) -> None:
    months = traffic.months(NOW)
    for side in Side:
        naming = Naming(CATALOGUE, tenant, side)
        made = indices.create(connection, naming, months)
        assert made == indices.names(naming, months)
        counts: Counter[str] = Counter()
        documents: list[Document] = [
            *shop.documents(side),
            *traffic.documents(now=NOW, side=side),
            *(shop.shared() if side is Side.STAGING else ()),
        ]
        counts.update(indices.load(connection, naming, documents))
        assert counts == Counter(document.resource for document in documents)
        for resource, number in counts.items():
            found = connection.request("GET", f"/{naming.alias(resource)}/_count")
            assert found["count"] == number, resource
        aliases = connection.request("GET", f"/{','.join(made.indices)}/_alias")
        assert {index: list(found["aliases"]) for index, found in aliases.items()} == {
            index: [alias] for index, alias in made.indices.items()
        }
        for month in months:
            index = naming.partition("event", month)
            mapping = connection.request("GET", f"/{index}/_mapping")[index]["mappings"]
            assert mapping["dynamic"] == "strict"
    with pytest.raises(Refused, match="already exists"):
        indices.create(connection, Naming(CATALOGUE, tenant, Side.STAGING), months)


def test_a_change_is_accepted_and_a_stranger_is_not(connection: Connection, tenant: str) -> None:
    naming = Naming(CATALOGUE, tenant, Side.STAGING)
    indices.create(connection, naming, traffic.months(NOW))
    changes = [Document(r, None, i, s) for r, i, s in map(shop.change, range(1, 5))]
    assert sum(indices.load(connection, naming, changes).values()) == 4
    with pytest.raises(indices.LoadError, match="strict_dynamic_mapping"):
        indices.load(connection, naming, [Document("rule", None, "r", {"stranger": 1})])
