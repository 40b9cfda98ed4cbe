"""What one look at an environment reads, before it is judged. Pure: no Django, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from environments.engines import Engine

_BYTES = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4, "pb": 1024**5}


@dataclass(frozen=True)
class Watermark:
    """One of the engine's limits of a disk: `low`, `high` or `flood stage`.

    It is a share of what may be used, or the bytes that must be free.
    """

    name: str
    share: float | None = None
    free: int | None = None

    @classmethod
    def read(cls, name: str, text: str) -> "Watermark | None":
        """Return a setting such as `85%`, `0.85` or `10gb`; None where it is none of these."""
        words = text.strip().lower()
        try:
            if words.endswith("%"):
                return cls(name, share=float(words[:-1]) / 100)
            number = words.rstrip("abcdefghijklmnopqrstuvwxyz")
            unit = words[len(number) :]
            if not unit:
                return cls(name, share=float(number))
            return cls(name, free=int(float(number) * _BYTES[unit]))
        except (ValueError, KeyError):
            return None

    def is_passed(self, disk: "Disk") -> bool:
        if self.share is not None:
            return disk.used > self.share
        return self.free is not None and disk.free < self.free

    @property
    def words(self) -> str:
        if self.share is not None:
            return f"{self.name}, {100 * self.share:g} % used"
        return f"{self.name}, {(self.free or 0) / 1024**3:.1f} GB free"


@dataclass(frozen=True)
class Disk:
    """A node's disk, in bytes."""

    node: str
    total: int
    free: int

    @property
    def used(self) -> float:
        """The share of it that is used, from 0 to 1."""
        return 1 - self.free / self.total if self.total > 0 else 0.0


@dataclass(frozen=True)
class ClusterFacts:
    """How a cluster is. `most_shards` is None without a limit.

    `watermarks` are in ascending order, and empty where the engine does not guard its disks.
    """

    uuid: str
    engine: Engine
    latency_ms: float
    status: str
    open_shards: int
    most_shards: int | None
    disks: tuple[Disk, ...]
    watermarks: tuple[Watermark, ...]

    @property
    def fullest(self) -> Disk | None:
        return max(self.disks, key=lambda disk: disk.used, default=None)


@dataclass(frozen=True)
class IndexFacts:
    """One index. `mapping` and `analysis` are digests; `size` and `documents` None if not known.

    What the index learnt from documents is no part of `mapping`.
    `blocks` are the engine's names of what refuses writes, such as `write`.
    """

    name: str
    aliases: frozenset[str]
    is_open: bool
    health: str
    mapping: str
    analysis: str
    size: int | None
    documents: int | None = None
    blocks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Traffic:
    """What the events say. None is what could not be counted.

    `day` are those of the last 24 hours, `failed` the failed ones among them, `logged` those that
    left an error in the console log.
    """

    events: int | None = None
    last_event: datetime | None = None
    day: int | None = None
    failed: int | None = None
    logged: int | None = None

    @property
    def failed_share(self) -> float | None:
        """The share of the day's events that failed, from 0 to 1; None without events."""
        return self.failed / self.day if self.day and self.failed is not None else None


@dataclass(frozen=True)
class SetFacts:
    """All indices of an environment by name, and what else holds one of its names."""

    indices: Mapping[str, IndexFacts] = field(default_factory=dict)
    traffic: Traffic = Traffic()
