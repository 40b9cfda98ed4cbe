"""The console's metrics for Prometheus, counted in the database at each scrape.

Web servers and workers are several processes, and a restart ends none of these counts: all of them
answer the same. No metric holds a name of a document or of a person; how many queries a scrape
takes does not depend on how much there is.
"""

import platform
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Count, DurationField, ExpressionWrapper, F, Max, Min, Q, Sum
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from accounts.models import AuditEvent
from promotion.models import Drift, EngineLook, LostState, Promotion, StoredGeneration
from promotion.signs import State, workers
from tracardi_console import VERSION

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# Seconds from the request of a promotion to its end.
BUCKETS: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_P: Final = "tracardi_console"
_ENDED: Final = tuple(one.value for one in Promotion.Status if one.value not in Promotion.ACTIVE)


def exposition() -> bytes:
    """Return all metrics as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(ConsoleCollector())
    return generate_latest(registry)


class ConsoleCollector(Collector):
    """Reads the metrics from the database, when it is asked for them."""

    def describe(self) -> list[Metric]:
        """Return nothing: it is asked once, and describing would count all of it twice."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return each metric with its values."""
        now = timezone.now()
        yield _build()
        yield from _promotions(now)
        yield _durations()
        yield from _environments(now)
        yield from _queue(now)
        yield from _workers(now)
        yield from _engines(now)
        yield from _trail()


def _age(now: datetime, then: datetime | None) -> float:
    return max((now - then).total_seconds(), 0.0) if then is not None else 0.0


def _gauge(name: str, words: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_P}_{name}", words, labels=labels)


def _build() -> Metric:
    facts = {
        "version": VERSION,
        "python": platform.python_version(),
        "database": connection.vendor,
    }
    return InfoMetricFamily(f"{_P}_build", "What runs here.", value=facts)


def _promotions(now: datetime) -> Iterator[Metric]:
    """Return those that ended, by kind and status, and those that go on, by kind."""
    ended = CounterMetricFamily(
        f"{_P}_promotions",
        "Promotions, rollbacks, preparations and their kin that ended.",
        labels=["kind", "status"],
    )
    active = _gauge("promotions_active", "Those that wait or run.", "kind")
    oldest = _gauge("promotion_active_age_seconds", "How long the oldest of them is there.", "kind")
    counts: dict[tuple[str, str], tuple[int, datetime]] = {
        (row["kind"], row["status"]): (row["n"], row["oldest"])
        for row in Promotion.objects.order_by()
        .values("kind", "status")
        .annotate(n=Count("pk"), oldest=Min("created_at"))
    }
    for kind in Promotion.Kind.values:
        for status in _ENDED:
            # With a zero, so that the first failure is an increase.
            ended.add_metric([kind, status], counts.get((kind, status), (0, now))[0])
        going = [counts[kind, status] for status in Promotion.ACTIVE if (kind, status) in counts]
        active.add_metric([kind], sum(count for count, _ in going))
        oldest.add_metric([kind], max((_age(now, then) for _, then in going), default=0.0))
    yield ended
    yield active
    yield oldest


def _durations() -> Metric:
    """Return how long those that ended took, by kind."""
    family = HistogramMetricFamily(
        f"{_P}_promotion_duration_seconds",
        "Seconds from the request of a promotion, or of one of its kin, to its end.",
        labels=["kind"],
    )
    took = ExpressionWrapper(F("finished_at") - F("created_at"), output_field=DurationField())
    within = {
        f"within_{place}": Count("pk", filter=Q(took__lte=timedelta(seconds=bound)))
        for place, bound in enumerate(BUCKETS)
    }
    rows = (
        Promotion.objects.filter(status__in=_ENDED, finished_at__isnull=False)
        .order_by()
        .annotate(took=took)
        .values("kind")
        .annotate(n=Count("pk"), total=Sum("took"), **within)
    )
    for row in map(dict[str, Any], rows):
        buckets = [(str(bound), row[f"within_{place}"]) for place, bound in enumerate(BUCKETS)]
        total: timedelta = row["total"]
        family.add_metric([row["kind"]], [*buckets, ("+Inf", row["n"])], total.total_seconds())
    return family


def _environments(now: datetime) -> Iterator[Metric]:
    """Return for each adopted environment what was edited by hand, and how old that look is."""
    drift = _gauge("drift_documents", "Documents that were edited by hand.", "environment")
    looked = _gauge(
        "drift_check_age_seconds",
        "How long ago it was last looked for edits by hand; absent where it never was.",
        "environment",
    )
    lost = _gauge(
        "lost_state",
        "1 where the database and the cluster say different things of what is live: reconcile.",
        "environment",
    )
    drifts = {
        key: sum(counts.values())
        for key, counts in Drift.objects.filter(ended_at=None).values_list("environment", "counts")
    }
    differ = set(LostState.objects.values_list("environment", flat=True))
    rows = StoredGeneration.objects.filter(is_live=True).order_by("environment__slug")
    for key, slug, checked in rows.values_list(
        "environment", "environment__slug", "environment__watch__checked_at"
    ):
        drift.add_metric([slug], drifts.get(key, 0))
        lost.add_metric([slug], int(key in differ))
        if checked is not None:
            looked.add_metric([slug], _age(now, checked))
    yield drift
    yield looked
    yield lost


def _queue(now: datetime) -> Iterator[Metric]:
    counts: dict[str, dict[str, Any]] = {
        row["status"]: dict(row)
        for row in DBTaskResult.objects.order_by()
        .values("status")
        .annotate(n=Count("pk"), waits=Min("enqueued_at"), runs=Min("started_at"))
    }
    length = _gauge("queue_tasks", "Tasks in the queue, by how it stands with them.", "status")
    for status in ("READY", "RUNNING", "FAILED"):
        length.add_metric([status.lower()], counts.get(status, {}).get("n", 0))
    waits = _gauge("queue_oldest_age_seconds", "How long the oldest task that waits is there.")
    waits.add_metric([], _age(now, counts.get("READY", {}).get("waits")))
    runs = _gauge("queue_running_age_seconds", "How long the oldest task that runs does.")
    runs.add_metric([], _age(now, counts.get("RUNNING", {}).get("runs")))
    yield length
    yield waits
    yield runs


def _workers(now: datetime) -> Iterator[Metric]:
    """Return when workers were seen last, what they did last, and what they saw stand still."""
    known = workers()
    there = _gauge("worker_up", "1 where a worker gave a sign within the last minute.", "part")
    seen = _gauge("worker_sign_age_seconds", "How old the newest worker's sign is.", "part")
    acts = _gauge(
        "worker_act_age_seconds",
        "How long ago an act of the schedule ended well last, or its worker began.",
        "act",
    )
    still = _gauge(
        "lease_age_seconds",
        "How long the claim of what runs in an environment has not been renewed.",
        "environment",
    )
    newest: dict[str, datetime] = {}
    stills: dict[str, float] = {}
    for sign in known.signs:
        for part in sign.parts:
            newest.setdefault(part, sign.seen_at)
        if _age(now, sign.seen_at) <= _FRESH_SECONDS:
            for slug, seconds in sign.stills.items():
                stills[slug] = max(seconds + _age(now, sign.seen_at), stills.get(slug, 0.0))
    for part, state in known.states.items():
        there.add_metric([part], int(state is State.OK))
        if part in newest:
            seen.add_metric([part], _age(now, newest[part]))
    for act, at in sorted(known.acts.items()):
        acts.add_metric([act], max(now.timestamp() - at, 0.0))
    for slug in sorted(stills):
        still.add_metric([slug], stills[slug])
    yield there
    yield seen
    yield acts
    yield still


# What a worker saw longer ago than that says nothing of now.
_FRESH_SECONDS: Final = 60.0


def _engines(now: datetime) -> Iterator[Metric]:
    up = _gauge("engine_up", "1 where a cluster answered when it was asked last.", "cluster")
    took = _gauge("engine_latency_seconds", "How long that answer took.", "cluster")
    looked = _gauge("engine_look_age_seconds", "How long ago that was.", "cluster")
    rows = EngineLook.objects.exclude(looked_at=None).order_by("cluster__name")
    for name, answered, seconds, at in rows.values_list(
        "cluster__name", "answered", "seconds", "looked_at"
    ):
        up.add_metric([name], int(answered))
        looked.add_metric([name], _age(now, at))
        if answered:
            took.add_metric([name], seconds)
    yield up
    yield took
    yield looked


def _trail() -> Iterator[Metric]:
    # Numbers are without a gap, so the last one is their count.
    last = AuditEvent.objects.aggregate(last=Max("number"))["last"] or 0
    events = CounterMetricFamily(f"{_P}_audit_events", "Events of the audit trail.")
    events.add_metric([], last)
    refused = AuditEvent.objects.filter(
        action="account.signed-in", outcome=AuditEvent.Outcome.REFUSED
    )
    failures = CounterMetricFamily(f"{_P}_sign_in_failures", "Sign-ins that were refused.")
    failures.add_metric([], refused.count())
    yield events
    yield failures
