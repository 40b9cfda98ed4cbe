"""The engine's node is restarted in the middle: a real one, with data that it keeps."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_django import Settings

from devtools.elasticsearch.node import Node, start
from promotion.engine.errors import OutcomeUnknown
from promotion.live import finish
from promotion.models import Promotion
from promotion.preparing import prepare
from tests.alike import some
from tests.faults.killing import once
from tests.faults.scenes import last
from tests.faults.world import Content, World

pytestmark = pytest.mark.django_db
START_SECONDS = 120


class KeptNode:
    """A node with data that outlives it, for this module alone."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._node: Node = start(data)
        self.url = self._node.url
        self._starting: threading.Thread | None = None

    def stop(self) -> None:
        self._node.stop()

    def start(self) -> None:
        """Start it again on the same port, and return when it answers."""
        self._node = start(self._data, int(self.url.rpartition(":")[2]))

    def restart(self) -> None:
        """Stop it, and return while it starts again: until then connections are refused."""
        self.stop()
        self._starting = threading.Thread(target=self.start)
        self._starting.start()

    def await_started(self) -> None:
        if self._starting is not None:
            self._starting.join(START_SECONDS)
            self._starting = None


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptNode]:
    made = KeptNode(tmp_path_factory.mktemp("node"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def engine_url(node: KeptNode) -> str:
    """The world's cluster is the node that is restarted."""
    return node.url


@pytest.fixture
def old(world: World) -> Content:
    world.adopted()
    return world.served()


@pytest.mark.parametrize(
    "moment", some(["copy: bulk sent", "copy: create sent"], lambda place, _case: place == 0)
)
def test_a_restart_in_the_middle_of_a_preparation_is_waited_for(
    world: World, old: Content, node: KeptNode, settings: Settings, moment: str
) -> None:
    settings.RETRY_SECONDS = START_SECONDS
    build = world.approved()
    with once(moment, node.restart):
        ready = prepare(build, world.production)
    node.await_started()
    assert ready.status == "succeeded"
    assert world.served() == old
    assert finish(world.promote(ready)).status == "succeeded"
    assert world.served() == world.staged() != old


@pytest.mark.long
def test_a_restart_that_takes_too_long_ends_a_preparation_and_it_is_made_again(
    world: World, old: Content, node: KeptNode, settings: Settings
) -> None:
    settings.RETRY_SECONDS = 0.3
    build = world.approved()
    with once("copy: bulk sent", node.restart), pytest.raises(OutcomeUnknown):
        prepare(build, world.production)
    node.await_started()
    settings.RETRY_SECONDS = 10
    world.next_worker()
    assert world.served() == old
    ended = Promotion.objects.filter(kind="prepare", build=build).earliest("pk")
    assert ended.status == "errored"
    ready = prepare(build, world.production)
    assert finish(world.promote(ready)).status == "succeeded"
    assert world.served() == world.staged() != old


@pytest.mark.parametrize(
    "patience",
    some([float(START_SECONDS), 0.3], lambda place, _case: place == 0),
    ids=["waited for", "not in time"],
)
def test_a_restart_between_the_switch_and_verification(
    world: World, old: Content, node: KeptNode, settings: Settings, patience: float
) -> None:
    # A busy machine may start a node for longer than a claim holds.
    settings.LEASE_SECONDS = 2.0 * START_SECONDS
    made = world.promote(world.prepared())
    settings.RETRY_SECONDS = patience
    with ExitStack() as stack:
        stack.enter_context(once("verify begun", node.restart))
        if patience < 1:
            stack.enter_context(pytest.raises(OutcomeUnknown))
        finish(made)
    if patience < 1:
        # Nobody proved it yet: it does not say that it succeeded.
        assert last(world, "promote").status == "running"
    node.await_started()
    settings.RETRY_SECONDS = 10
    world.next_worker()
    assert last(world, "promote").status == "succeeded"
    assert world.served() == world.staged() != old
