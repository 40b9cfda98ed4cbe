"""The connection, on a real engine."""

import json
import socket

import pytest

from environments.elastic import Connection, ElasticError, Refused, Unreachable, connect
from environments.models import Cluster
from tests.data import configuration, load


@pytest.fixture
def connection(elasticsearch_url: str) -> Connection:
    return connect(Cluster(name="Test", url=elasticsearch_url))


def test_a_connection_is_shared_while_its_credentials_stay(elasticsearch_url: str) -> None:
    cluster = Cluster(name="Test", url=elasticsearch_url)
    assert connect(cluster) is connect(cluster)
    other = Cluster(name="Test", url=elasticsearch_url, authentication="basic", username="u")
    assert connect(other) is not connect(cluster)


def test_a_real_flow_comes_back_byte_for_byte(connection: Connection) -> None:
    index = "/test-elastic-flow"
    facts = load("0.8.1/indices.json")["tracardi-flow"]
    connection.request("PUT", index, body=facts)
    try:
        for doc_id, raw in configuration("tracardi-flow"):
            head = json.dumps({"index": {"_id": doc_id}})
            answer = connection.request("POST", f"{index}/_bulk", body=f"{head}\n{raw.decode()}\n")
            assert not answer["errors"]
            assert connection.verbatim("GET", f"{index}/_source/{doc_id}") == raw.decode()
    finally:
        connection.request("DELETE", index)


def test_a_refusal_carries_the_engines_own_words(connection: Connection) -> None:
    with pytest.raises(Refused, match="index_not_found_exception") as caught:
        connection.request("GET", "/test-elastic-missing/_search")
    assert caught.value.missing
    assert not caught.value.temporary


def test_an_address_where_nothing_listens_is_said_so() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        cluster = Cluster(name="Gone", url=f"http://127.0.0.1:{port}")
        with pytest.raises(Unreachable, match="Gone cannot be reached: nothing answers"):
            connect(cluster).request("GET", "/")


def test_no_error_names_the_password(elasticsearch_url: str) -> None:
    cluster = Cluster(
        name="Test",
        url=elasticsearch_url,
        authentication="basic",
        username="u",
        secret="canary-7391",
    )
    with pytest.raises(ElasticError) as caught:
        connect(cluster).request("GET", "/test-elastic-missing/_search")
    assert "canary-7391" not in str(caught.value)
