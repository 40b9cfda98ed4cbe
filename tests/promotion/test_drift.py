"""Production that does not serve what was promoted: seen, named, kept, discarded, carried back."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.audit import system_actor
from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from environments.elastic import Refused, connect
from environments.models import Environment
from promotion.carrying import carry, preview
from promotion.drift import check, check_due
from promotion.engine.carry import Way
from promotion.engine.errors import RuleBroken
from promotion.live import finish
from promotion.locking import lock, lock_expired, prolong, unlock
from promotion.models import Build, Drift, Promotion, Review, StoredGeneration, Unlocking, Watch
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.rehearsing import rehearse_problem
from promotion.services import capture, review
from promotion.settling import discard, keep
from promotion.writer import ClusterWriter
from tests.factories import People, edit_past_the_block, put, served

Ship = Callable[[], Promotion]
pytestmark = pytest.mark.django_db

RULE = json.dumps({"id": "by-hand", "name": "By hand"})


def writer_of(environment: Environment) -> ClusterWriter:
    return ClusterWriter(connect(environment.cluster))


def open_drift(environment: Environment) -> Drift:
    check(environment)
    found = Drift.open_in(environment)
    assert found is not None
    return found


def erase(environment: Environment, resource: str, doc_id: str) -> None:
    writer_of(environment).erase(environment.naming.concrete(resource), [doc_id])


@pytest.fixture
def opened(people: People, adopted: Environment) -> Environment:
    unlock(people.admin, adopted, "A test")
    check(adopted)
    assert Drift.open_in(adopted) is None
    return adopted


def requests_of(monkeypatch: pytest.MonkeyPatch, environment: Environment) -> list[str]:
    """Record what is asked of the cluster from now on."""
    from environments.elastic import Connection

    asked: list[str] = []
    real = Connection.request

    def counted(self: Connection, method: str, path: str, **rest: object) -> object:
        asked.append(f"{method} {path}")
        return real(self, method, path, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Connection, "request", counted)
    return asked


def test_a_check_costs_one_request_where_nothing_was_written(
    adopted: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(adopted)
    asked = requests_of(monkeypatch, adopted)
    watch = check(adopted)
    # Besides the one that pins the cluster's identity.
    assert [what for what in asked if what != "GET /"] == [
        what for what in asked if "/_stats/docs" in what
    ]
    assert len(asked) == 2
    assert watch.problem == ""
    assert watch.checked_at is not None


def test_an_edit_is_named_document_by_document_with_before_and_after(opened: Environment) -> None:
    rules = served(opened, "rule")
    changed = sorted(rules)[0]
    put(opened, "rule", changed, json.dumps({**json.loads(rules[changed]), "name": "Edited"}))
    put(opened, "segment", "by-hand", json.dumps({"id": "by-hand", "name": "New"}))
    erase(opened, "flow", sorted(served(opened, "flow"))[0])
    found = open_drift(opened)
    assert found.counts == {"added": 1, "changed": 1, "removed": 1}
    assert set(found.resources) == {"rule", "segment", "flow"}
    assert AuditEvent.objects.filter(action="drift.found").count() == 1
    # Seen again, it is the same one.
    check(opened, close=True)
    assert Drift.objects.get() == found


def test_an_edit_undone_by_hand_ends_the_drift(opened: Environment) -> None:
    put(opened, "rule", "by-hand", RULE)
    found = open_drift(opened)
    erase(opened, "rule", "by-hand")
    check(opened)
    found.refresh_from_db()
    assert found.outcome == Drift.Outcome.UNDONE
    assert found.ended_at is not None


def test_noise_is_no_drift(opened: Environment) -> None:
    sources = served(opened, "event-source")
    beat = next(one for one in sources if one.startswith("@@heartbeats-"))
    raw = json.loads(sources[beat])
    put(opened, "event-source", beat, json.dumps({**raw, "timestamp": "2026-01-01T00:00:00"}))
    check(opened)
    assert Drift.open_in(opened) is None


def test_an_edit_past_the_lock_is_found_and_the_lock_is_put_back(adopted: Environment) -> None:
    check(adopted)
    live = StoredGeneration.live_in(adopted)
    assert live is not None
    index, writer = live.generation.resources["rule"].index, writer_of(adopted)
    writer.unblock([index])
    put(adopted, "rule", "by-hand", RULE)
    assert open_drift(adopted).documents == 1
    assert writer.states([index])[index].write_blocked
    event = AuditEvent.objects.get(action="environment.lock")
    assert "outside the console's record" in event.reason


def test_a_check_says_so_where_the_cluster_does_not_answer(adopted: Environment) -> None:
    check(adopted)
    adopted.cluster.url = "http://127.0.0.1:9"
    adopted.cluster.save()
    watch = check(adopted)
    assert watch.problem
    assert Drift.open_in(adopted) is None


def test_each_environment_is_checked_when_it_is_due_and_by_one_worker(
    adopted: Environment,
) -> None:
    assert check_due() == [adopted]
    assert check_due() == []
    Watch.objects.update(begun_at=timezone.now() - timedelta(seconds=61))
    assert check_due() == [adopted]


def test_nothing_is_checked_while_a_promotion_runs(people: People, opened: Environment) -> None:
    put(opened, "rule", "by-hand", RULE)
    running = Promotion.objects.create(kind="promote", environment=opened, status="running")
    check(opened)
    assert Drift.open_in(opened) is None
    running.status = "aborted"
    running.save()
    assert open_drift(opened).documents == 1


def approve(people: People, build: Build) -> None:
    review(people.qa, build, Review.Verdict.APPROVED, content=build.content)


def test_a_kept_edit_is_reviewed_and_becomes_what_was_promoted(
    people: People, opened: Environment
) -> None:
    put(opened, "rule", "by-hand", RULE)
    build = keep(people.admin, opened, open_drift(opened).content)
    assert build.kind == Build.Kind.DRIFT
    assert rehearse_problem(build, opened) == ""
    approve(people, build)
    ready = prepare(build, opened)
    # Nothing is overwritten, so nothing has to be agreed to.
    assert ready.consents_due == []
    before = served(opened, "rule")
    made = finish(promote(people.admin, build, opened, plan_digest=ready.plan_digest))
    assert made.status == Promotion.Status.SUCCEEDED
    assert served(opened, "rule") == before
    assert Drift.objects.get().outcome == Drift.Outcome.KEPT
    check(opened, close=True)
    assert Drift.open_in(opened) is None
    # It was not open to edits since: there is nothing to discard.
    live = StoredGeneration.live_in(opened)
    assert live is not None
    assert live.build == build


def test_it_is_kept_once(people: People, opened: Environment) -> None:
    put(opened, "rule", "by-hand", RULE)
    content = open_drift(opened).content
    keep(people.admin, opened, content)
    with pytest.raises(RuleBroken, match="is kept as"):
        keep(people.admin, opened, content)
    # Another edit is another thing.
    put(opened, "rule", "by-hand-2", RULE)
    with pytest.raises(RuleBroken, match="not what you were shown"):
        keep(people.admin, opened, content)
    assert Drift.objects.get().build is None


def test_a_discarded_edit_goes_and_is_kept_as_a_build(people: People, opened: Environment) -> None:
    before = {name: served(opened, name) for name in ("rule", "segment")}
    live = StoredGeneration.live_in(opened)
    put(opened, "rule", "by-hand", RULE)
    made = finish(discard(people.admin, opened, open_drift(opened).content))
    assert made.status == Promotion.Status.SUCCEEDED
    assert {name: served(opened, name) for name in before} == before
    assert Drift.objects.get().outcome == Drift.Outcome.DISCARDED
    kept = Build.objects.get(kind=Build.Kind.DRIFT)
    assert kept.resources()["rule"].tree.count == len(before["rule"]) + 1
    now = StoredGeneration.live_in(opened)
    assert now is not None
    assert live is not None
    # Roll back goes where it went before.
    assert (now.restores, now.previous) == (live, live.previous)
    check(opened, close=True)
    assert Drift.open_in(opened) is None


def test_an_edit_after_the_page_was_shown_is_not_discarded(
    people: People, opened: Environment
) -> None:
    put(opened, "rule", "by-hand", RULE)
    content = open_drift(opened).content
    put(opened, "segment", "by-hand", json.dumps({"id": "by-hand", "name": "New"}))
    with pytest.raises(RuleBroken, match="not what you were shown"):
        discard(people.admin, opened, content)
    assert "by-hand" in served(opened, "rule")


def test_an_edit_is_carried_back_document_by_document(
    people: People, staging: Environment, opened: Environment
) -> None:
    rules, flows = served(opened, "rule"), served(opened, "flow")
    changed, both = sorted(rules)[:2]
    gone = sorted(flows)[0]
    raw = json.dumps({**json.loads(rules[changed]), "name": "Edited"})
    put(opened, "rule", changed, raw)
    put(opened, "rule", "by-hand", RULE)
    put(opened, "rule", both, json.dumps({**json.loads(rules[both]), "name": "Production's"}))
    erase(opened, "flow", gone)
    put(staging, "rule", both, json.dumps({**json.loads(rules[both]), "name": "Staging's"}))
    found = open_drift(opened)
    ways = {row.key: row.carry.way for row in preview(opened, found)}
    assert ways == {
        f"rule/{changed}": Way.WRITE,
        "rule/by-hand": Way.WRITE,
        f"rule/{both}": Way.CONFLICT,
        f"flow/{gone}": Way.DELETE,
    }
    done = carry(people.admin, opened, found.content)
    assert (len(done.written), len(done.deleted), len(done.left)) == (2, 1, 1)
    now = served(staging, "rule")
    assert (now[changed], now["by-hand"]) == (raw.encode(), RULE.encode())
    assert json.loads(now[both])["name"] == "Staging's"
    assert gone not in served(staging, "flow")
    # Again is harmless, and a conflict is decided by a person.
    again = carry(people.admin, opened, found.content, [f"rule/{both}"])
    assert (len(again.same), len(again.written)) == (3, 1)
    assert json.loads(served(staging, "rule")[both])["name"] == "Production's"


def test_what_was_carried_back_settles_the_drift_when_it_is_promoted(
    people: People, opened: Environment, ship: Ship
) -> None:
    put(opened, "rule", "by-hand", RULE)
    carry(people.admin, opened, open_drift(opened).content)
    made = ship()
    assert made.consents_due == []
    assert Drift.objects.get().outcome == Drift.Outcome.REPLACED
    assert "by-hand" in served(opened, "rule")
    check(opened, close=True)
    assert Drift.open_in(opened) is None


def test_what_somebody_does_on_staging_at_that_moment_is_not_lost(
    people: People, staging: Environment, opened: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promotion.staging import StagingWriter

    doc_id, raw = next(iter(served(opened, "rule").items()))
    put(opened, "rule", doc_id, json.dumps({**json.loads(raw), "name": "Production's"}))
    content = open_drift(opened).content
    real = StagingWriter.replace
    theirs = json.dumps({**json.loads(raw), "name": "Staging's"})

    def late(self: StagingWriter, *args: object) -> None:
        put(staging, "rule", doc_id, theirs)
        real(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(StagingWriter, "replace", late)
    done = carry(people.admin, opened, content)
    assert (done.written, len(done.left)) == ([], 1)
    assert served(staging, "rule")[doc_id] == theirs.encode()


@pytest.mark.parametrize("act", [keep, discard, carry])
def test_only_the_administrator_settles_a_drift(
    act: Callable[..., object], people: People, opened: Environment
) -> None:
    put(opened, "rule", "by-hand", RULE)
    content = open_drift(opened).content
    for actor in (people.qa, people.marketing):
        with pytest.raises(NotAllowedError):
            act(actor, opened, content)
    assert Build.objects.filter(kind=Build.Kind.DRIFT).count() == 0
    assert AuditEvent.objects.filter(outcome="refused", action__startswith="drift.").count() == 2


def test_without_drift_there_is_nothing_to_settle(people: People, adopted: Environment) -> None:
    for act in (keep, discard, carry):
        with pytest.raises(RuleBroken, match="serves what was promoted"):
            act(people.admin, adopted, "any")


def test_an_environment_is_locked_again_when_its_time_is_up(
    people: People, adopted: Environment
) -> None:
    unlock(people.admin, adopted, "A test", minutes=15)
    assert lock_expired() == []
    put(adopted, "rule", "by-hand", RULE)
    Unlocking.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert lock_expired() == [adopted]
    with pytest.raises(Refused, match="blocked"):
        put(adopted, "rule", "too-late", RULE)
    # What was edited in time is there, and shown.
    assert open_drift(adopted).documents == 1
    assert AuditEvent.objects.get(action="environment.lock").reason == "Its time was up."


def test_an_unlocked_environment_can_be_kept_open_for_longer(
    people: People, adopted: Environment
) -> None:
    with pytest.raises(RuleBroken, match="is locked"):
        prolong(people.admin, adopted, 15)
    unlock(people.admin, adopted, "A test", minutes=15)
    made = prolong(people.admin, adopted, 240)
    assert made.until is not None
    assert made.until > timezone.now() + timedelta(minutes=239)
    for minutes in (0, -1, 24 * 60 + 1):
        with pytest.raises(RuleBroken, match="1 to 1440 minutes"):
            prolong(people.admin, adopted, minutes)
    with pytest.raises(NotAllowedError):
        prolong(people.qa, adopted, 15)


def test_no_acknowledged_write_is_lost_when_it_is_locked(
    people: People, opened: Environment
) -> None:
    acknowledged: list[str] = []
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            try:
                put(opened, "rule", f"late-{number}", RULE)
            except Refused:
                return
            acknowledged.append(f"late-{number}")
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    while len(acknowledged) < 20:
        stop.wait(0.01)
    lock(people.admin, opened)
    thread.join(30)
    stop.set()
    assert not thread.is_alive()
    assert set(acknowledged) <= set(served(opened, "rule"))
    assert open_drift(opened).counts["added"] == len(acknowledged)


def test_an_edit_past_the_lock_can_be_discarded(people: People, adopted: Environment) -> None:
    before = served(adopted, "rule")
    live = StoredGeneration.live_in(adopted)
    assert live is not None
    index = live.generation.resources["rule"].index
    edit_past_the_block(writer_of(adopted), index, "by-hand", RULE.encode())
    finish(discard(people.admin, adopted, open_drift(adopted).content))
    assert served(adopted, "rule") == before


def test_drift_that_nobody_may_approve_stays_a_drift(
    people: People, opened: Environment, staging: Environment
) -> None:
    put(opened, "rule", "by-hand", RULE)
    build = keep(people.admin, opened, open_drift(opened).content)
    with pytest.raises(NotAllowedError):
        review(people.admin, build, Review.Verdict.APPROVED, content=build.content)
    with pytest.raises(RuleBroken, match="not reviewed"):
        promote(people.admin, build, opened, plan_digest="")
    baseline = Build.objects.get(kind=Build.Kind.BASELINE)
    with pytest.raises(RuleBroken, match="not reviewed"):
        review(people.qa, baseline, Review.Verdict.APPROVED, content=baseline.content)
    assert capture(system_actor(), staging).target == opened
    assert Drift.open_in(opened) is not None
