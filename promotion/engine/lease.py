"""A worker's expiring claim on an environment, kept in the target cluster (docs/promotion.md).

One document an environment, changed only by compare-and-swap, so that two consoles with separate
databases cannot collide. Two machines' clocks are never compared: a claim is over when it stood
unchanged for one lease time on the observer's own clock.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol

from promotion.engine.errors import Conflict, LeaseHeld, LeaseLost, OutcomeUnknown

ATTEMPTS: Final = 20


@dataclass(frozen=True)
class LeaseState:
    """What the document holds. `number` fences: it grows with each new claim."""

    holder: str = ""
    number: int = 0
    beat: int = 0
    generation: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


# What identifies one state of the document for a compare-and-swap; None: it is not there yet.
Version = tuple[int, int] | None


class LeaseStore(Protocol):
    """Lease documents by environment key."""

    def lease(self, key: str) -> tuple[LeaseState, Version]:
        """Return the state, and its version for `swap`."""

    def swap(self, key: str, state: LeaseState, version: Version) -> Version:
        """Write the state if the document is still as at `version`, and return the new version.

        Raises:
            Conflict: somebody else wrote first.
        """


@dataclass(frozen=True)
class Sighting:
    """Another's claim as it was first seen unchanged, at `at` seconds of the own clock."""

    number: int
    beat: int
    at: float


class LeaseHeldBy(LeaseHeld):
    """The environment is claimed. Keep `sighting` and pass it to the next try."""

    def __init__(self, sighting: Sighting) -> None:
        super().__init__(
            "Another promotion works on this environment. Nothing was changed. "
            "Wait until it is done; if its worker died, it is taken over by itself."
        )
        self.sighting = sighting


class Lease:
    """A claim that is held. Made by `acquire`."""

    def __init__(
        self,
        store: LeaseStore,
        key: str,
        holder: str,
        number: int,
        *,
        seconds: float,
        clock: Callable[[], float],
        since: float,
    ) -> None:
        self.number = number
        self._store = store
        self._key = key
        self._holder = holder
        self._seconds = seconds
        self._clock = clock
        self._since = since

    def check(self) -> None:
        """Return if the claim surely stands, by the own clock and without asking the cluster.

        Raises:
            LeaseLost: it was not renewed in time; others may have taken over.
        """
        if self._clock() - self._since >= self._seconds:
            raise LeaseLost(
                "This worker's claim on the environment ran out. It stopped writing. "
                "The next worker finishes or cleans up."
            )

    def renew(self) -> None:
        """Keep the claim for another lease time.

        Raises:
            LeaseLost: somebody else has it.
        """
        # Before sending: others see the change later than this, never earlier.
        now = self._clock()
        try:
            self._change(lambda state: replace(state, beat=state.beat + 1))
        except LeaseLost:
            self._since = float("-inf")
            raise
        self._since = now

    def release(self) -> None:
        """Give the claim back; a lost one is left alone."""
        try:
            self._change(lambda state: replace(state, holder="", beat=state.beat + 1))
        except LeaseLost:
            return

    def _change(self, change: Callable[[LeaseState], LeaseState]) -> None:
        def mine(state: LeaseState) -> LeaseState:
            if (state.holder, state.number) != (self._holder, self.number):
                raise LeaseLost(
                    "Another worker took this environment over. This one stopped writing."
                )
            return change(state)

        _swap(self._store, self._key, mine)


def _swap(store: LeaseStore, key: str, change: Callable[[LeaseState], LeaseState]) -> LeaseState:
    """Apply `change` to the document, again where a generation number was taken in between."""
    unknown: OutcomeUnknown | None = None
    for _ in range(ATTEMPTS):
        state, version = store.lease(key)
        wanted = change(state)
        try:
            store.swap(key, wanted, version)
        except Conflict:
            continue
        except OutcomeUnknown as error:
            # Each change may be made twice: a number is skipped, a beat counted once more.
            unknown = error
            continue
        return wanted
    if unknown is not None:
        raise unknown
    raise Conflict(
        f"The lease of {key} changed {ATTEMPTS} times in a row. Nothing was changed. Try again."
    )


def acquire(
    store: LeaseStore,
    key: str,
    holder: str,
    *,
    seconds: float,
    clock: Callable[[], float],
    seen: Sighting | None = None,
) -> Lease:
    """Claim an environment for `holder`, which names one attempt of one worker.

    `seen` is what an earlier try raised; a claim that is still the same after `seconds` is over.

    Raises:
        LeaseHeldBy: it is claimed.
    """
    since = clock()

    def claim(state: LeaseState) -> LeaseState:
        if state.holder and state.holder != holder:
            same = seen is not None and (seen.number, seen.beat) == (state.number, state.beat)
            if seen is None or not same:
                raise LeaseHeldBy(Sighting(state.number, state.beat, clock()))
            if clock() - seen.at < seconds:
                raise LeaseHeldBy(seen)
        return replace(state, holder=holder, number=state.number + 1, beat=state.beat + 1)

    claimed = _swap(store, key, claim)
    return Lease(store, key, holder, claimed.number, seconds=seconds, clock=clock, since=since)


def take_generation(store: LeaseStore, key: str, seen: Iterable[int]) -> int:
    """Return a generation number that nobody had, also one higher than those `seen` in names.

    Needs no claim: a preparation takes a number while a promotion runs.
    """
    least = max(seen, default=0)
    return _swap(
        store, key, lambda s: replace(s, generation=max(s.generation, least) + 1)
    ).generation
