"""Counts what is due of each funnel: one worker a cluster, one request at a time, a bit a call."""

import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import structlog
from django.db import transaction
from django.utils import timezone

from environments.due import pause_after, take_on
from environments.elastic import (
    Connection,
    ElasticError,
    ForbiddenTarget,
    Unauthorised,
    Unreachable,
)
from environments.funnels.days import HISTORY, PAUSES, Kept, due
from environments.funnels.models import Funnel, FunnelDay, FunnelTurn
from environments.funnels.reading import (
    OtherClusterError,
    check_cluster,
    connection_to,
    count_day,
)
from environments.models import Cluster

log = structlog.get_logger(__name__)
# Who gave no sign for so long died: no request takes as long.
_DEAD: Final = timedelta(seconds=60)
# So long one call begins further days of a cluster, and so many.
_CALL_SECONDS: Final = 20.0
MOST_DAYS: Final = 200
# Days are kept so long.
KEPT: Final = timedelta(days=400)
# Until a cluster is asked again that did not answer; the last one holds for all later times.
_RESTS: Final = tuple(timedelta(seconds=one) for one in (30, 60, 120, 300, 900))
# These say nothing of a day: the cluster cannot be read at all.
_OF_CLUSTER: Final = (Unreachable, Unauthorised, ForbiddenTarget, OtherClusterError)


class _TurnLostError(Exception):
    """Somebody else counts in this cluster meanwhile; what was read is dropped."""


@dataclass
class _Turn:
    """The right to count in a cluster, held while signs of life are given."""

    cluster: Cluster
    sign: datetime
    failures: int

    def keep(self) -> None:
        """Give a sign of life.

        Raises:
            _TurnLostError: it came too late.
        """
        now = timezone.now()
        if not self._put(begun_at=now):
            raise _TurnLostError
        self.sign = now

    def end(self, *, failed: bool) -> None:
        """Let the next one count: at once, or after a rest where the cluster did not answer."""
        failures = self.failures + 1 if failed else 0
        rest = pause_after(failures, _RESTS) if failed else timedelta(0)
        self._put(begun_at=timezone.now() - _DEAD + rest, failures=failures)

    def _put(self, **values: object) -> bool:
        mine = FunnelTurn.objects.filter(cluster=self.cluster, begun_at=self.sign)
        return bool(mine.update(**values))


def count_funnels(*, most_days: int = MOST_DAYS) -> int:
    """Count days of funnels that are due, a bounded number; return how many were counted.

    Call it again and again. Of several workers one counts in a cluster. One that is killed leaves
    its last day uncounted, which the next one takes.
    """
    counted = 0
    for cluster in Cluster.objects.filter(environments__funnels__isnull=False).distinct():
        if _due(cluster) and (turn := _take(cluster)) is not None:
            counted += _count(turn, most_days)
    return counted


def _take(cluster: Cluster) -> _Turn | None:
    if not take_on(FunnelTurn, timezone.now() - _DEAD, cluster=cluster):
        return None
    held = FunnelTurn.objects.get(cluster=cluster)
    return _Turn(cluster, held.begun_at, held.failures)


def _due(cluster: Cluster) -> list[tuple[Funnel, date]]:
    """Return the days to be counted in a cluster, the newest of all funnels first."""
    now, zone = timezone.now(), timezone.get_default_timezone()
    funnels = Funnel.objects.filter(environment__cluster=cluster)
    since = now.date() - timedelta(days=HISTORY + 1)
    kept: dict[int, dict[date, Kept]] = defaultdict(dict)
    rows = FunnelDay.objects.filter(funnel__in=funnels, day__gte=since)
    for pk, day, at, problem, retry_at in rows.values_list(
        "funnel", "day", "counted_at", "problem", "retry_at"
    ):
        kept[pk][day] = Kept(at, bool(problem), retry_at)
    found = []
    for funnel in funnels.select_related("environment__cluster"):
        # Days of another zone are other days.
        known = kept[funnel.pk] if funnel.zone == str(zone) else {}
        found += [(funnel, day) for day in due(known, now, zone)]
    return sorted(found, key=lambda one: (-one[1].toordinal(), one[0].pk))


def _count(turn: _Turn, most_days: int) -> int:
    """Count until the time is up, all is counted, or the cluster does not answer."""
    connection, end = connection_to(turn.cluster), time.monotonic() + _CALL_SECONDS
    counted, failed = 0, False
    try:
        for number, (funnel, day) in enumerate(_due(turn.cluster)[:most_days]):
            if number and time.monotonic() >= end:
                break
            try:
                if not number:
                    check_cluster(connection, turn.cluster)
                counted += _count_day(turn, connection, funnel, day)
            except _TurnLostError:
                raise
            except _OF_CLUSTER as error:
                failed = True
                _keep_problem(turn, funnel, day, str(error), of_day=False)
                break
            except ElasticError as error:
                _keep_problem(turn, funnel, day, str(error), of_day=True)
            except Exception:
                # One answer that makes no sense must not keep the other days from being counted.
                log.exception("funnels.defect", cluster=turn.cluster.name, funnel=funnel.pk)
                words = f"The console does not understand what cluster {turn.cluster} answered."
                _keep_problem(turn, funnel, day, words, of_day=True)
    except _TurnLostError:
        log.warning("funnels.turn_lost", cluster=turn.cluster.name)
    finally:
        turn.end(failed=failed)
    return counted


def _count_day(turn: _Turn, connection: Connection, funnel: Funnel, day: date) -> bool:
    """Count a day and keep it; return whether it was kept."""
    began, zone = timezone.now(), timezone.get_default_timezone()
    found = count_day(
        connection, funnel.environment, funnel.steps, day, zone, before_each=turn.keep
    )
    return _keep(
        turn,
        funnel,
        day,
        counts=found.visitors,
        partial=found.partial,
        counted_at=began,
        problem="",
        tries=0,
        retry_at=None,
    )


def _keep_problem(turn: _Turn, funnel: Funnel, day: date, problem: str, *, of_day: bool) -> None:
    """Keep why a day was not counted; what was counted of it before stays."""
    known = FunnelDay.objects.filter(funnel=funnel, day=day).first()
    tries = (known.tries if known is not None else 0) + of_day
    # Where the cluster as a whole did not answer, it rests itself.
    retry_at = timezone.now() + (pause_after(tries, PAUSES) if of_day else timedelta(0))
    _keep(turn, funnel, day, problem=problem, tries=tries, retry_at=retry_at)


def _keep(turn: _Turn, funnel: Funnel, day: date, **values: Any) -> bool:
    """Keep what was found of a day, if the funnel still asks for it; return whether it was kept.

    Raises:
        _TurnLostError: somebody else counts meanwhile.
    """
    zone = str(timezone.get_default_timezone())
    with transaction.atomic():
        turn.keep()
        rows = Funnel.objects.select_for_update().select_related("environment")
        held = rows.filter(pk=funnel.pk).first()
        if held is None or _asked(held) != _asked(funnel):
            # Changed or removed meanwhile, or its environment has other indices now.
            return False
        if held.zone != zone:
            held.days.all().delete()
            held.zone = zone
            held.save(update_fields=["zone"])
        FunnelDay.objects.update_or_create(funnel=held, day=day, defaults=values)
    return True


def _asked(funnel: Funnel) -> tuple[object, ...]:
    environment = funnel.environment
    return funnel.steps, environment.cluster_id, environment.naming


def thin_out_funnels() -> int:
    """Drop days that nobody looks back to; return how many."""
    limit = timezone.localdate() - KEPT
    return FunnelDay.objects.filter(day__lt=limit).delete()[0]
