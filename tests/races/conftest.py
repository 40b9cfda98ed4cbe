"""The world of tests/faults, behind its proxy: what one race left, the next one meets."""

from collections.abc import Iterator

import pytest

from promotion.engine.errors import PromotionError
from tests.faults.conftest import Worlds, _django_db_helper, worlds
from tests.faults.proxy import Proxy
from tests.faults.world import Content, World

__all__ = ["_django_db_helper", "worlds"]


@pytest.fixture(scope="module")
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    made = Proxy(elasticsearch_url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine_url(proxy: Proxy) -> str:
    """The world's cluster is behind the proxy."""
    return proxy.url


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    """Both sets, as the test before left them; afterwards nothing may be torn."""
    made = worlds.get()
    yield made
    try:
        made.work()
        made.check()
    except (AssertionError, PromotionError):
        # The next test is to fail for a reason of its own.
        worlds.end()
        raise


@pytest.fixture
def old(world: World) -> Content:
    """What production serves before the race."""
    world.adopted()
    return world.served()
