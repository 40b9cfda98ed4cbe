"""The figures of a dashboard, counted by the real engine from events as Tracardi writes them."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from devtools.elasticsearch.mappings import fitted
from environments.charts import SPANS, edges
from environments.dashboards import figures
from environments.elastic import Connection, Unreachable, connect
from environments.marks import TEST_MARK
from environments.models import Cluster, Environment
from tests.data import load

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WEEK = edges(SPANS[1], NOW, UTC)


@pytest.fixture
def shop(elasticsearch_url: str) -> Iterator[Environment]:
    """A production with the indices that a dashboard reads, and nothing in them."""
    cluster = Cluster.objects.create(name="Test", url=elasticsearch_url)
    made = Environment(
        name="Shop", cluster=cluster, version="0.8.1", tenant=f"t{uuid.uuid4().hex[:8]}"
    )
    made.kind = "production"
    engine, naming, shapes = connect(cluster), made.naming, load("0.8.1/indices.json")
    indices = []
    for name in ("event", "profile", "session", "event-source"):
        resource = naming.catalogue.get(name)
        whole = naming.partition(name, "2026-11") if resource.partitioned else ""
        index = whole or naming.concrete(name)
        aliases: dict[str, object] = {naming.alias(name): {}}
        shape = fitted(engine, shapes[resource.storage])
        engine.request("PUT", f"/{index}", body={**shape, "aliases": aliases})
        indices.append(index)
    yield made
    engine.request("DELETE", f"/{','.join(indices)}", params={"ignore_unavailable": "true"})


def event(
    engine: Connection,
    shop: Environment,
    when: datetime,
    *,
    failed: bool = False,
    who: str = "p1",
    session: str = "s1",
) -> None:
    time = when.isoformat()
    source = {
        "type": "order-placed" if failed else "page-view",
        "source": {"id": "src-web"},
        "profile": {"id": who},
        "session": {"id": session},
        "metadata": {
            "time": {"insert": time},
            "status": "error" if failed else "processed",
            "error": failed,
        },
    }
    index = shop.naming.partition("event", "2026-11")
    engine.request("POST", f"/{index}/_doc", params={"refresh": "true"}, body=source)


def test_what_workflow_tests_left_is_told_apart(shop: Environment) -> None:
    engine = connect(shop.cluster)
    for session in ("s1", f"{TEST_MARK}7-1-abc", f"{TEST_MARK}7-2-def", "my-console-test-1"):
        event(engine, shop, NOW - timedelta(hours=1), session=session)
    found = figures(shop, WEEK).events
    assert found is not None
    assert (found.total, found.of_tests) == (4, 2)


def test_events_are_counted_where_they_happened(shop: Environment) -> None:
    engine = connect(shop.cluster)
    index = shop.naming.concrete("event-source")
    body = {"name": "Web shop"}
    engine.request("PUT", f"/{index}/_doc/src-web", params={"refresh": "true"}, body=body)
    event(engine, shop, NOW - timedelta(hours=1))
    event(engine, shop, NOW - timedelta(days=2), who="p2")
    event(engine, shop, NOW - timedelta(days=2), failed=True)
    # Outside: too old, and in the future.
    event(engine, shop, WEEK[0] - timedelta(seconds=1))
    event(engine, shop, WEEK[-1])
    found = figures(shop, WEEK).events
    assert found is not None
    assert (found.total, found.failed, found.active_profiles) == (3, 1, 2)
    busy = [(b.start, b.events, b.failed) for b in found.buckets if b.events]
    assert [row[1:] for row in busy] == [(2, 1), (1, 0)]
    assert all(b.start <= NOW for b in found.buckets)
    assert sum(b.events for b in found.buckets) == found.total
    assert [(row.label, row.events) for row in found.types] == [
        ("page-view", 2),
        ("order-placed", 1),
    ]
    assert [(row.label, row.events) for row in found.sources] == [("Web shop", 3)]
    assert found.failed_share is not None
    assert round(found.failed_share, 1) == 33.3


def test_an_environment_without_events_has_none_and_no_error(shop: Environment) -> None:
    found = figures(shop, WEEK)
    assert found.events is not None
    assert (found.events.total, found.events.failed_share) == (0, None)
    assert len(found.events.buckets) == len(WEEK) - 1
    assert (found.sessions, found.new_profiles, found.notes) == (0, 0, ())


def test_an_environment_without_indices_says_so(shop: Environment) -> None:
    engine = connect(shop.cluster)
    engine.request("DELETE", f"/{shop.naming.partition('event', '2026-11')}")
    found = figures(shop, WEEK).events
    assert found is not None
    assert not found.has_index


def test_figures_that_cannot_be_counted_are_left_out_with_the_reason(shop: Environment) -> None:
    engine = connect(shop.cluster)
    index = shop.naming.partition("event", "2026-11")
    engine.request("DELETE", f"/{index}")
    # As an engine without Tracardi's template makes it: words, which cannot be counted.
    body = {
        "aliases": {shop.naming.alias("event"): {}},
        "mappings": {"properties": {"type": {"type": "text"}}},
    }
    engine.request("PUT", f"/{index}", body=body)
    found = figures(shop, WEEK)
    assert found.events is None
    assert found.sessions == 0
    [note] = found.notes
    assert note.startswith("Events could not be counted")


def test_a_cluster_that_does_not_answer_is_said_so(shop: Environment) -> None:
    shop.cluster.url = "http://127.0.0.1:9"
    with pytest.raises(Unreachable, match="nothing answers at its address"):
        figures(shop, WEEK)
