"""A production with the indices that funnels and segments read, on the real engine."""

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from devtools.elasticsearch.mappings import fitted
from environments.elastic import Connection, connect
from environments.funnels.services import make_funnel
from environments.models import Cluster, Environment, Funnel
from tests.data import load
from tests.environments.funnels.second import Event
from tests.factories import People, make_index, make_people

MONTHS = ("2026-9", "2026-10", "2026-11", "2026-12")


def shape_of(engine: Connection, storage: str) -> dict[str, Any]:
    return fitted(engine, load("0.8.1/indices.json")[storage])


@dataclass
class Shop:
    """A production and the engine that it is in."""

    environment: Environment
    engine: Connection
    people: People

    def index(self, when: datetime | str = "2026-11") -> str:
        """Make the index of a month, as Tracardi's template does, and return its name."""
        naming = self.environment.naming
        month = when if isinstance(when, str) else f"{when.year}-{when.month}"
        name = naming.partition("event", month)
        aliases: dict[str, Any] = {naming.alias("event"): {}}
        if not self.engine.client.indices.exists(name):
            shape = shape_of(self.engine, "tracardi-event")
            make_index(self.engine, name, {**shape, "aliases": aliases})
        return name

    def send(self, events: Sequence[tuple[str | None, datetime, str]]) -> None:
        """Let events have come: of whom, when, and what."""
        lines: list[object] = []
        for profile, when, type in events:
            source = {
                "type": type,
                "profile": {"id": profile} if profile is not None else None,
                "metadata": {"time": {"insert": when.isoformat()}, "status": "processed"},
            }
            lines += [{"index": {"_index": self.index(when.astimezone(UTC))}}, source]
        self.bulk(lines)

    def bulk(self, lines: Sequence[object]) -> None:
        body = "".join(f"{json.dumps(line)}\n" for line in lines)
        answer = self.engine.request("POST", "/_bulk", params={"refresh": "true"}, body=body)
        assert not answer["errors"], answer

    def raw(self, begin: datetime, end: datetime) -> list[Event]:
        """Return all events with a profile from `begin` until before `end`, as documents."""
        path = f"/{self.environment.naming.alias('event')}/_search"
        hits = self.engine.request("POST", path, body={"size": 5000})["hits"]["hits"]
        found = []
        for source in (hit["_source"] for hit in hits):
            when = datetime.fromisoformat(source["metadata"]["time"]["insert"])
            if source["profile"] is not None and begin <= when < end:
                time = round(when.timestamp() * 1000)
                found.append((source["profile"]["id"], time, source["type"]))
        return found

    def funnel(self, *steps: str, name: str = "Purchase") -> Funnel:
        return make_funnel(self.people.qa, self.environment, name, steps or ("a", "b"))


@pytest.fixture
def shop(elasticsearch_url: str) -> Iterator[Shop]:
    cluster = Cluster.objects.create(name="Test", url=elasticsearch_url)
    made = Environment.objects.create(
        name="Shop",
        slug="shop",
        cluster=cluster,
        version="0.8.1",
        tenant=f"t{uuid.uuid4().hex[:8]}",
        kind="production",
    )
    engine = connect(cluster)
    yield Shop(made, engine, make_people(made))
    engine.request("DELETE", f"/{made.naming.key}.*", params={"ignore_unavailable": "true"})
