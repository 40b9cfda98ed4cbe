"""Holds a promotion's lease on its environment while it works."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings

from environments.models import Environment
from promotion.engine.errors import PromotionError
from promotion.engine.lease import Lease, acquire
from promotion.models import Promotion
from promotion.writer import ClusterWriter


class Claim:
    """A held lease that renews itself where long work calls `keep`."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self._renewed = time.monotonic()

    def keep(self) -> None:
        """Renew the lease if that is due.

        Raises:
            LeaseLost: somebody else has it.
        """
        if time.monotonic() - self._renewed >= settings.LEASE_RENEW_SECONDS:
            now = time.monotonic()
            self.lease.renew()
            self._renewed = now


def claim(writer: ClusterWriter, environment: Environment, holder: str) -> Claim:
    """Take the environment's lease for a holder; one and the same holder takes it over at once.

    Raises:
        LeaseHeld: another holder has it.
    """
    return Claim(
        acquire(
            writer,
            environment.naming.key,
            holder,
            seconds=settings.LEASE_SECONDS,
            clock=time.monotonic,
        )
    )


@contextmanager
def claimed(writer: ClusterWriter, environment: Environment, holder: str) -> Iterator[Claim]:
    """Hold the lease for the block, and give it back after it, whatever happened."""
    held = claim(writer, environment, holder)
    try:
        yield held
    finally:
        give_back(held.lease.release)


def give_back(release: Callable[[], None]) -> None:
    """Release a lease; a cluster that cannot be reached lets it run out instead."""
    try:
        release()
    except PromotionError:
        return


def holder_of(promotion: Promotion) -> str:
    """Return the name under which a promotion holds its lease, whichever worker runs it."""
    return promotion.token
