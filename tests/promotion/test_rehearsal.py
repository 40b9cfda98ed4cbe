"""Rehearsals: everything but the switch, and nothing left of it."""

import json
import time
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from pytest_django import Settings

from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from environments.elastic import Connection
from environments.models import Environment
from promotion import recovery
from promotion.beginning import cancel
from promotion.engine.errors import (
    Aborted,
    Mismatch,
    PreflightFailed,
    RuleBroken,
    StalePlan,
    Unfinished,
)
from promotion.live import finish
from promotion.locking import unlock
from promotion.models import Promotion, StoredGeneration
from promotion.planning import indices_of
from promotion.preparing import current_preparation, prepare
from promotion.promotions import promote
from promotion.recovery import recover
from promotion.rehearsing import request_rehearsal, request_rollback_rehearsal, run_rehearsal
from promotion.services import capture
from promotion.writer import ClusterWriter
from tests.factories import People, approved, edit_past_the_block, enter, served
from tests.faults.proxy import Fault, Proxy, answers
from tests.promotion.conftest import Put, Ship

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def writer(engine: Connection) -> ClusterWriter:
    return ClusterWriter(engine)


Everything = Callable[[], dict[str, tuple[str, tuple[str, ...], tuple[int, ...]]]]


@pytest.fixture
def everything(adopted: Environment, writer: ClusterWriter) -> Everything:
    """Return all that production has in the cluster: each index, its names, how often written."""

    def look() -> dict[str, tuple[str, tuple[str, ...], tuple[int, ...]]]:
        patterns = [*adopted.naming.search_patterns(), adopted.naming.marker_pattern]
        states = writer.states(patterns)
        marks = writer.marks(list(states))
        return {n: (s.uuid, s.aliases, marks[n].max_seq_no) for n, s in states.items()}

    return look


def rehearsal(people: People, staging: Environment, adopted: Environment) -> Promotion:
    """Ask for a rehearsal of what staging holds; nobody approved it."""
    return request_rehearsal(people.admin, capture(people.qa, staging), adopted)


def test_a_rehearsal_does_all_but_the_switch_and_leaves_nothing(
    people: People, staging: Environment, adopted: Environment, put: Put, everything: Everything
) -> None:
    put("segment", "new", '{"name": "New"}')
    before, old = everything(), served(adopted, "segment")
    made = run_rehearsal(rehearsal(people, staging, adopted))
    assert made.status == "succeeded"
    assert [step.name for step in made.steps.all()] == [
        "look",
        "check",
        "plan",
        "copy",
        "fence",
        "verify",
        "clean",
    ]
    assert everything() == before
    assert served(adopted, "segment") == old
    report = made.report
    assert report is not None
    assert (report["resources"], report["indices"]) == (1, 1)
    assert report["documents"] == len(old) + 1
    assert "is not reviewed" in report["stands_against"] or "not reviewed" in made.message
    took = report["seconds"]
    assert took["cutover"] > 0
    assert took["cutover_from"].endswith("adopted")
    parts = took["preparation"] + took["cutover"] + took["verification"]
    assert took["total"] == pytest.approx(parts, abs=0.01)
    assert made.receipt is None
    assert made.live_at is None
    actions = AuditEvent.objects.filter(object_type="promotion", object_id=str(made.pk))
    assert set(actions.values_list("action", "outcome")) == {
        ("rehearse.requested", "done"),
        ("rehearse.succeeded", "done"),
    }


def test_a_rehearsal_is_no_preparation_and_stands_in_nobodys_way(
    people: People, staging: Environment, adopted: Environment, put: Put
) -> None:
    put("segment", "new", '{"name": "New"}')
    build = approved(people, staging)
    run_rehearsal(request_rehearsal(people.admin, build, adopted))
    assert current_preparation(adopted) is None
    ready = prepare(build, adopted)
    waiting = request_rehearsal(people.admin, build, adopted)
    assert current_preparation(adopted) == ready
    with pytest.raises(RuleBroken, match="Another rehearsal"):
        request_rehearsal(people.admin, build, adopted)
    # A rehearsal that waits, or goes on, holds up no promotion.
    made = finish(promote(people.admin, build, adopted, plan_digest=ready.plan_digest))
    assert made.status == "succeeded"
    with pytest.raises(RuleBroken, match="serves already"):
        run_rehearsal(waiting)
    waiting.refresh_from_db()
    assert waiting.status == "failed"


def test_after_a_cutover_the_estimate_stands_on_it(
    ship: Ship, people: People, staging: Environment, adopted: Environment, put: Put
) -> None:
    put("segment", "one", '{"name": "One"}')
    real = ship()
    put("segment", "two", '{"name": "Two"}')
    made = run_rehearsal(rehearsal(people, staging, adopted))
    assert made.report is not None
    cutover = real.steps.get(name="cutover").duration
    assert made.report["seconds"]["cutover"] == pytest.approx(cutover, abs=0.001)
    assert made.report["seconds"]["cutover_from"] == "the last cutover there"


def test_consents_that_would_be_due_are_told_and_drift_is_not_kept(
    people: People,
    staging: Environment,
    adopted: Environment,
    engine: Connection,
    put: Put,
) -> None:
    unlock(people.admin, adopted, "An urgent edit")
    engine.request("PUT", f"/{adopted.naming.concrete('rule')}/_doc/hand", body={"name": "x"})
    put("segment", "new", '{"name": "New"}')
    asked = rehearsal(people, staging, adopted)
    builds = adopted.builds.count()
    made = run_rehearsal(asked)
    assert [finding["code"] for finding in made.consents_due] == ["drift:rule"]
    assert "1 consent is due" in made.message
    assert adopted.builds.count() == builds


def test_findings_are_told_and_nothing_is_made(
    people: People,
    staging: Environment,
    adopted: Environment,
    engine: Connection,
    put: Put,
    everything: Everything,
) -> None:
    put("segment", "new", '{"name": "New"}')
    asked = rehearsal(people, staging, adopted)
    stranger = f"{adopted.naming.concrete('flow')}-of-a-later-version"
    engine.request("PUT", f"/{stranger}")
    before = everything()
    with pytest.raises(PreflightFailed):
        run_rehearsal(asked)
    asked.refresh_from_db()
    assert asked.status == "failed"
    assert [finding["code"] for finding in asked.findings] == ["unknown-index"]
    assert everything() == before


def test_production_that_moves_meanwhile_is_noticed_and_what_was_made_is_removed(
    people: People,
    staging: Environment,
    adopted: Environment,
    engine: Connection,
    put: Put,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("segment", "new", '{"name": "New"}')
    unlock(people.admin, adopted, "An edit by hand")
    asked = rehearsal(people, staging, adopted)
    ready = prepare(approved(people, staging), adopted)
    index = adopted.naming.concrete("rule")
    with edited_after_copy(engine, index, monkeypatch), pytest.raises(StalePlan):
        run_rehearsal(asked)
    asked.refresh_from_db()
    assert asked.status == "failed"
    assert leftovers(adopted, asked) == []
    # What was prepared is fenced by itself, and not called stale by a rehearsal.
    ready.refresh_from_db()
    assert ready.fate == ""


class edited_after_copy:
    """Let somebody write to an index between the copy and the fence of a rehearsal."""

    def __init__(self, engine: Connection, index: str, patch: pytest.MonkeyPatch) -> None:
        self._engine, self._index, self._patch = engine, index, patch

    def __enter__(self) -> None:
        put_marker = ClusterWriter.put_marker

        def then_edit(writer: ClusterWriter, name: str, facts: Any) -> None:
            put_marker(writer, name, facts)
            self._engine.request("PUT", f"/{self._index}/_doc/hand", body={"name": "x"})

        self._patch.setattr(ClusterWriter, "put_marker", then_edit)

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


def leftovers(adopted: Environment, made: Promotion) -> list[str]:
    """Return the indices and markers of a rehearsal's generation that are in the cluster."""
    plan = made.plan
    if plan is None:
        return []
    from promotion.planning import writer_for

    writer = writer_for(adopted)
    states = writer.states([*adopted.naming.search_patterns(), adopted.naming.marker_pattern])
    return [name for name in states if f"g{plan.number:06d}" in name]


def test_a_cancelled_rehearsal_leaves_nothing(
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("segment", "new", '{"name": "New"}')
    asked = rehearsal(people, staging, adopted)
    seal = ClusterWriter.seal

    def then_cancel(writer: ClusterWriter, names: list[str]) -> None:
        seal(writer, names)
        cancel(people.admin, asked)

    monkeypatch.setattr(ClusterWriter, "seal", then_cancel)
    with pytest.raises(Aborted):
        run_rehearsal(asked)
    asked.refresh_from_db()
    assert asked.status == "aborted"
    assert leftovers(adopted, asked) == []


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[Proxy]:
    made = Proxy(elasticsearch_url)
    yield made
    made.close()


def test_what_cannot_be_removed_is_removed_before_the_rehearsal_ends(
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
    proxy: Proxy,
    settings: Settings,
) -> None:
    settings.RETRY_SECONDS = 0.0
    put("segment", "new", '{"name": "New"}')
    asked = rehearsal(people, staging, adopted)
    cluster = adopted.cluster
    url, cluster.url = cluster.url, proxy.url
    cluster.save()
    asked.environment.cluster.url = proxy.url
    refused = answers(403, "cluster_block_exception", "blocked by: [FORBIDDEN/12/index]")
    with proxy.failing(Fault("DELETE /", times=100, before=refused)), pytest.raises(Unfinished):
        run_rehearsal(asked)
    asked.refresh_from_db()
    # It does not say that it ended while anything is left.
    assert (asked.status, asked.is_left) == ("running", True)
    assert leftovers(adopted, asked) != []
    recover()
    asked.refresh_from_db()
    assert asked.status == "errored"
    assert leftovers(adopted, asked) == []
    cluster.url = url
    cluster.save()


def test_a_rehearsal_that_no_worker_began_is_handed_over_again(
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("segment", "new", '{"name": "New"}')
    lost = rehearsal(people, staging, adopted)
    recover()
    monkeypatch.setattr(recovery, "clock", lambda: time.monotonic() + 31)
    assert recover() == [lost]
    call_command("db_worker", batch=True, interval=0, startup_delay=False, verbosity=0)
    lost.refresh_from_db()
    assert lost.status == "succeeded"


def test_only_who_may_promote_rehearses(
    people: People, staging: Environment, adopted: Environment, put: Put
) -> None:
    put("segment", "new", '{"name": "New"}')
    build = capture(people.qa, staging)
    for actor in (people.qa, people.marketing):
        with pytest.raises(NotAllowedError):
            request_rehearsal(actor, build, adopted)
        with pytest.raises(NotAllowedError):
            request_rollback_rehearsal(actor, adopted)
    assert AuditEvent.objects.filter(action="rehearse.requested", outcome="refused").count() == 4


# --- The way back --------------------------------------------------------------------------------


def kept_index(adopted: Environment, resource: str) -> str:
    live = StoredGeneration.live_in(adopted)
    assert live is not None
    assert live.previous is not None
    return live.previous.generation.resources[resource].index


def test_a_rollback_rehearsal_reads_every_kept_index_and_writes_nothing(
    ship: Ship, people: People, adopted: Environment, put: Put, everything: Everything
) -> None:
    put("segment", "one", '{"name": "One"}')
    ship()
    before = everything()
    made = run_rehearsal(request_rollback_rehearsal(people.admin, adopted))
    assert made.status == "succeeded"
    assert everything() == before
    report = made.report
    assert report is not None
    assert report["as_recorded"] is True
    assert report["rebuilt"] == []
    rows = {row["resource"]: row for row in report["resources"]}
    assert rows.keys() == {r.name for r in adopted.catalogue.promoted}
    assert all(row["as_recorded"] for row in rows.values())
    assert (rows["segment"]["way"], rows["segment"]["index"]) == (
        "used",
        kept_index(adopted, "segment"),
    )
    assert "to the byte" in made.message


def test_a_kept_index_that_was_edited_is_named_and_would_be_rebuilt(
    ship: Ship, people: People, adopted: Environment, put: Put, writer: ClusterWriter
) -> None:
    put("segment", "one", '{"name": "One"}')
    ship()
    edit_past_the_block(writer, kept_index(adopted, "segment"), "hand", b'{"name": "x"}')
    made = run_rehearsal(request_rollback_rehearsal(people.admin, adopted))
    report = made.report
    assert report is not None
    assert made.status == "succeeded"
    assert report["as_recorded"] is False
    assert report["rebuilt"] == ["segment"]
    [segment] = [row for row in report["resources"] if row["resource"] == "segment"]
    assert (segment["differing"], segment["way"]) == (1, "rebuilt")
    assert "No longer as recorded: Segments" in made.message
    assert made.steps.filter(name="recorded", status="succeeded").exists()


def test_a_kept_index_that_is_gone_would_be_rebuilt(
    ship: Ship, people: People, adopted: Environment, put: Put, writer: ClusterWriter
) -> None:
    put("segment", "one", '{"name": "One"}')
    ship()
    writer.delete([kept_index(adopted, "segment")])
    made = run_rehearsal(request_rollback_rehearsal(people.admin, adopted))
    assert made.report is not None
    assert made.report["rebuilt"] == ["segment"]


def test_a_kept_index_that_only_seems_untouched_fails_the_rehearsal(
    ship: Ship, people: People, adopted: Environment, put: Put
) -> None:
    put("segment", "one", '{"name": "One"}')
    ship()
    live = StoredGeneration.live_in(adopted)
    assert live is not None
    assert live.previous is not None
    # What was recorded is another tree than what is in the index, under the index's fingerprint.
    facts = live.previous.facts
    facts["resources"]["segment"]["tree"] = live.facts["resources"]["segment"]["tree"]
    live.previous.save(update_fields=["facts"])
    asked = request_rollback_rehearsal(people.admin, adopted)
    with pytest.raises(Mismatch, match="does not hold what was recorded"):
        run_rehearsal(asked)
    asked.refresh_from_db()
    assert asked.status == "failed"


def test_without_an_earlier_generation_there_is_nothing_to_rehearse(
    people: People, adopted: Environment
) -> None:
    with pytest.raises(RuleBroken, match="no earlier generation"):
        request_rollback_rehearsal(people.admin, adopted)


# --- The command and the pages -------------------------------------------------------------------


def command(*words: str) -> tuple[int, dict[str, Any]]:
    out, code = StringIO(), 0
    try:
        call_command(*words, "--json", stdout=out)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, json.loads(out.getvalue())


def test_the_command_tells_what_the_rehearsal_found(
    ship: Ship, people: People, staging: Environment, adopted: Environment, put: Put
) -> None:
    assert command("rehearse", "staging:1", "production", "--as", "administrator")[0] == 2
    put("segment", "one", '{"name": "One"}')
    capture(people.qa, staging)
    code, facts = command("rehearse", "staging:1", "production", "--as", "administrator")
    assert (code, facts["promotion_status"], facts["kind"]) == (0, "succeeded", "rehearse")
    assert facts["report"]["seconds"]["total"] > 0
    assert command("rehearse", "staging:1", "production", "--as", "qa")[0] == 3
    back = ("rehearse", "--rollback", "production", "--as", "administrator")
    assert command(*back)[0] == 3
    ship()
    code, facts = command(*back)
    assert (code, facts["report"]["as_recorded"]) == (0, True)
    assert command("rehearse", "staging:1", "production", "--as", "administrator")[0] == 3
    assert command("rehearse", "staging:1", "--as", "administrator")[0] == 2
    assert command("rehearse", "staging:1", "production", *back[1:])[0] == 2


def test_a_rehearsal_that_fails_exits_with_one(
    people: People, staging: Environment, adopted: Environment, engine: Connection, put: Put
) -> None:
    put("segment", "one", '{"name": "One"}')
    capture(people.qa, staging)
    engine.request("PUT", f"/{adopted.naming.concrete('flow')}-of-a-later-version")
    code, facts = command("rehearse", "staging:1", "production", "--as", "administrator")
    assert (code, facts["status"]) == (1, "failed")
    assert [finding["code"] for finding in facts["findings"]] == ["unknown-index"]
    assert len(indices_of(ClusterWriter(engine), adopted)) == 20 + 2 + 1


def test_the_buttons_have_the_worker_rehearse_and_the_page_says_how_it_went(
    ship: Ship,
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
    plain_static_files: None,
) -> None:
    put("segment", "one", '{"name": "One"}')
    ship()
    put("segment", "two", '{"name": "Two"}')
    build = capture(people.qa, staging)
    client = enter(people.admin.user)

    def press(name: str, *args: object) -> str:
        answer = client.post(reverse(name, args=args), secure=True)
        call_command("db_worker", batch=True, interval=0, startup_delay=False, verbosity=0)
        return client.get(answer.headers["Location"], secure=True).content.decode()

    page = press("promotion:rehearse", staging.slug, build.number)
    assert "The promotion would work" in page
    assert "is not reviewed" in page or "not reviewed" in page
    page = press("promotion:rehearse-rollback", adopted.slug)
    assert "All 20 kept indices hold what was recorded" in page
    shown = client.get(
        reverse("promotion:environment", args=[adopted.slug]), secure=True
    ).content.decode()
    assert "Rehearse a rollback" in shown
