"""What was worked out last of content that never changes, kept for the next who asks."""

import threading
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A mapping that forgets what was put in first, bounded by the sum of its values' sizes.

    For what is addressed by digest alone: it is never out of date. Threads may share one. Each
    value counts one more than its size; one that is too large by itself is not kept.
    """

    def __init__(self, most: int, size: Callable[[Any], int] = len) -> None:
        self._most = most
        self._size = size
        self._kept: dict[K, V] = {}
        self._total = 0
        self._guard = threading.Lock()

    def get(self, key: K) -> V | None:
        """Return what is kept for a key, or None."""
        return self._kept.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep a value as the newest."""
        size = 1 + self._size(value)
        with self._guard:
            self._drop(key)
            if size > self._most:
                return
            self._kept[key] = value
            self._total += size
            while self._total > self._most:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: K) -> None:
        if key in self._kept:
            self._total -= 1 + self._size(self._kept.pop(key))

    @property
    def total(self) -> int:
        """The sum of the sizes, and one for each value."""
        return self._total

    def clear(self) -> None:
        """Forget everything."""
        with self._guard:
            self._kept.clear()
            self._total = 0
