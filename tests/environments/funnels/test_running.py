"""Counting in the background: what is due, by whom, and what becomes of it when it goes wrong."""

import os
import signal
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models.signals import post_save
from django.utils import timezone

from environments import elastic
from environments.funnels.days import HISTORY, limits
from environments.funnels.figures import funnel_figures
from environments.funnels.running import KEPT, count_funnels, thin_out_funnels
from environments.models import Cluster, Funnel, FunnelDay, FunnelTurn
from promotion.management.commands.worker import acts
from tests.environments.funnels.conftest import Shop, shop
from tests.environments.funnels.second import visitors
from tests.environments.licences import Clock, clock
from tests.races.at_once import at_once

__all__ = ["clock", "shop"]
DEAD = timedelta(seconds=60)


def today() -> date:
    return timezone.localdate(timezone=timezone.get_default_timezone())


def days(funnel: Funnel) -> list[date]:
    rows = FunnelDay.objects.filter(funnel=funnel).exclude(counted_at=None).order_by("-day")
    return list(rows.values_list("day", flat=True))


def history(most: int = HISTORY) -> list[date]:
    return [today() - timedelta(days=back) for back in range(most)]


def rest_is_over() -> None:
    FunnelTurn.objects.update(begun_at=timezone.now() - DEAD)


@pytest.mark.django_db
def test_the_worker_counts_the_whole_history_and_then_what_is_old(shop: Shop, clock: Clock) -> None:
    assert {count_funnels, thin_out_funnels} <= {act for act, _seconds in acts()}
    zone, now = timezone.get_default_timezone(), timezone.now()
    edge = limits(today(), zone)[0]
    events = [
        (f"p{n}", edge + timedelta(minutes=minute), type)
        for n in range(9)
        for minute, type in ((-2, "a"), (-1, "b"), (0, "b"), (1, "a"))
    ]
    shop.send(events)
    funnel = shop.funnel()
    assert count_funnels(most_days=3) == 3
    assert days(funnel) == history(3)
    while count_funnels():
        pass
    assert days(funnel) == history()
    assert count_funnels() == 0
    for day in history(2):
        raw = shop.raw(*limits(day, zone))
        assert FunnelDay.objects.get(day=day).counts == visitors(raw, funnel.steps)
    [found] = funnel_figures(shop.environment, today() - timedelta(days=6), today())
    assert [one.visitors for one in found.steps] == [9, 9]
    assert (found.days_counted, found.days_asked, found.problems) == (6, 6, ())
    clock(now + timedelta(minutes=16))
    assert count_funnels() == (1 if today() == now.astimezone(zone).date() else 2)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_midway_leaves_the_rest_to_the_next(shop: Shop) -> None:
    funnel = shop.funnel()
    connections.close_all()
    child = os.fork()
    if child == 0:
        _die_at_the_third_day()
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert days(funnel) == history(2)
    # It may still be at work, for all that anybody knows.
    assert count_funnels() == 0
    rest_is_over()
    assert count_funnels(most_days=2) == 2
    assert days(funnel) == history(4)


def _die_at_the_third_day() -> None:
    elastic._connections.clear()
    seen: list[object] = []

    def die(**told: object) -> None:
        seen.append(told)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    post_save.connect(die, sender=FunnelDay)
    try:
        count_funnels()
    finally:
        os._exit(1)


@pytest.mark.django_db(transaction=True)
def test_of_workers_at_once_one_counts(shop: Shop) -> None:
    funnel = shop.funnel()
    counted = at_once(*[lambda: count_funnels(most_days=5)] * 3)
    # Whoever comes after it has ended may count on.
    assert sum(counted) == len(days(funnel))
    assert days(funnel) == history(len(days(funnel)))
    assert set(counted) <= {0, 5}


@pytest.mark.django_db
def test_a_cluster_out_of_reach_rests_and_what_was_counted_stays(shop: Shop, clock: Clock) -> None:
    now = timezone.now()
    shop.funnel()
    count_funnels(most_days=1)
    kept = FunnelDay.objects.get()
    there = shop.environment.cluster.url
    Cluster.objects.update(url="http://127.0.0.1:9")
    for failures, rest in ((1, 30), (2, 60)):
        rest_is_over()
        assert count_funnels() == 0
        turn = FunnelTurn.objects.get()
        assert turn.failures == failures
        assert turn.begun_at > now + timedelta(seconds=rest) - DEAD
    # It rests: nobody asks it, and so nothing is written.
    assert count_funnels() == 0
    assert FunnelTurn.objects.get().failures == 2
    [found] = funnel_figures(shop.environment, *_last(7))
    [problem] = found.problems
    assert problem.text == "Cluster Test cannot be reached: nothing answers at its address."
    assert (problem.days, found.newest) == (1, kept.counted_at)
    Cluster.objects.update(url=there)
    clock(now + timedelta(minutes=5))
    assert count_funnels(most_days=7) == 7
    [found] = funnel_figures(shop.environment, *_last(7))
    assert (found.problems, FunnelTurn.objects.get().failures) == ((), 0)


def _last(count: int) -> tuple[date, date]:
    return today() - timedelta(days=count - 1), today() + timedelta(days=1)


@pytest.mark.django_db
def test_a_day_that_cannot_be_counted_keeps_no_other_from_it(shop: Shop, clock: Clock) -> None:
    naming, now = shop.environment.naming, timezone.now()
    # Without a mapping: as an engine makes it that has not Tracardi's template.
    name = naming.partition("event", f"{today().year}-{today().month}")
    shop.engine.request("PUT", f"/{name}", body={"aliases": {naming.alias("event"): {}}})
    funnel = shop.funnel()
    # The present month, and the first of the next, which an index before it may hold by its zone.
    assert count_funnels() + FunnelDay.objects.exclude(problem="").count() == HISTORY
    failed = FunnelDay.objects.get(day=today())
    assert f"The mapping of {name} does not have profile.id as keyword" in failed.problem
    assert (failed.tries, failed.counts) == (1, [])
    assert count_funnels() == 0
    clock(now + timedelta(minutes=2))
    count_funnels()
    failed.refresh_from_db()
    assert failed.tries == 2
    assert failed.retry_at is not None
    assert failed.retry_at > now + timedelta(minutes=6)
    assert days(funnel) == []


@pytest.mark.django_db
def test_another_cluster_behind_the_address_is_not_counted(shop: Shop) -> None:
    shop.funnel()
    Cluster.objects.update(uuid="another")
    assert count_funnels() == 0
    assert "another cluster than before" in FunnelDay.objects.get().problem


@pytest.mark.django_db
def test_days_of_another_zone_are_counted_anew(shop: Shop) -> None:
    funnel = shop.funnel()
    assert count_funnels(most_days=2) == 2
    Funnel.objects.update(zone="Asia/Tokyo")
    assert count_funnels(most_days=1) == 1
    assert days(funnel) == history(1)
    assert Funnel.objects.get().zone == str(timezone.get_default_timezone())


@pytest.mark.django_db
def test_a_day_that_was_read_for_other_steps_is_not_kept(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    funnel = shop.funnel()
    shop.send([("p", timezone.now(), "a")])
    send = elastic.Connection.request

    def changed_meanwhile(self: elastic.Connection, method: str, path: str, **rest: Any) -> Any:
        answer = send(self, method, path, **rest)
        if path.endswith("/_search"):
            Funnel.objects.update(steps=["c", "d", "e"])
        return answer

    monkeypatch.setattr(elastic.Connection, "request", changed_meanwhile)
    assert count_funnels(most_days=1) == 0
    assert days(funnel) == []


@pytest.mark.django_db
def test_old_days_are_dropped(shop: Shop) -> None:
    funnel = shop.funnel()
    for back in (KEPT, KEPT + timedelta(days=1)):
        FunnelDay.objects.create(funnel=funnel, day=today() - back)
    assert thin_out_funnels() == 1
