"""How far each visitor came through the steps of a funnel; pure, and in one pass.

A visitor reached step n where his events hold the steps 1 to n in this order, whatever is between
them. Events of the same millisecond have no order: they may be taken in any.
"""

from collections.abc import Sequence


class OrderError(ValueError):
    """An event came that lies before the one that was fed last."""


class FunnelCount:
    """Counts the visitors who reached each step; it holds one moment of one visitor at a time."""

    def __init__(self, steps: Sequence[str]) -> None:
        self._steps = tuple(steps)
        self._visitors = [0] * len(self._steps)
        self._profile: str | None = None
        self._time = 0
        self._reached = 0
        # How many events of each type the moment holds.
        self._moment: dict[str, int] = {}

    def feed(self, profile: str, time: int, type: str, times: int = 1) -> None:
        """Take `times` events of one type, of one visitor at one millisecond.

        They come in ascending order of the profile's id, then of the time.

        Raises:
            OrderError: they do not.
        """
        if profile != self._profile:
            if self._profile is not None and profile < self._profile:
                raise OrderError(f"Profile {profile} came after {self._profile}.")
            self._end_visitor()
            self._profile, self._time = profile, time
        elif time != self._time:
            if time < self._time:
                raise OrderError(f"{time} came after {self._time}.")
            self._end_moment()
            self._time = time
        self._moment[type] = self._moment.get(type, 0) + times

    def visitors(self) -> list[int]:
        """Return how many visitors reached each step, of all that was fed; feed no more then."""
        self._end_visitor()
        self._profile = None
        return list(self._visitors)

    def _end_moment(self) -> None:
        # As far as the moment leads: who is further with the same events misses nothing by it.
        while self._reached < len(self._steps):
            step = self._steps[self._reached]
            if not self._moment.get(step):
                break
            self._moment[step] -= 1
            self._reached += 1
        self._moment = {}

    def _end_visitor(self) -> None:
        self._end_moment()
        for step in range(self._reached):
            self._visitors[step] += 1
        self._reached = 0
