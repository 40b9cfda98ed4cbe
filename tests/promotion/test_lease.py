"""Claims on an environment, in the real engine, under a clock of the test's own."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from environments.elastic import connect
from environments.models import Cluster
from promotion.engine.errors import LeaseLost
from promotion.engine.lease import LeaseHeldBy, acquire, take_generation
from promotion.writer import ClusterWriter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(elasticsearch_url: str) -> ClusterWriter:
    return ClusterWriter(connect(Cluster(name="Test", url=elasticsearch_url)))


@pytest.fixture
def key() -> str:
    return f"prod-08x.t{uuid.uuid4().hex[:8]}"


def test_one_claim_at_a_time(store: ClusterWriter, key: str) -> None:
    lease = acquire(store, key, "one", seconds=30, clock=Clock())
    with pytest.raises(LeaseHeldBy):
        acquire(store, key, "two", seconds=30, clock=Clock())
    lease.release()
    assert acquire(store, key, "two", seconds=30, clock=Clock()).number == 2


def test_of_many_at_once_one_wins(store: ClusterWriter, key: str) -> None:
    def attempt(number: int) -> bool:
        try:
            acquire(store, key, f"worker-{number}", seconds=30, clock=Clock())
        except LeaseHeldBy:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_a_claim_that_stood_still_for_one_lease_time_is_taken_over(
    store: ClusterWriter, key: str
) -> None:
    dead = acquire(store, key, "dead", seconds=30, clock=Clock())
    clock = Clock()
    clock.now = 5.0  # the two machines' clocks have nothing in common
    with pytest.raises(LeaseHeldBy) as first:
        acquire(store, key, "next", seconds=30, clock=clock)
    clock.now += 29
    with pytest.raises(LeaseHeldBy) as second:
        acquire(store, key, "next", seconds=30, clock=clock, seen=first.value.sighting)
    assert second.value.sighting == first.value.sighting
    clock.now += 1
    acquire(store, key, "next", seconds=30, clock=clock, seen=second.value.sighting)
    with pytest.raises(LeaseLost, match="took this environment over"):
        dead.renew()


def test_a_renewed_claim_is_not_taken_over(store: ClusterWriter, key: str) -> None:
    alive = acquire(store, key, "alive", seconds=30, clock=Clock())
    clock = Clock()
    with pytest.raises(LeaseHeldBy) as first:
        acquire(store, key, "next", seconds=30, clock=clock)
    alive.renew()
    clock.now += 60
    with pytest.raises(LeaseHeldBy):
        acquire(store, key, "next", seconds=30, clock=clock, seen=first.value.sighting)


def test_a_stalled_worker_knows_by_its_own_clock(store: ClusterWriter, key: str) -> None:
    clock = Clock()
    lease = acquire(store, key, "one", seconds=30, clock=clock)
    clock.now += 29
    lease.check()
    lease.renew()
    clock.now += 29
    lease.check()
    clock.now += 1
    with pytest.raises(LeaseLost, match="ran out"):
        lease.check()


def test_generation_numbers_are_never_given_twice(store: ClusterWriter, key: str) -> None:
    lease = acquire(store, key, "one", seconds=30, clock=Clock())
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda _: take_generation(store, key, [3]), range(8)))
    assert sorted(numbers) == list(range(4, 12))
    lease.renew()
    assert take_generation(store, key, [40]) == 41
