"""The workers' signs of life, by which a health check and the metrics know whether any is there."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from django.utils import timezone

from promotion.models import Promotion, WorkerSign
from promotion.recovery import standing_still

# How often a worker gives its sign.
SIGN_SECONDS: Final = 10.0
# A sign that is older is no sign any more.
LATE: Final = timedelta(seconds=60)
# After so long without a good end one of these acts stands still: each takes seconds, or minutes
# where it ends a large promotion. Tests and probes take as long as they were asked to.
SHORT_ACTS: Final = {
    "recover": timedelta(minutes=15),
    "check_due": timedelta(minutes=15),
    "lock_expired": timedelta(minutes=5),
    "look_around": timedelta(minutes=15),
    "look_at_engines": timedelta(minutes=5),
}
# How long the row of a worker that died is kept, so that it is said when it was there last.
_KEPT: Final = timedelta(days=7)


class State(StrEnum):
    """How it stands with one part of the workers' work."""

    OK = "ok"
    LATE = "late"
    MISSING = "missing"


class Sign:
    """One worker's sign; acts are noted by their own threads, and written with the next one."""

    def __init__(
        self,
        parts: Iterable[WorkerSign.Part],
        alive_file: Path | None = None,
        acts: Iterable[str] = (),
    ) -> None:
        self.name = f"{socket.gethostname()[:80]}:{os.getpid()}:{secrets.token_hex(4)}"
        self.parts = [part.value for part in parts]
        self.alive_file = alive_file
        # From now on: one that never ends well grows old too.
        self._acts: dict[str, float] = dict.fromkeys(acts, round(time.time(), 3))
        self._giving = threading.Lock()
        self._is_over = False

    def note(self, act: str) -> None:
        """Note that an act of the schedule ended well."""
        self._acts[act] = round(time.time(), 3)

    def give(self) -> None:
        """Write the sign down: in the database first, because a worker without one is no help."""
        # The thread that gives signs goes on while the worker is being stopped.
        with self._giving:
            if not self._is_over:
                self._give()

    def _give(self) -> None:
        now = timezone.now()
        facts = {
            "parts": self.parts,
            "seen_at": now,
            "acts": dict(self._acts),
            "stills": _stills(),
        }
        WorkerSign.objects.update_or_create(name=self.name, defaults=facts)
        WorkerSign.objects.filter(seen_at__lt=now - _KEPT).delete()
        if self.alive_file is not None:
            self.alive_file.touch()
        tell_service_manager("WATCHDOG=1")

    def take_back(self) -> None:
        """Leave no sign: this worker was stopped, and does not lie dead somewhere."""
        with self._giving:
            self._is_over = True
            WorkerSign.objects.filter(name=self.name).delete()
        if self.alive_file is not None:
            self.alive_file.unlink(missing_ok=True)


def _stills() -> dict[str, float]:
    """Return how long this worker saw the claim of each running promotion stand still."""
    seconds = standing_still()
    if not seconds:
        return {}
    rows = Promotion.objects.filter(pk__in=seconds, status__in=Promotion.ACTIVE)
    return {slug: round(seconds[pk], 1) for pk, slug in rows.values_list("pk", "environment__slug")}


def tell_service_manager(words: str) -> None:
    """Send one of systemd's notices, where systemd asked for them (sd_notify(3))."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place:
        return
    # A name that begins with @ is of Linux's own kind, which begins with a zero byte.
    address = f"\0{place[1:]}" if place.startswith("@") else place
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stream:
        stream.connect(address)
        stream.send(words.encode())


@dataclass(frozen=True)
class Workers:
    """What is known of the workers: how it stands with each part, and all their signs.

    `acts` has for each act of the schedule when it ended well last, in seconds since 1970, by
    whichever worker; `still` those that should have since.
    """

    states: dict[str, State]
    signs: tuple[WorkerSign, ...]
    acts: dict[str, float]
    still: tuple[str, ...]


def workers() -> Workers:
    """Return what the workers' signs say; one query."""
    signs = tuple(WorkerSign.objects.order_by("-seen_at")[:50])
    since = timezone.now() - LATE
    states = {}
    for part in WorkerSign.Part:
        newest = next((sign for sign in signs if part.value in sign.parts), None)
        if newest is None:
            states[part.value] = State.MISSING
        else:
            states[part.value] = State.OK if newest.seen_at >= since else State.LATE
    acts: dict[str, float] = {}
    for sign in signs:
        for act, at in sign.acts.items():
            acts[act] = max(at, acts.get(act, 0.0))
    now = timezone.now().timestamp()
    still = tuple(
        act
        for act, patience in SHORT_ACTS.items()
        if act in acts and now - acts[act] > patience.total_seconds()
    )
    return Workers(states, signs, acts, still)
