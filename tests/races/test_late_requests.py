"""An alias request that reaches the engine long after everybody gave its attempt up."""

import threading
from collections.abc import Callable

import pytest
from pytest_django import Settings

from environments import elastic
from promotion.engine.errors import OutcomeUnknown
from promotion.live import finish
from tests.faults.proxy import Answer, Fault, Proxy
from tests.faults.scenes import last
from tests.faults.world import Content, World
from tests.races.at_once import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db
ALIASES = r"POST /_aliases"


class OnItsWay:
    """Keeps the first alias request back until it is let go; `landed` has the engine's answer."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self._landed = threading.Event()
        self.landed: list[Answer] = []
        self.fault = Fault(ALIASES, change=self._wait, after=self._note)

    def _wait(self, body: bytes) -> bytes:
        assert self.go.wait(PATIENCE_SECONDS)
        return body

    def _note(self, answer: Answer) -> Answer:
        self.landed.append(answer)
        self._landed.set()
        return answer

    def land(self) -> int:
        """Let it go, and return the status of the engine's answer."""
        self.go.set()
        assert self._landed.wait(PATIENCE_SECONDS)
        return self.landed[0][0]


def given_up_on(act: Callable[[], object], settings: Settings) -> None:
    """Do it, and wait for an answer no longer than a moment."""
    patience = settings.ELASTICSEARCH_TIMEOUT_SECONDS
    settings.ELASTICSEARCH_TIMEOUT_SECONDS = 3
    elastic._connections.clear()
    try:
        with pytest.raises(OutcomeUnknown):
            act()
    finally:
        settings.ELASTICSEARCH_TIMEOUT_SECONDS = patience
        elastic._connections.clear()


def arranged(world: World, act: str) -> tuple[Callable[[], object], Content, Content]:
    """Return what sends the request, what is served before, and would be after it."""
    if act == "promote":
        old, ready = world.served(), world.prepared()
        return lambda: world.promote(ready), old, world.staged()
    new = world.served()
    world.promoted()
    return world.roll_back, world.served(), new


@pytest.mark.parametrize("act", ["promote", "rollback"])
def test_a_late_request_of_a_given_up_attempt_changes_nothing(
    world: World, old: Content, proxy: Proxy, settings: Settings, act: str
) -> None:
    send, before, _after = arranged(world, act)
    late = OnItsWay()
    with proxy.failing(late.fault):
        given_up_on(send, settings)
        world.next_worker()
        assert last(world, act).status == "errored"
        assert late.land() == 404
    assert world.served() == before
    assert last(world, act).status == "errored"


@pytest.mark.parametrize("act", ["promote", "rollback"])
def test_a_late_request_that_lands_while_it_is_given_up_is_gone_on_with(
    world: World, old: Content, proxy: Proxy, settings: Settings, act: str
) -> None:
    send, before, after = arranged(world, act)
    late = OnItsWay()
    landed: list[int] = []

    def lands_first(body: bytes) -> bytes:
        landed.append(late.land())
        return body

    # The next worker has read that nothing was switched, and is about to make that final.
    removal = Fault(r"DELETE /tracardi-console\.prod", change=lands_first)
    with proxy.failing(late.fault, removal):
        given_up_on(send, settings)
        world.next_worker()
    assert landed == [200]
    assert last(world, act).status == "succeeded", last(world, act).message
    assert world.served() == after != before


def test_a_late_request_under_the_next_promotion_changes_nothing(
    world: World, old: Content, proxy: Proxy, settings: Settings
) -> None:
    ready = world.prepared()
    late = OnItsWay()
    with proxy.failing(late.fault):
        given_up_on(lambda: world.promote(ready), settings)
        world.next_worker()
        made = world.promote(world.again())
        assert late.land() == 404
    assert finish(made).status == "succeeded"
    assert world.served() == world.staged() != old
