"""Which engines the console works with, and that the tests run on the one that was asked for."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from devtools.elasticsearch.node import Engine as Started
from environments.admin import ClusterForm
from environments.elastic import connect
from environments.engines import engine_of
from environments.models import Cluster
from tests.faults.proxy import Proxy, of_version

ELASTIC = "You Know, for Search"
OPEN = "The OpenSearch Project: https://opensearch.org/"


def root(number: str, tagline: str = ELASTIC, **more: str) -> dict[str, Any]:
    return {"tagline": tagline, "version": {"number": number, **more}}


@pytest.mark.parametrize(
    ("answer", "label", "supported"),
    [
        (root("6.8.23"), "Elasticsearch 6.8.23", False),
        (root("7.9.3"), "Elasticsearch 7.9.3", False),
        (root("7.10.0"), "Elasticsearch 7.10.0", True),
        (root("7.17.28"), "Elasticsearch 7.17.28", True),
        (root("8.0.0-SNAPSHOT"), "Elasticsearch 8.0.0-SNAPSHOT", False),
        (root("9.1.0"), "Elasticsearch 9.1.0", False),
        (root("1.3.20", OPEN, distribution="opensearch"), "OpenSearch 1.3.20", False),
        (root("2.19.1", OPEN, distribution="opensearch"), "OpenSearch 2.19.1", True),
        (root("3.0.0", OPEN, distribution="opensearch"), "OpenSearch 3.0.0", False),
        # It passes for an Elasticsearch, as it may be told to.
        (root("7.10.2", OPEN), "OpenSearch", True),
        ({}, "Elasticsearch unknown", False),
        ({"version": "none"}, "Elasticsearch unknown", False),
    ],
)
def test_an_engine_is_told_by_its_own_words(
    answer: dict[str, Any], label: str, supported: bool
) -> None:
    engine = engine_of(answer)
    assert (str(engine), engine.is_supported) == (label, supported)


def test_the_tests_run_on_the_engine_that_was_asked_for(elasticsearch_url: str) -> None:
    found = engine_of(connect(Cluster(name="Test", url=elasticsearch_url)).request("GET", "/"))
    assert found.is_supported
    if not os.environ.get("TEST_ELASTICSEARCH_URL"):
        wanted = Started(os.environ.get("TEST_ENGINE") or Started.ELASTICSEARCH_7_17)
        assert str(found) == wanted.label


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    made = Proxy(elasticsearch_url)
    yield made
    made.close()


@pytest.mark.django_db
def test_a_cluster_of_an_engine_that_was_never_tested_is_not_saved(proxy: Proxy) -> None:
    form = ClusterForm({"name": "New", "url": proxy.url, "authentication": "none"})
    with proxy.failing(of_version("8.15.0")):
        assert not form.is_valid()
    assert "Behind this address is Elasticsearch 8.15.0" in str(form.errors)
    assert "Nothing was saved. It works with Elasticsearch 7.10" in str(form.errors)
    again = ClusterForm({"name": "New", "url": proxy.url, "authentication": "none"})
    assert again.is_valid(), again.errors
