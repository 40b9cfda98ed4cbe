"""Looks in the background and on request: who looks, how often, at what cost, what is kept."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from environments.elastic import Connection
from environments.funnels.running import count_funnels
from environments.funnels.services import make_funnel
from environments.health import looks, reading
from environments.health.looks import PAUSE, TooSoonError, look_at_health, look_now, thin_out
from environments.health.summaries import State, summaries
from environments.models import Cluster, Environment, HealthLook, HealthState, SegmentLook
from environments.segments.keeping import keep_segment_sizes
from promotion.adoption import adopt, run_adopt
from promotion.management.commands.worker import acts
from tests.environments.health.conftest import Pipeline
from tests.factories import People, enter, make_people
from tests.security.listening import listening

pytestmark = pytest.mark.django_db


def elsewhere(url: str, name: str = "A first one") -> Environment:
    """Make an environment in a cluster of its own."""
    return Environment.objects.create(
        name=name,
        slug=name.lower().replace(" ", "-"),
        cluster=Cluster.objects.create(name=f"{name}'s cluster", url=url),
        version="0.8.1",
        tenant="elsewhere",
        kind="production",
    )


def state_of(environment: Environment) -> State:
    return summaries([environment])[environment.pk].state


@contextmanager
def dripping() -> Iterator[str]:
    """Run a server that answers a byte now and then, and never to the end."""
    over, server = threading.Event(), socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not over.is_set():
            try:
                visitor, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=(visitor,), daemon=True).start()

    def drip(visitor: socket.socket) -> None:
        with visitor:
            try:
                visitor.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
                while not over.wait(0.05):
                    visitor.sendall(b" ")
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        over.set()
        server.close()


@contextmanager
def silent() -> Iterator[str]:
    """Listen, and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_the_worker_looks_at_each_once_in_its_time_and_of_two_one_does(
    empty: Pipeline, settings: Settings
) -> None:
    assert {look_at_health, thin_out} <= {act for act, _seconds in acts()}
    assert set(look_at_health()) == {empty.staging, empty.production}
    # Not due for another worker.
    assert look_at_health() == []
    HealthState.objects.filter(environment=empty.staging).update(
        begun_at=timezone.now() - timedelta(seconds=settings.HEALTH_SECONDS)
    )
    assert look_at_health() == [empty.staging]
    assert HealthLook.objects.count() == 3
    settings.HEALTH_SECONDS = 3600
    HealthState.objects.update(begun_at=timezone.now() - timedelta(seconds=120))
    assert look_at_health() == []


def test_one_out_of_reach_keeps_no_other_from_it_and_what_was_known_stays(
    empty: Pipeline,
) -> None:
    gone = elsewhere("http://127.0.0.1:9")
    empty.look()
    assert state_of(gone) is State.UNREACHABLE
    assert state_of(empty.staging) is State.LOOK
    known = HealthState.objects.get(environment=empty.staging)
    Cluster.objects.filter(pk=empty.staging.cluster_id).update(url="http://127.0.0.1:9")
    empty.look()
    after = HealthState.objects.get(environment=empty.staging)
    assert after.looked_at == known.looked_at
    assert after.shapes == known.shapes
    assert after.problem == "Cluster Test cannot be reached: nothing answers at its address."
    assert state_of(empty.staging) is State.UNREACHABLE
    [first, second] = HealthLook.objects.filter(environment=empty.staging).order_by("at")
    assert (first.is_reachable, second.is_reachable, second.documents) == (True, False, None)


@pytest.mark.parametrize("server", [silent, dripping])
def test_a_slow_cluster_costs_a_bounded_time_and_keeps_no_other_waiting(
    server: object, empty: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "REQUEST_SECONDS", 1.5)
    monkeypatch.setattr(looks, "ROUND_SECONDS", 3.0)
    with server() as url:  # type: ignore[operator]
        slow = elsewhere(url)
        began = timezone.now()
        empty.look()
        # A part of the time that it would have taken.
        assert timezone.now() - began < timedelta(seconds=20)
        kept = HealthState.objects.get(environment=slow)
        assert "did not answer in time" in kept.problem
        assert state_of(slow) is State.UNREACHABLE
        assert state_of(empty.production) is State.LOOK
        threads = threading.active_count()
        empty.look()
        # One that drips is read by one thread, however often it is looked at.
        assert threading.active_count() <= threads
        assert "did not answer in time" in HealthState.objects.get(environment=slow).problem


def test_of_many_clusters_those_that_waited_longest_are_read_first(
    empty: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = elsewhere("http://127.0.0.1:9")
    empty.look()
    monkeypatch.setattr(looks, "AT_ONCE", 1)
    long_ago = timezone.now() - timedelta(hours=1)
    HealthState.objects.update(begun_at=long_ago)
    HealthState.objects.filter(environment=gone).update(begun_at=long_ago - timedelta(minutes=1))
    assert look_at_health() == [gone]
    assert set(look_at_health()) == {empty.staging, empty.production}


def test_an_answer_that_makes_no_sense_is_told_and_keeps_no_other_from_it(
    empty: Pipeline,
) -> None:
    with listening() as server:
        server.body = b'{"cluster_uuid": "u", "status": []}'
        odd = elsewhere(server.url)
        other = elsewhere("https://127.0.0.1:9", "Another")
        Cluster.objects.filter(pk=other.cluster_id).update(ca_certificate="no certificate")
        empty.look()
        for one in (odd, other):
            kept = HealthState.objects.get(environment=one)
            assert "the console does not understand what it answered" in kept.problem
            assert state_of(one) is State.UNREACHABLE
        assert state_of(empty.staging) is State.LOOK


def test_another_cluster_behind_the_address_is_told_and_nothing_of_it_is_kept(
    empty: Pipeline,
) -> None:
    Cluster.objects.update(uuid="another")
    empty.look()
    kept = HealthState.objects.get(environment=empty.staging)
    assert "another cluster than before" in kept.problem
    assert not HealthLook.objects.filter(is_reachable=True).exists()


def test_a_round_asks_four_requests_a_cluster_and_four_an_environment(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, float | None]] = []
    real = Connection.request

    def noted(self: Connection, method: str, path: str, **rest: object) -> object:
        asked.append((method, path, rest.get("timeout")))  # type: ignore[arg-type]
        return real(self, method, path, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Connection, "request", noted)
    pipeline.look()
    assert len(asked) == 4 + 2 * 4
    assert all(timeout and timeout <= reading.REQUEST_SECONDS for _, _, timeout in asked)
    # What is posted is a search.
    assert {p.rsplit("/", 1)[1] for m, p, _ in asked if m != "GET"} == {"_search", "_msearch"}
    longest = 4_096
    assert all(len(path) < longest for _, path, _ in asked)


def test_documents_are_counted_as_people_count_them(pipeline: Pipeline) -> None:
    """An index's own statistics count each nested object as a document."""
    alias = pipeline.staging.naming.alias("entity-list")
    stats = pipeline.engine.request("GET", f"/{alias}/_stats/docs")["_all"]["primaries"]
    pipeline.look()
    row = HealthLook.objects.filter(environment=pipeline.staging).latest("pk")
    assert row.resources["entity-list"][0] == 1
    assert stats["docs"]["count"] > 1
    assert row.documents == sum(documents or 0 for documents, _ in row.resources.values())
    # A year of these is small.
    assert len(json.dumps(row.resources)) < 800


def test_an_adopted_production_is_sound(
    people: People, pipeline: Pipeline, production: Environment
) -> None:
    run_adopt(adopt(people.admin, production))
    assert pipeline.look() == {"staging": {}, "production": {}}


# --- On request --------------------------------------------------------------------------------


def test_a_look_on_request_is_for_qa_and_the_administrator_and_not_too_often(
    empty: Pipeline,
) -> None:
    people = make_people(empty.staging, empty.production)
    with pytest.raises(NotAllowedError):
        look_now(people.marketing, empty.staging)
    assert not HealthState.objects.exists()
    look_now(people.qa, empty.staging)
    assert state_of(empty.staging) is State.LOOK
    event = AuditEvent.objects.get(action="health.looked", outcome="done")
    assert event.detail == {"problem": "", "findings": ["indices.none"]}
    with pytest.raises(TooSoonError, match="less than 10 seconds ago"):
        look_now(people.admin, empty.staging)
    HealthState.objects.update(begun_at=timezone.now() - PAUSE)
    look_now(people.admin, empty.staging)
    assert HealthLook.objects.count() == 2


def test_a_look_at_what_was_corrected_meanwhile_is_not_kept(
    empty: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = make_people(empty.staging, empty.production)
    look_now(people.admin, empty.staging)
    HealthState.objects.update(begun_at=timezone.now() - PAUSE)
    corrected = {
        "name": "Staging",
        "kind": "staging",
        "cluster": empty.staging.cluster_id,
        "version": "0.8.1",
        "tenant": f"{empty.staging.tenant}x",
        "not_installed": "on",
        "promotes_to": empty.production.pk,
    }
    change = reverse("admin:environments_environment_change", args=[empty.staging.pk])

    def read_and_corrected(*readings: Any, **more: Any) -> None:
        wait(*readings, **more)
        monkeypatch.undo()
        answer = enter(people.admin.user).post(change, corrected, secure=True)
        assert answer.status_code == 302

    # What the worker keeps of its days is of those indices too.
    funnel = make_funnel(people.qa, empty.staging, "Purchase", ["view", "buy"])
    count_funnels(most_days=1)
    keep_segment_sizes()
    assert funnel.days.exists()
    monkeypatch.setattr(looks, "wait", read_and_corrected)
    with pytest.raises(TooSoonError, match="set up anew while it was looked at"):
        look_now(people.admin, empty.staging)
    empty.staging.refresh_from_db()
    assert empty.staging.tenant.endswith("x")
    assert not HealthLook.objects.filter(environment=empty.staging).exists()
    assert not HealthState.objects.filter(environment=empty.staging).exists()
    assert not SegmentLook.objects.filter(environment=empty.staging).exists()
    assert not funnel.days.exists()
    # The next one is of the indices that it has now.
    look_now(people.admin, empty.staging)
    assert HealthLook.objects.filter(environment=empty.staging).count() == 1


# --- The history --------------------------------------------------------------------------------

NOW = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)


def history(
    environment: Environment, now: datetime, *, days: int, minutes: int, until: int = 0
) -> None:
    """Keep looks of so many days until some days ago; one in three hours got no answer."""
    first, last = (number * 24 * 60 // minutes for number in (days, until))
    HealthLook.objects.bulk_create(
        HealthLook(
            environment=environment,
            at=now - timedelta(minutes=minutes * number),
            is_reachable=number % max(2, 180 // minutes) != 0,
            documents=number,
        )
        for number in range(first, last - 1, -1)
    )


def test_the_history_is_thinned_out_by_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    shop, other = elsewhere("http://127.0.0.1:9", "Shop"), elsewhere("http://127.0.0.1:9", "Other")
    history(shop, NOW, days=400, minutes=360, until=31)
    history(shop, NOW, days=31, minutes=20)
    history(other, NOW, days=1, minutes=20)
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    newest = HealthLook.objects.filter(environment=shop, is_reachable=True).first()
    assert thin_out() > 1_900
    # Again is harmless.
    assert thin_out() == 0
    rows = HealthLook.objects.filter(environment=shop)
    assert rows.filter(is_reachable=True).first() == newest
    two_days = NOW - timedelta(days=2)
    assert rows.filter(at__gte=two_days).count() == 2 * 72 + 1
    month = rows.filter(at__lt=two_days, at__gte=NOW - timedelta(days=30))
    hours = [row.at.replace(minute=0) for row in month if row.is_reachable]
    assert len(hours) == len(set(hours)) == 28 * 24 + 1
    # The last of its hour stays; and the last without an answer, in each third hour.
    assert {row.at.minute for row in month if row.is_reachable} <= {50, 30, 10}
    assert month.filter(is_reachable=False).count() == 28 * 8
    year = rows.filter(at__lt=NOW - timedelta(days=30))
    assert year.filter(is_reachable=True).count() == 336
    assert not rows.filter(at__lt=NOW - timedelta(days=365)).exists()
    assert HealthLook.objects.filter(environment=other).count() == 73


def test_as_time_goes_by_the_history_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thinned out each day, it holds what a single thinning leaves."""
    shop = elsewhere("http://127.0.0.1:9", "Shop")
    history(shop, NOW, days=40, minutes=60)
    for day in range(0, 360, 30):
        monkeypatch.setattr(timezone, "now", lambda: NOW + timedelta(days=day))  # noqa: B023
        thin_out()
    left = HealthLook.objects.filter(environment=shop)
    # One a day that got an answer, one that got none: of 40 days, those of the last year.
    assert left.count() <= 2 * 40
    assert left.exists()


def test_what_a_slower_look_saw_does_not_hide_a_newer_one(empty: Pipeline) -> None:
    empty.look()
    later = timezone.now() + timedelta(minutes=1)
    HealthState.objects.update(tried_at=later, problem="newer")
    empty.look()
    assert set(HealthState.objects.values_list("problem", "tried_at")) == {("newer", later)}
