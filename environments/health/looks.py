"""Looks at each environment in the background, keeps what it found, and thins the history out.

No page waits for a cluster: what is shown was kept. Clusters are read side by side, each in a
thread that uses no database; one that does not answer keeps no other from being looked at.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.db.models.functions import TruncDay, TruncHour
from django.utils import timezone

from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.roles import Verb
from environments.due import take_on
from environments.elastic import ElasticError
from environments.findings import Finding
from environments.health.cluster_judging import judge_cluster, passed
from environments.health.facts import ClusterFacts, SetFacts
from environments.health.judging import behind, judge_set, shapes, things
from environments.health.reading import LOOK_SECONDS, Asker, read_cluster, read_set
from environments.health.summaries import drifts
from environments.models import Cluster, Environment, HealthLook, HealthState
from environments.naming import NameKind, Naming

log = structlog.get_logger(__name__)
T = TypeVar("T")
# So many clusters are read at once, and so long is waited for them.
AT_ONCE: Final = 16
ROUND_SECONDS: Final = 30.0
# Whoever asks for a look waits so long since the last one began.
PAUSE: Final = timedelta(seconds=10)
ACTION: Final = "health.looked"
# Full resolution, then one an hour, then one a day.
FULL, HOURLY, DAILY = timedelta(days=2), timedelta(days=30), timedelta(days=365)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
LATE: Final = "did not answer in time. Nothing was changed."


@dataclass(frozen=True)
class Seen:
    """What one look got to know; `problem` says why it got nothing."""

    cluster: ClusterFacts | None = None
    indices: SetFacts | None = None
    problem: str = ""


@dataclass
class _Reading:
    """A cluster that is being read. `seen` fills while it is, by the environments' keys."""

    future: Future[None] = field(default_factory=Future)
    seen: dict[int, Seen] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def is_stuck(self) -> bool:
        """Whether it takes longer than anybody waits."""
        return not self.future.done() and time.monotonic() - self.began >= ROUND_SECONDS


# By cluster and address: one that drips its answer is read by one thread, and no more.
_going_on: dict[tuple[int, str], _Reading] = {}


class TooSoonError(Exception):
    """It was looked at, or set up anew, a moment ago. `str()` says so."""


def look_at_health() -> list[Environment]:
    """Look at the environments whose last look is a while ago; return those that were tried.

    Call it again and again. Of two workers that do, one looks at an environment.
    """
    limit = timezone.now() - timedelta(seconds=settings.HEALTH_SECONDS)
    begun = dict(HealthState.objects.values_list("environment", "begun_at"))
    rows = Environment.objects.select_related("cluster")
    waiting = [one for one in rows if begun.get(one.pk, _NEVER) <= limit]
    due: dict[int, list[Environment]] = {}
    # Those who wait longest come first.
    for environment in sorted(waiting, key=lambda one: begun.get(one.pk, _NEVER)):
        if environment.cluster_id not in due and len(due) == AT_ONCE:
            # It is due in a moment still.
            continue
        if take_on(HealthState, limit, environment=environment):
            due.setdefault(environment.cluster_id, []).append(environment)
    _look(list(due.values()), ROUND_SECONDS)
    return [environment for group in due.values() for environment in group]


def look_now(actor: Actor, environment: Environment) -> None:
    """Look at an environment because somebody asks for it.

    Raises:
        NotAllowedError: the actor may not.
        TooSoonError: the last look began a moment ago, or it was set up anew meanwhile.
    """
    authorise(actor, Verb.CAPTURE, ACTION, environment)
    if not take_on(HealthState, timezone.now() - PAUSE, environment=environment):
        raise TooSoonError(
            f"{environment} was looked at less than {PAUSE.seconds} seconds ago: this is what was "
            "found. Ask again in a moment."
        )
    _look([[environment]], LOOK_SECONDS)
    state = HealthState.objects.filter(environment=environment, tried_at__isnull=False).first()
    if state is None:
        raise TooSoonError(
            f"{environment} was set up anew while it was looked at. Nothing was kept. Look again."
        )
    detail = {"problem": state.problem, "findings": [one.code for one in state.found]}
    record(actor, ACTION, environment, detail=detail)


def _look(groups: Sequence[Sequence[Environment]], seconds: float) -> None:
    """Read each group's cluster, and keep what was seen of each environment."""
    # Of the beginning: what is done from now on is for the next look.
    now = timezone.now()
    readings = [(group, _begin(group[0].cluster, group)) for group in groups]
    wait([reading.future for _, reading in readings if reading is not None], timeout=seconds)
    seen: list[tuple[Environment, Seen]] = []
    for group, reading in readings:
        cluster = group[0].cluster
        key = (cluster.pk, cluster.url)
        if reading is not None and reading.future.done() and _going_on.get(key) is reading:
            del _going_on[key]
        got = reading.seen if reading is not None else {}
        late = Seen(problem=f"Cluster {cluster} {LATE}")
        seen += [(one, got.get(one.pk) or late) for one in group]
    found: dict[int, list[Finding]] = {}
    # All states before any row: a row tells how the two sides of a pipeline differ now.
    for environment, what in seen:
        with _logged(environment), transaction.atomic():
            if _is_as_read(environment):
                found[environment.pk] = _keep_state(environment, now, what)
    for environment, what in seen:
        if environment.pk in found:
            with _logged(environment), transaction.atomic():
                if _is_as_read(environment):
                    _keep_row(environment, now, what, found[environment.pk])


def _is_as_read(environment: Environment) -> bool:
    """Answer whether an environment still is of the indices that were read, and hold it so."""
    # Corrected meanwhile, it has other ones, and what was seen of the earlier is gone already.
    held = Environment.objects.select_for_update().filter(pk=environment.pk).first()
    return held is not None and (held.cluster_id, held.naming) == (
        environment.cluster_id,
        environment.naming,
    )


@contextmanager
def _logged(environment: Environment) -> Iterator[None]:
    """Log a defect of one environment, which must not keep the others from theirs."""
    try:
        yield
    except Exception:
        log.exception("health.defect", environment=environment.slug)


def _begin(cluster: Cluster, environments: Sequence[Environment]) -> _Reading | None:
    """Read a cluster in a thread of its own; None where the last reading is stuck."""
    earlier = _going_on.get((cluster.pk, cluster.url))
    if earlier is not None and earlier.is_stuck:
        return None
    reading = _Reading()
    _going_on[cluster.pk, cluster.url] = reading
    _in_thread(reading.future, lambda: _read(cluster, environments, reading.seen))
    return reading


def _in_thread(future: Future[None], act: Callable[[], None]) -> None:
    def run() -> None:
        try:
            act()
        finally:
            future.set_result(None)

    # It ends with the process, however slow the cluster is.
    threading.Thread(target=run, daemon=True).start()


def _read(cluster: Cluster, environments: Iterable[Environment], seen: dict[int, Seen]) -> None:
    """Read a cluster once, then each environment in it. It uses no database."""
    begun = _tried(cluster, lambda: (asker := Asker(cluster), read_cluster(asker)))
    for environment in environments:
        if isinstance(begun, str):
            seen[environment.pk] = Seen(problem=begun)
            continue
        asker, facts = begun
        indices = _tried(cluster, partial(_read_set, asker, environment))
        if isinstance(indices, str):
            seen[environment.pk] = Seen(problem=indices)
        else:
            seen[environment.pk] = Seen(facts, indices)
        asker.begin()


def _read_set(asker: Asker, environment: Environment) -> SetFacts:
    return read_set(asker, environment.naming)


def _tried(cluster: Cluster, act: Callable[[], T]) -> T | str:
    """Return what was read, or in words why nothing was."""
    try:
        return act()
    except ElasticError as error:
        return str(error)
    except Exception:
        # One answer that makes no sense must not keep the other environments from it.
        log.exception("health.defect", cluster=cluster.name)
        return (
            f"Cluster {cluster} could not be read: the console does not understand what it "
            "answered, or what was entered for it. Check its address and its certificate authority."
        )


def _keep_state(environment: Environment, at: datetime, seen: Seen) -> list[Finding]:
    """Keep what a look that began at `at` found, and return it."""
    state = HealthState.objects.filter(environment=environment)
    # A look that began earlier and ended later tells nothing new.
    newest = state.exclude(tried_at__gt=at)
    if seen.cluster is None or seen.indices is None:
        newest.update(tried_at=at, problem=seen.problem)
        return []
    naming, facts, cluster = environment.naming, seen.indices, seen.cluster
    found = [*judge_cluster(cluster), *judge_set(str(environment), naming, facts, at)]
    newest.update(
        tried_at=at,
        looked_at=at,
        problem="",
        findings=[one.to_dict() for one in found],
        shapes=shapes(naming, facts),
        disks=_disks(cluster),
    )
    return found


def _keep_row(environment: Environment, at: datetime, seen: Seen, found: list[Finding]) -> None:
    """Add what a look saw to the history."""
    if seen.cluster is None or seen.indices is None:
        HealthLook.objects.create(environment=environment, at=at, is_reachable=False)
        return
    cluster = seen.cluster
    found = [*found, *drifts([environment])[environment.pk]]
    HealthLook.objects.create(
        environment=environment,
        at=at,
        is_reachable=True,
        latency_ms=round(cluster.latency_ms, 1),
        engine=str(cluster.engine)[:60],
        status=cluster.status[:10],
        things=things(found),
        open_shards=cluster.open_shards,
        most_shards=cluster.most_shards,
        disk_used=round(cluster.fullest.used, 4) if cluster.fullest is not None else None,
        **_kinds(found),
        **_contents(environment.naming, seen.indices),
    )


def _disks(cluster: ClusterFacts) -> list[dict[str, Any]]:
    rows = []
    for disk in cluster.disks:
        over = passed(cluster, disk)
        coming = [mark for mark in cluster.watermarks if not mark.is_passed(disk)]
        rows.append(
            {
                "node": disk.node,
                "used": round(100 * disk.used, 1),
                "free": disk.free,
                "over": over.words if over is not None else "",
                "next": coming[0].words if coming else "",
            }
        )
    return rows


def _kinds(found: Sequence[Finding]) -> dict[str, int]:
    def subjects(*codes: str) -> int:
        return sum(len(one.subject.split(", ")) for one in found if one.code in codes)

    return {
        "missing": subjects("indices.missing", "indices.missing-others"),
        "extra": subjects("indices.unknown"),
        "astray": sum(1 for one in found if one.code.startswith("names.")),
        "red": subjects("indices.red"),
        "differing": subjects("mapping.differs", "analysis.differs"),
    }


def _contents(naming: Naming, facts: SetFacts) -> dict[str, Any]:
    resources: dict[str, list[int | None]] = {}
    for resource in naming.catalogue.promoted:
        held = behind(naming, facts, resource)
        if held:
            counts, sizes = [one.documents for one in held], [one.size for one in held]
            resources[resource.name] = [_sum(counts), _sum(sizes)]
    months = [
        one.size
        for one in facts.indices.values()
        if (what := naming.classify(one.name)) is not None
        and what.kind is NameKind.PARTITION
        and what.resource is not None
        and what.resource.name == "event"
    ]
    traffic = facts.traffic
    return {
        "resources": resources,
        "documents": _sum([documents for documents, _ in resources.values()]),
        "size": _sum([size for _, size in resources.values()]),
        "events": traffic.events,
        "events_size": _sum(months),
        "last_event": traffic.last_event,
        "day": traffic.day,
        "failed": traffic.failed,
        "logged": traffic.logged,
    }


def _sum(numbers: Sequence[int | None]) -> int | None:
    """Return the sum; None where one of them is not known."""
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def thin_out() -> int:
    """Drop of the history what is too fine or too old; return how many rows.

    Of an hour, later of a day, the last look stays, and the last that got no answer: an outage is
    not forgotten. With a look a minute an environment has 3,900 rows at most where it answers.
    """
    now = timezone.now()
    dropped = HealthLook.objects.filter(at__lt=now - DAILY).delete()[0]
    for youngest, oldest, part in (
        (FULL, HOURLY, TruncHour("at", tzinfo=UTC)),
        (HOURLY, DAILY, TruncDay("at", tzinfo=UTC)),
    ):
        rows = HealthLook.objects.filter(at__lt=now - youngest, at__gte=now - oldest).order_by()
        kept = rows.values("environment", "is_reachable", part=part).annotate(last=Max("pk"))
        dropped += rows.exclude(pk__in=kept.values("last")).delete()[0]
    return dropped
