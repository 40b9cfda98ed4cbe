"""Several tenants at once: each by itself, all of them told."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings as console
from django.core.management import call_command
from django.urls import reverse

from accounts.audit import system_actor
from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from environments.elastic import connect
from environments.models import Cluster, Environment
from promotion import batches, claim, recovery
from promotion.adoption import adopt, run_adopt
from promotion.batch_models import Batch, BatchItem
from promotion.batches import (
    Choice,
    recover_batches,
    run_batch,
    start_batch,
    stop_batch,
    summary_words,
)
from promotion.engine.errors import RuleBroken
from promotion.journal import conclude
from promotion.locking import lock, unlock
from promotion.models import Build, Promotion, StoredGeneration
from promotion.preparing import prepare
from promotion.recovery import recover
from tests import factories
from tests.factories import People, enter, served
from tests.faults.killing import die_at

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ("Alpha", "Beta", "Gamma")


@dataclass
class Tenant:
    """One customer: both sets, and the build that is approved, prepared, and not live."""

    staging: Environment
    production: Environment
    build: Build
    ready: Promotion

    @property
    def choice(self) -> Choice:
        consents = tuple(finding["code"] for finding in self.ready.consents_due)
        return Choice(self.build, self.production, self.ready.plan_digest, consents)

    @property
    def is_new(self) -> bool:
        """Whether production serves the approved build."""
        return "new" in served(self.production, "segment")


@dataclass
class Tenants:
    people: People
    alpha: Tenant
    beta: Tenant
    gamma: Tenant

    def __iter__(self) -> Iterator[Tenant]:
        yield from (self.alpha, self.beta, self.gamma)

    @property
    def choices(self) -> list[Choice]:
        return [tenant.choice for tenant in self]


@pytest.fixture
def tenants(elasticsearch_url: str) -> Iterator[Tenants]:
    """Three tenants, each behind a connection of its own, with something to promote."""
    stagings = [factories.make_staging(elasticsearch_url, name) for name in NAMES]
    productions = [factories.make_production(staging) for staging in stagings]
    people = factories.make_people(*stagings, *productions)
    made = []
    for staging, production in zip(stagings, productions, strict=True):
        run_adopt(adopt(people.admin, production))
        factories.put(staging, "segment", "new", '{"name": "New"}')
        build = factories.approved(people, staging)
        made.append(Tenant(staging, production, build, prepare(build, production)))
    engine = connect(stagings[0].cluster)
    yield Tenants(people, *made)
    for environment in (*stagings, *productions):
        factories.remove(environment, engine)


def unreachable(tenant: Tenant) -> str:
    """Send a tenant's cluster to an address where nothing answers; return the right one."""
    url = tenant.production.cluster.url
    Cluster.objects.filter(pk=tenant.production.cluster_id).update(url="http://127.0.0.1:9")
    return url


def edited(people: People, tenant: Tenant) -> None:
    """Edit production by hand after what goes live was planned."""
    unlock(people.admin, tenant.production, "An urgent edit")
    index = tenant.production.naming.concrete("rule")
    connect(tenant.production.cluster).request("PUT", f"/{index}/_doc/hand", body={"name": "x"})
    lock(people.admin, tenant.production)


def statuses(batch: Batch) -> dict[str, str]:
    return dict(batch.items.values_list("environment__slug", "status"))


def work() -> None:
    call_command("db_worker", batch=True, interval=0, startup_delay=False, verbosity=0)


def command(*words: str) -> tuple[int, dict[str, Any]]:
    out, code = StringIO(), 0
    try:
        call_command("promote-batch", *words, "--json", stdout=out)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, json.loads(out.getvalue())


def most_at_once(spans: list[tuple[datetime, datetime]]) -> int:
    """Return how many spans of time overlap at most."""
    return max(sum(start <= at < end for start, end in spans) for at, _end in spans)


def test_one_that_fails_stops_none_of_the_others_and_none_is_hidden(tenants: Tenants) -> None:
    edited(tenants.people, tenants.alpha)
    url = unreachable(tenants.beta)
    batch = start_batch(tenants.people.admin, tenants.choices, parallel=2)
    run_batch(batch, batch.run)
    assert statuses(batch) == {
        "alpha-production": "failed",
        "beta-production": "errored",
        "gamma-production": "succeeded",
    }
    assert batch.status == "failed"
    assert summary_words(batches.summary(batch)) == "3 targets: 1 succeeded, 1 failed, 1 errored"
    # Each ended as a promotion of its own, with the words that it has alone.
    ended = {p.environment.slug: p for p in batch.promotions.select_related("environment")}
    assert "Nothing was overwritten" in ended["alpha-production"].message
    assert "cannot be reached" in ended["beta-production"].message
    assert ended["gamma-production"].steps.filter(name="verify", status="succeeded").exists()
    assert all(item.message == ended[item.environment.slug].message for item in batch.items.all())
    Cluster.objects.filter(pk=tenants.beta.production.cluster_id).update(url=url)
    assert [tenant.is_new for tenant in tenants] == [False, False, True]
    for tenant in (tenants.alpha, tenants.beta):
        live = StoredGeneration.live_in(tenant.production)
        assert live is not None
        assert live.build.kind == Build.Kind.BASELINE
    # One event for the batch as it begins and one as it ends; all that it did is in their group.
    events = AuditEvent.objects.filter(group=batch.group)
    of_batch = events.filter(object_type="batch").order_by("id")
    assert [event.action for event in of_batch] == ["batch.requested", "batch.failed"]
    assert sorted(of_batch[0].detail["targets"]) == sorted(statuses(batch))
    assert events.filter(action="promote.requested", outcome="done").count() == 3
    assert set(events.filter(action__startswith="promote.").values_list("action", flat=True)) == {
        "promote.requested",
        "promote.failed",
        "promote.errored",
        "promote.succeeded",
    }


def test_no_more_than_the_bound_are_worked_on_at_a_time(tenants: Tenants) -> None:
    batch = start_batch(tenants.people.admin, tenants.choices, parallel=2)
    run_batch(batch, batch.run)
    assert batch.status == "succeeded"
    spans = [
        (item.started_at, item.finished_at)
        for item in batch.items.all()
        if item.started_at is not None and item.finished_at is not None
    ]
    assert len(spans) == 3
    assert most_at_once(spans) == 2
    assert all(tenant.is_new for tenant in tenants)


def test_the_command_exits_with_one_until_all_have_succeeded(tenants: Tenants) -> None:
    url = unreachable(tenants.beta)
    assert command("--all", "--as", "qa")[0] == 3
    assert command("--target", "alpha-production", "--as", "qa")[0] == 3
    assert command("--target", "nowhere", "--as", "administrator")[0] == 2
    assert command("--all", "--parallel", "0", "--as", "administrator")[0] == 2
    assert not Batch.objects.exists()
    code, facts = command("--all", "--parallel", "3", "--as", "administrator")
    assert (code, facts["status"], facts["batch_status"]) == (1, "failed", "failed")
    found = {row["target"]: row["status"] for row in facts["targets"]}
    assert found == {
        "alpha-production": "succeeded",
        "beta-production": "errored",
        "gamma-production": "succeeded",
    }
    assert facts["summary"] == {"succeeded": 2, "errored": 1}
    assert [line.split()[:2] for line in facts["message"].splitlines()[:3]] == [
        [row["target"], row["status"]] for row in facts["targets"]
    ]
    assert facts["message"].endswith("3 targets: 2 succeeded, 1 errored.")
    # Tried again, it is about what is left, and prepares what is not prepared.
    Cluster.objects.filter(pk=tenants.beta.production.cluster_id).update(url=url)
    code, facts = command("--all", "--as", "administrator")
    assert (code, facts["status"]) == (0, "done")
    assert [row["target"] for row in facts["targets"]] == ["beta-production"]
    assert {row["target"] for row in facts["skipped"]} == {"alpha-production", "gamma-production"}
    code, facts = command("--all", "--as", "administrator")
    assert (code, facts["targets"], facts["batch"]) == (0, [], None)
    # Asked for by name, what is live already is no success.
    code, facts = command("--target", "alpha-production", "--as", "administrator")
    assert (code, facts["targets"][0]["status"]) == (1, "refused")


def test_the_page_asks_for_each_consent_by_name_and_starts_what_is_chosen(
    tenants: Tenants, plain_static_files: None
) -> None:
    # Alpha was edited before it was planned: its rules are overwritten only with consent.
    edited(tenants.people, tenants.alpha)
    tenants.alpha.ready = prepare(tenants.alpha.build, tenants.alpha.production)
    client = enter(tenants.people.admin.user)
    url = reverse("promotion:new-batch")
    page = client.get(url, secure=True).content.decode()
    for tenant in tenants:
        assert str(tenant.build) in page
    assert "Alpha Production: Production&#x27;s rule was changed" in page
    form = {"parallel": "2", "comment": "Autumn"}
    for tenant in (tenants.alpha, tenants.beta):
        form[f"{tenant.production.slug}-include"] = "on"
        form[f"{tenant.production.slug}-plan"] = tenant.ready.plan_digest
    refused = client.post(url, form, secure=True)
    assert refused.status_code == 400
    assert "Agree to this, or do not go on." in refused.content.decode()
    assert not Batch.objects.exists()
    form["alpha-production-consent-0"] = "on"
    answer = client.post(url, form, secure=True)
    batch = Batch.objects.get()
    assert answer.headers["Location"] == reverse("promotion:batch", args=[batch.pk])
    work()
    shown = client.get(answer.headers["Location"], secure=True).content.decode()
    assert "2 targets: 2 succeeded" in shown
    assert [tenant.is_new for tenant in tenants] == [True, True, False]
    # A page that is out of date starts nothing.
    stale = client.post(url, form, secure=True)
    assert stale.status_code == 400
    assert "Alpha Production was left out" in stale.content.decode()
    assert Batch.objects.count() == 1


def next_worker() -> None:
    """Let a lease time pass, and another worker look and do what is due."""
    recovery._sightings.clear()
    claim._seen.clear()
    batches._sightings.clear()
    for passed in (0.0, console.LEASE_SECONDS):

        def later(passed: float = passed) -> float:
            return time.monotonic() + passed

        with patch.object(recovery, "clock", later), patch.object(claim, "clock", later):
            recover()
    work()


@pytest.mark.parametrize(
    ("moment", "first", "ended"),
    [("cutover: aliases sent", "succeeded", "succeeded"), ("cutover begun", "errored", "failed")],
)
def test_after_a_crash_the_next_worker_goes_on_with_what_was_not_tried(
    tenants: Tenants, moment: str, first: str, ended: str, tmp_path: Path
) -> None:
    batch = start_batch(tenants.people.admin, tenants.choices, parallel=1)
    die_at(moment, lambda: run_batch(batch, batch.run), tmp_path / "errors")
    # The page tells which were not tried yet.
    assert list(statuses(batch).values()) == ["running", "waiting", "waiting"]
    next_worker()
    batch.refresh_from_db()
    assert list(statuses(batch).values()) == [first, "succeeded", "succeeded"]
    assert batch.status == ended
    assert [tenant.is_new for tenant in tenants] == [first == "succeeded", True, True]


# --- Without an engine ---------------------------------------------------------------------------


@pytest.fixture
def shop() -> tuple[People, list[Choice]]:
    """Two targets that are not adopted; their cluster's address answers nothing."""
    cluster = Cluster.objects.create(name="C", url="http://127.0.0.1:9")
    choices, environments = [], []
    for name in ("one", "two"):
        facts = {"cluster": cluster, "version": "0.8.1", "tenant": name}
        target = Environment.objects.create(name=name, slug=name, kind="production", **facts)
        staging = Environment.objects.create(
            name=f"{name} staging",
            slug=f"{name}-staging",
            kind="staging",
            promotes_to=target,
            **facts,
        )
        build = Build.objects.create(
            environment=staging, number=1, content="c", exact="e", cluster_uuid="u", version="0.8.1"
        )
        choices.append(Choice(build, target))
        environments += [staging, target]
    return factories.make_people(*environments), choices


def test_what_never_became_a_promotion_says_why(shop: tuple[People, list[Choice]]) -> None:
    people, choices = shop
    batch = start_batch(people.admin, choices)
    run_batch(batch, batch.run)
    assert set(statuses(batch).values()) == {"refused"}
    assert all("not reviewed" in item.message for item in batch.items.all())
    assert not Promotion.objects.exists()
    assert batch.status == "failed"
    # Handed over once more, it begins nothing.
    assert run_batch(batch, 0).run == batch.run


def test_who_may_not_promote_begins_no_batch(shop: tuple[People, list[Choice]]) -> None:
    people, choices = shop
    for actor in (people.qa, people.marketing):
        with pytest.raises(NotAllowedError):
            start_batch(actor, choices)
    assert AuditEvent.objects.filter(action="batch.requested", outcome="refused").count() == 2
    for wrong, parallel in (([], 4), ([choices[0], choices[0]], 4), (choices, 99)):
        with pytest.raises(RuleBroken, match="Nothing was begun"):
            start_batch(people.admin, wrong, parallel=parallel)
    assert not Batch.objects.exists()


def test_a_batch_that_is_stopped_tries_no_further_target(
    shop: tuple[People, list[Choice]],
) -> None:
    people, choices = shop
    batch = start_batch(people.admin, choices)
    with pytest.raises(NotAllowedError):
        stop_batch(people.qa, batch)
    assert stop_batch(people.admin, batch) == 2
    assert set(statuses(batch).values()) == {BatchItem.Status.UNTRIED.value}
    assert batch.status == "failed"
    run_batch(batch, batch.run)
    assert not Promotion.objects.exists()
    with pytest.raises(RuleBroken, match="waits any more"):
        stop_batch(people.admin, batch)


def test_a_batch_that_no_worker_began_is_handed_over_again(
    shop: tuple[People, list[Choice]],
) -> None:
    people, choices = shop
    batch = start_batch(people.admin, choices)
    next_worker()
    batch.refresh_from_db()
    assert (batch.status, batch.run) == ("failed", 1)
    assert set(statuses(batch).values()) == {"refused"}


def test_a_target_whose_end_is_not_known_yet_keeps_the_batch_open(
    shop: tuple[People, list[Choice]],
) -> None:
    people, choices = shop
    one = choices[0]
    batch = start_batch(people.admin, [one])
    left = Promotion.objects.create(
        kind="promote", environment=one.target, build=one.build, status="running", batch=batch
    )
    batch.items.update(status=BatchItem.Status.RUNNING)
    Batch.objects.filter(pk=batch.pk).update(status=Batch.Status.RUNNING)
    # It is the promotion's to be recovered: the batch is not handed over for it.
    assert recover_batches(0.0) == recover_batches(100.0) == []
    batch.refresh_from_db()
    assert batch.status == "running"
    conclude(system_actor(), left, Promotion.Status.FAILED, "Swapped back.")
    recover_batches(101.0)
    batch.refresh_from_db()
    item = batch.items.get()
    assert (batch.status, item.status, item.message) == ("failed", "failed", "Swapped back.")
