"""A pipeline whose sides have all that a Tracardi makes, so that nothing is to look at."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from devtools.elasticsearch.mappings import fitted
from environments.catalogue import Policy, Resource
from environments.elastic import Connection, connect
from environments.findings import Finding
from environments.health.looks import look_at_health
from environments.health.summaries import Summary, summaries
from environments.models import Cluster, Environment, HealthState
from environments.naming import Naming
from tests.data import load
from tests.factories import make_index
from tests.promotion.conftest import adopted, engine, people, production, staging

__all__ = ["adopted", "engine", "people", "production", "staging"]
MONTH = "2026-11"
AGAIN = timedelta(minutes=5)


def index_of(naming: Naming, resource: Resource) -> str:
    if resource.partitioned:
        return naming.partition(resource.name, MONTH)
    return naming.concrete(resource.name)


def complete(environment: Environment, *policies: Policy) -> None:
    """Give a set what the tests' own lack, in the shapes of a real Tracardi."""
    naming, shapes = environment.naming, load("0.8.1/indices.json")
    engine = connect(environment.cluster)
    for resource in naming.catalogue.resources:
        if resource.policy not in policies:
            continue
        index = index_of(naming, resource)
        if resource.name in {"user", "event"}:
            # The tests' own are there without a mapping.
            engine.request("DELETE", f"/{index}", params={"ignore_unavailable": "true"})
        shape = fitted(engine, shapes[resource.storage])
        make_index(engine, index, {**shape, "aliases": {naming.alias(resource.name): {}}})


@dataclass
class Pipeline:
    """Two sides, and the engine that both are in."""

    staging: Environment
    production: Environment
    engine: Connection

    def event(self, side: Environment, *, ago: timedelta = timedelta(0), **facts: Any) -> None:
        """Let an event have come to a side, seen by searches from the next `settle` on."""
        metadata = {
            "time": {"insert": (timezone.now() - ago).isoformat()},
            "status": "processed",
            "error": False,
            **facts,
        }
        path = f"/{side.naming.partition('event', MONTH)}/_doc"
        self.engine.request("POST", path, body={"type": "page-view", "metadata": metadata})

    def log(self, side: Environment, event_id: str, type: str) -> None:
        """Let a flow have written to a side's console log."""
        now = {"timestamp": timezone.now().isoformat()}
        body = {"event_id": event_id, "type": type, "metadata": now}
        path = f"/{side.naming.concrete('console-log')}/_doc"
        self.engine.request("POST", path, body=body)

    def settle(self) -> None:
        """Let searches see all that was written."""
        names = (self.staging.naming.key, self.production.naming.key)
        self.engine.request("POST", f"/{','.join(f'{name}.*' for name in names)}/_refresh")

    def look(self) -> dict[str, dict[str, Finding]]:
        """Have the worker look at both, and return what it found by side and code."""
        HealthState.objects.update(begun_at=timezone.now() - AGAIN)
        look_at_health()
        return {
            one.environment.kind: {finding.code: finding for finding in one.findings}
            for one in self.summaries().values()
        }

    def summaries(self) -> dict[int, Summary]:
        return summaries([self.staging, self.production])


@pytest.fixture
def empty(elasticsearch_url: str) -> Pipeline:
    """Staging and production without any index: for what is not about what is in them."""
    cluster = Cluster.objects.create(name="Test", url=elasticsearch_url)
    facts = {"cluster": cluster, "version": "0.8.1", "tenant": f"t{uuid.uuid4().hex[:8]}"}
    live = Environment.objects.create(
        name="Production", slug="production", kind="production", **facts
    )
    made = Environment.objects.create(
        name="Staging", slug="staging", kind="staging", promotes_to=live, **facts
    )
    return Pipeline(made, live, connect(cluster))


@pytest.fixture
def pipeline(
    staging: Environment, production: Environment, engine: Connection
) -> Iterator[Pipeline]:
    """Staging and production with all indices, each with an event of a moment ago."""
    complete(staging, Policy.PROTECTED, Policy.SHARED)
    complete(production, Policy.PROTECTED)
    made = Pipeline(staging, production, engine)
    for side in (staging, production):
        made.event(side)
    made.settle()
    yield made
    # What is closed is not found by what takes the sets away.
    engine.request(
        "POST", f"/{production.naming.key}.*/_open", params={"ignore_unavailable": "true"}
    )
