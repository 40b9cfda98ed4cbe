"""Holds a promotion's lease on its environment while it works."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from django.conf import settings
from django.db.models import F

from environments.models import Environment
from promotion.engine.errors import LeaseHeld, LeaseLost, PromotionError
from promotion.engine.lease import Lease, LeaseHeldBy, Sighting, acquire
from promotion.models import Promotion
from promotion.writer import ClusterWriter

clock = time.monotonic
PAUSE_SECONDS: Final = 1.0
# Others' claims as this process saw them first, by environment: it is the clock of this process
# that says when one stood still for a whole lease time.
_seen: Final[dict[tuple[int, str], Sighting]] = {}


class Claim:
    """A held lease that a thread of its own renews, however long the work takes."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self._stopped = threading.Event()
        threading.Thread(target=self._renew, name="lease", daemon=True).start()

    def _renew(self) -> None:
        while not self._stopped.wait(settings.LEASE_RENEW_SECONDS):
            try:
                self.lease.renew()
            except LeaseLost:
                return
            except PromotionError:
                # The cluster may answer at the next beat; until then the own clock decides.
                continue

    def check(self) -> None:
        """Return if the claim surely stands.

        Raises:
            LeaseLost: it ran out, or somebody else has it.
        """
        self.lease.check()

    def stop(self) -> None:
        """Renew no more, but keep the claim for whoever goes on under the same name."""
        self._stopped.set()

    def give_back(self) -> None:
        """End the claim; a cluster that cannot be reached lets it run out instead."""
        self.stop()
        try:
            self.lease.release()
        except PromotionError:
            return


def claim(writer: ClusterWriter, environment: Environment, holder: str) -> Claim:
    """Take the environment's lease for a holder; one and the same holder takes it over at once.

    From then on `writer` changes nothing once the claim may be another's.

    Raises:
        LeaseHeld: another holder has it, and did not stand still for a lease time yet.
    """
    key = environment.naming.key
    place = (environment.cluster_id, key)
    try:
        lease = acquire(
            writer,
            key,
            holder,
            seconds=settings.LEASE_SECONDS,
            clock=clock,
            seen=_seen.get(place),
        )
    except LeaseHeldBy as error:
        _seen[place] = error.sighting
        raise
    _seen.pop(place, None)
    writer.fence = lease.check
    return Claim(lease)


@contextmanager
def claimed(
    writer: ClusterWriter, environment: Environment, holder: str, *, patience: float = 0.0
) -> Iterator[Claim]:
    """Hold the lease for the block, and give it back after it, whatever happened.

    While another holds it, it is asked for again for `patience` seconds.

    Raises:
        LeaseHeld: another holds it still.
    """
    held: Claim | None = None
    until = time.monotonic() + patience
    while held is None:
        try:
            held = claim(writer, environment, holder)
        except LeaseHeld:
            if time.monotonic() >= until:
                raise
            time.sleep(PAUSE_SECONDS)
    try:
        yield held
    finally:
        held.give_back()


def holder_of(promotion: Promotion) -> str:
    """Return the name under which a promotion holds its lease, whichever worker runs it."""
    return promotion.token


def pulse(promotion: Promotion) -> Callable[[], None]:
    """Return what long work without a claim calls often: now and then it leaves a sign of life."""
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= settings.LEASE_RENEW_SECONDS:
            last = now
            Promotion.objects.filter(pk=promotion.pk).update(beats=F("beats") + 1)

    return beat
