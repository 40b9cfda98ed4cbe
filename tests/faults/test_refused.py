"""Nothing listens at the engine's address: connections are refused, for a while or for longer."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from pytest_django import Settings

from promotion.engine.errors import OutcomeUnknown
from promotion.live import finish
from promotion.models import Promotion
from promotion.preparing import prepare
from tests.faults.killing import once
from tests.faults.proxy import Proxy
from tests.faults.scenes import last
from tests.faults.world import Content, World

pytestmark = pytest.mark.django_db
A_WHILE_SECONDS = 0.7


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
def old(world: World) -> Content:
    world.adopted()
    return world.served()


@contextmanager
def away_from(proxy: Proxy, moment: str, seconds: float | None = None) -> Iterator[None]:
    """Let nothing listen from that moment on, for so long or until the block ends."""
    gone, timers = ExitStack(), []

    def go() -> None:
        gone.enter_context(proxy.away())
        if seconds is not None:
            timers.append(threading.Timer(seconds, gone.close))
            timers[0].start()

    try:
        with once(moment, go):
            yield
    finally:
        for timer in timers:
            timer.join()
        gone.close()


@pytest.mark.parametrize("moment", ["look begun", "copy begun", "copy: bulk sent"])
def test_a_preparation_waits_for_an_engine_that_comes_back(
    world: World, old: Content, proxy: Proxy, moment: str
) -> None:
    build = world.approved()
    with away_from(proxy, moment, A_WHILE_SECONDS):
        ready = prepare(build, world.production)
    assert ready.status == "succeeded"
    assert finish(world.promote(ready)).status == "succeeded"
    assert world.served() == world.staged() != old


@pytest.mark.parametrize("moment", ["cutover begun", "verify begun"])
def test_a_promotion_waits_for_an_engine_that_comes_back(
    world: World, old: Content, proxy: Proxy, moment: str
) -> None:
    ready = world.prepared()
    with away_from(proxy, moment, A_WHILE_SECONDS):
        made = finish(world.promote(ready))
    assert made.status == "succeeded"
    assert world.served() == world.staged() != old


def test_an_engine_that_stays_away_ends_a_preparation(
    world: World, old: Content, proxy: Proxy, settings: Settings
) -> None:
    settings.RETRY_SECONDS = 0.3
    build = world.approved()
    with away_from(proxy, "copy: bulk sent"), pytest.raises(OutcomeUnknown, match="nothing answer"):
        prepare(build, world.production)
    assert Promotion.objects.filter(kind="prepare", build=build).latest("pk").status == "errored"
    assert world.served() == old


@pytest.mark.parametrize("moment", ["cutover begun", "cutover: aliases due"])
def test_an_engine_that_stays_away_switches_nothing(
    world: World, old: Content, proxy: Proxy, settings: Settings, moment: str
) -> None:
    settings.RETRY_SECONDS = 0.3
    ready = world.prepared()
    with away_from(proxy, moment), pytest.raises(OutcomeUnknown, match="nothing answer"):
        world.promote(ready)
    # Of a switch that was to be sent, only the next worker says how it ended.
    running = moment == "cutover: aliases due"
    assert last(world, "promote").status == ("running" if running else "errored")
    world.next_worker()
    assert last(world, "promote").status == "errored"
    assert world.served() == old
