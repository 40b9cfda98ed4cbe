"""A shop that is counted, another with nothing in it, and what the tests of figures ask of one."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import caches

from environments.dashboards.chosen import Chosen
from environments.dashboards.figures import Figures
from environments.dashboards.ranges import Period
from environments.dashboards.reading import figures_of, period_of
from environments.elastic import Connection, connect
from environments.models import Environment
from tests.environments.dashboards import (
    Shop,
    environment,
    make_indices,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
WEEK = Chosen()


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    caches["figures"].clear()


@pytest.fixture(scope="module")
def filled(elasticsearch_url: str) -> Iterator[Shop]:
    made = Shop(elasticsearch_url, NOW)
    yield made
    made.remove()


@pytest.fixture
def shop(filled: Shop) -> Environment:
    """Read only: all tests share what is in it."""
    return environment(filled.url, filled.tenant)


@pytest.fixture
def empty(elasticsearch_url: str) -> Iterator[Environment]:
    """A production with the indices that a dashboard reads, and nothing in them."""
    made = environment(elasticsearch_url, f"t{uuid.uuid4().hex[:8]}")
    indices = make_indices(connect(made.cluster), made.tenant, ["2026-11"])
    yield made
    path = f"/{','.join(indices)}"
    connect(made.cluster).request("DELETE", path, params={"ignore_unavailable": "true"})


def look(
    shop: Environment, chosen: Chosen = WEEK, zone: ZoneInfo = BERLIN
) -> tuple[Figures, Period]:
    period = period_of(chosen, NOW, zone)
    return figures_of(shop, chosen, period), period


def stats(found: Figures) -> dict[str, tuple[float | None, float | None]]:
    return {stat.key: (stat.value, stat.before) for stat in found.stats}


def rows(found: Figures, tile: str) -> dict[str, tuple[Any, ...]]:
    whole = found.tile(tile)
    assert whole is not None
    return {row.label: row.values for row in whole.rows}


def event(engine: Connection, shop: Environment, when: datetime, **facts: Any) -> None:
    source = {**dated(when), "profile": {"id": "p1"}, **facts}
    index = shop.naming.partition("event", "2026-11")
    engine.request("POST", f"/{index}/_doc", params={"refresh": "true"}, body=source)


def dated(when: datetime) -> dict[str, Any]:
    return {
        "type": "page-view",
        "source": {"id": "src-web"},
        "profile": {"id": f"p{when.hour}"},
        "session": {"id": "s1"},
        "metadata": {"time": {"insert": when.isoformat()}, "status": "processed", "error": False},
    }
