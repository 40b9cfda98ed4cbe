"""Suites of workflow tests, run on staging through a small real server that speaks `/track`."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.urls import reverse
from pytest_django import Settings

from accounts.audit import command_actor, system_actor
from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.services import create_user, grant
from devtools.elasticsearch.mappings import fitted
from devtools.standin.server import StandIn, serving
from environments.elastic import Connection
from environments.marks import TEST_MARK
from environments.models import Cluster, Environment
from promotion.engine.errors import RuleBroken
from promotion.engine.workflow import BadWorkflowError, WorkflowTest
from promotion.live import finish
from promotion.models import Build, Review, RunResult, Suite, SuiteRun
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.receipts import issued
from promotion.services import capture, review
from promotion.suite_running import run_suite, run_waiting
from promotion.suite_runs import STALE_SECONDS, cancel_run, end_stale, request_run
from promotion.suites import (
    keep_test,
    make_suite,
    remove_test,
    rename_suite,
    require_suite,
    retire_suite,
)
from tests.data import load
from tests.factories import People, enter, make_index, put, served
from tests.greens import greens
from tests.promotion.test_review import run

__all__ = ["greens"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("greens")]
FAULTS = [
    "time-out",
    "half",
    "html",
    "redirect",
    "reset",
    "error",
    "other",
    "trickle",
    "trickling-headers",
]


def purchase(name: str = "A purchase of 250", total: int = 250, **expect: Any) -> WorkflowTest:
    """Return a visit that buys something, by default with what the sample flow does then."""
    wanted = expect or {
        "flows": ["flow-purchase"],
        "not-flows": ["flow-crm-sync"],
        "rules": ["rule-purchase"],
        "segments": ["big-spender"],
        "traits": {"last_total": total},
        "events": ["profile-created"],
        "no-errors": True,
    }
    return WorkflowTest.from_dict(
        {
            "name": name,
            "source": "src-web-shop",
            "events": [
                {"type": "page-view", "properties": {"url": "/a"}},
                {"type": "purchase-completed", "properties": {"total": total}},
            ],
            "expect": wanted,
        }
    )


@pytest.fixture(autouse=True)
def patience(settings: Settings) -> None:
    settings.WORKFLOW_ANSWER_SECONDS = 1.0
    settings.WORKFLOW_WAIT_SECONDS = 5.0
    settings.WORKFLOW_REQUESTS_PER_SECOND = 1000.0
    # The stand-in reads what staging holds at each visit.
    settings.WORKFLOW_CACHE_SECONDS = 0.0


@pytest.fixture
def standin(staging: Environment, engine: Connection) -> Iterator[StandIn]:
    """A server that behaves as staging is configured, at staging's address."""
    naming, shapes = staging.naming, load("0.8.1/indices.json")
    for name, index in (
        ("event", naming.partition("event", "2026-11")),
        ("profile", naming.partition("profile", "2026-11")),
        ("console-log", naming.concrete("console-log")),
    ):
        shape = fitted(engine, shapes[naming.catalogue.get(name).storage])
        make_index(engine, index, {**shape, "aliases": {naming.alias(name): {}}})
    made = StandIn(engine, naming, month="2026-11")
    with serving(made) as url:
        staging.api_url = url
        staging.save(update_fields=["api_url"])
        yield made


@pytest.fixture
def suite(people: People, staging: Environment, standin: StandIn) -> Suite:
    made = make_suite(people.qa, staging, "Shop")
    keep_test(people.qa, made, purchase(), version=1)
    return Suite.objects.get()


def done(people: People, suite: Suite) -> SuiteRun:
    """Run a suite as QA."""
    return run_suite(request_run(people.qa, suite))


def _report(file: Path) -> Xml.Element:
    """Return a report of our own."""
    return Xml.parse(file).getroot()  # noqa: S314


def outcomes(made: SuiteRun) -> dict[str, bool]:
    """Return what was expected in a run's one test, and whether it was so."""
    [result] = made.results.all()
    return {f"{one['kind']} {one['subject']}".strip(): one["ok"] for one in result.outcomes}


# --- What a run shows ----------------------------------------------------------------------------


def test_a_visit_that_does_what_was_expected_passes_and_counts_for_the_build(
    people: People, staging: Environment, suite: Suite, standin: StandIn
) -> None:
    build = capture(people.qa, staging)
    made = done(people, suite)
    [result] = made.results.all()
    assert (made.status, made.content) == ("passed", build.content), result.outcomes
    assert made.message == f"1 of 1 tests passed. It counts for content {build.content[:12]}."
    assert result.edges == {"flow-purchase": [f"flow-purchase-e{n}" for n in range(4)]}
    # One request an event, in order, in one session of a marked kind.
    sent = [one["events"][0]["type"] for one in standin.visits]
    assert sent == ["page-view", "purchase-completed"]
    [session] = {one["session"]["id"] for one in standin.visits}
    assert session.startswith(f"{TEST_MARK}{made.pk}-1-")
    assert standin.visits[0]["profile"]["id"].startswith(TEST_MARK)
    again = done(people, suite)
    assert again.status == "passed"
    assert len({one["session"]["id"] for one in standin.visits}) == 2


def test_what_was_expected_and_is_not_so_fails_with_what_happened(
    people: People, suite: Suite
) -> None:
    test = purchase(
        "A small one",
        50,
        flows=["flow-purchase"],
        segments=["big-spender"],
        traits={"last_total": 50},
        rules=["rule-page"],
        answer={"response.discount": 10},
        events=["purchase-completed"],
        consents=["marketing"],
    )
    remove_test(people.qa, suite, "A purchase of 250", version=2)
    keep_test(people.qa, suite, test, version=3)
    made = done(people, suite)
    assert made.status == "failed"
    assert outcomes(made) == {
        "flows flow-purchase": True,
        "segments big-spender": False,
        "traits last_total": False,
        "rules rule-page": False,
        "answer response.discount": False,
        "events purchase-completed": False,
        "consents marketing": False,
    }
    [result] = made.results.all()
    told = {one["kind"]: one["happened"] for one in result.outcomes}
    assert told["rules"] == "there: Purchase -> follow-up"
    assert told["segments"] == "there: none"
    assert told["answer"] == "not there"


def test_a_change_of_staging_turns_a_test_red(
    people: People, staging: Environment, suite: Suite
) -> None:
    put(staging, "rule", "rule-purchase", json.dumps({"name": "Off", "enabled": False}))
    capture(people.qa, staging)
    made = done(people, suite)
    assert made.status == "failed"
    assert not outcomes(made)["flows flow-purchase"]


def test_a_flow_that_fails_is_an_error_in_the_logs(
    people: People, suite: Suite, standin: StandIn
) -> None:
    standin.failing.add("flow-purchase")
    made = done(people, suite)
    assert made.status == "failed"
    assert [name for name, ok in outcomes(made).items() if not ok] == ["no-errors"]


def test_of_a_profile_that_nobody_saw_nothing_is_green(
    people: People, suite: Suite, standin: StandIn, settings: Settings
) -> None:
    settings.WORKFLOW_WAIT_SECONDS = 1.0
    standin.without_profile = True
    expect: dict[str, Any] = {"not-segments": ["vip"], "not-consents": ["mail"]}
    raw = {**purchase(**expect).to_dict(), "name": "Nobody", "profile": "none"}
    remove_test(people.qa, suite, "A purchase of 250", version=2)
    keep_test(people.qa, suite, WorkflowTest.from_dict(raw), version=3)
    made = done(people, Suite.objects.get())
    assert made.status == "failed"
    held = outcomes(made)
    assert (held["not-segments vip"], held["not-consents mail"]) == (False, False)


def test_what_is_secret_is_not_kept_with_what_happened(
    people: People, suite: Suite, standin: StandIn
) -> None:
    standin.answering = {"token": "marked-secret-7", "url": "https://u:marked-secret-8@host/"}
    expect: dict[str, Any] = {"answer": {"response.token": "marked-secret-6", "response.url": "x"}}
    keep_test(people.qa, suite, purchase("A purchase of 250", **expect), version=2)
    [result] = done(people, Suite.objects.get()).results.all()
    assert "marked-secret" not in json.dumps(result.outcomes)
    assert [one["ok"] for one in result.outcomes] == [False, False]
    assert result.outcomes[0]["happened"] == "••••••"


def test_what_shows_late_is_waited_for(people: People, suite: Suite, standin: StandIn) -> None:
    standin.late["flow-purchase"] = 1.5
    assert done(people, suite).status == "passed"


def test_what_never_shows_is_no_proof_of_anything(
    people: People, suite: Suite, standin: StandIn, settings: Settings
) -> None:
    settings.WORKFLOW_WAIT_SECONDS = 1.0
    standin.late["flow-purchase"] = None
    made = done(people, suite)
    assert made.status == "failed"
    # The first event did show, with what came of it.
    assert [name for name, ok in outcomes(made).items() if ok] == ["events profile-created"]
    [result] = made.results.all()
    assert "the event purchase-completed" in result.message
    assert "did not come in time" in result.message


@pytest.mark.parametrize("fault", FAULTS)
def test_a_visit_without_a_proper_answer_is_an_error_and_never_green(
    people: People, staging: Environment, suite: Suite, standin: StandIn, fault: str
) -> None:
    capture(people.qa, staging)
    elsewhere = StandIn(standin.connection, standin.naming, month="2026-11")
    with serving(elsewhere) as url:
        standin.redirect_to, standin.fault = f"{url}/track", fault
        made = done(people, suite)
    [result] = made.results.all()
    words = {
        "time-out": "did not answer in time",
        "half": "half an answer|in the middle of its answer",
        "html": "answered no JSON, but text/html",
        "redirect": "leads elsewhere",
        "reset": "in the middle of its answer",
        "error": "answered HTTP 500",
        "other": "answered what no Tracardi answers",
        "trickle": "did not answer in time",
        "trickling-headers": "did not answer in time",
    }
    assert (made.status, made.content, result.status) == ("errored", "", "errored")
    assert any(one in result.message for one in words[fault].split("|")), result.message
    assert result.outcomes == []
    assert elsewhere.visits == []


def test_an_address_where_nothing_answers_is_an_error_and_the_rest_is_not_tried(
    people: People, staging: Environment, suite: Suite
) -> None:
    for number in range(5):
        suite.refresh_from_db()
        keep_test(people.qa, suite, purchase(f"Another {number}"), version=suite.version)
    staging.api_url = "http://127.0.0.1:9"
    staging.save()
    suite = Suite.objects.get()
    made = done(people, suite)
    assert made.status == "errored"
    assert "3 visits in a row got no answer" in made.message
    results = RunResult.objects.filter(run=made)
    assert [one.status for one in results] == ["errored"] * 3
    assert "127.0.0.1:9/track is out of reach" in results[0].message


def test_a_source_that_staging_does_not_know_is_an_error(
    people: People, suite: Suite, staging: Environment
) -> None:
    raw = {**purchase().to_dict(), "name": "Nobody's", "source": "src-nobody"}
    keep_test(people.qa, suite, WorkflowTest.from_dict(raw), version=2)
    made = done(people, Suite.objects.get())
    assert made.status == "errored"
    assert made.message.startswith("1 of 2 tests passed. Not each visit got an answer.")


def test_a_search_engine_that_does_not_answer_is_an_error(
    people: People, suite: Suite, standin: StandIn
) -> None:
    asked = request_run(people.qa, suite)
    Cluster.objects.update(url="http://127.0.0.1:9")
    made = run_suite(SuiteRun.objects.get(pk=asked.pk))
    assert (made.status, made.content) == ("errored", "")
    assert "Staging could not be read. Cluster Test cannot be reached" in made.message


def test_a_visit_that_left_more_than_can_be_read_is_an_error(
    people: People, suite: Suite, standin: StandIn
) -> None:
    standin.noise = 500
    made = done(people, suite)
    assert made.status == "errored"
    [result] = made.results.all()
    assert "It left 500 or more of console-log: too many to judge." in result.message


# --- Never production ----------------------------------------------------------------------------


def test_no_visit_is_ever_sent_to_production(
    people: People, staging: Environment, production: Environment, suite: Suite, standin: StandIn
) -> None:
    with pytest.raises(RuleBroken, match="is production, where no visit is ever sent"):
        make_suite(people.admin, production, "Shop")
    theirs = Suite.objects.create(
        environment=production, name="By hand", made_by_id=suite.made_by_id
    )
    with pytest.raises(RuleBroken, match="Production is production"):
        request_run(people.admin, theirs)
    # By another name, and by the address behind it.
    port = staging.api_url.rpartition(":")[2]
    for url in (staging.api_url, f"http://localhost:{port}/", f"http://127.0.0.1:{port}/x"):
        production.api_url = url
        production.save()
        with pytest.raises(RuleBroken, match="address of Staging's API is that of Production"):
            request_run(people.qa, suite)
    assert standin.visits == []
    assert AuditEvent.objects.filter(action="suite.run", outcome="refused").count() == 4


def test_the_form_refuses_the_address_of_a_production(
    staging: Environment, production: Environment, standin: StandIn
) -> None:
    staging.full_clean()
    production.api_url = staging.api_url
    production.save()
    with pytest.raises(ValidationError, match="is that of Production, where no visit is ever sent"):
        staging.full_clean()


def test_an_address_that_became_productions_after_the_click_is_noticed(
    people: People, staging: Environment, production: Environment, suite: Suite, standin: StandIn
) -> None:
    asked = request_run(people.qa, suite)
    production.api_url = staging.api_url
    production.save()
    made = run_suite(asked)
    assert (made.status, standin.visits) == ("errored", [])
    assert "Nothing was sent." in made.message


@pytest.mark.parametrize("whose", ["staging", "production"])
def test_while_a_name_cannot_be_looked_up_nothing_is_sent(
    people: People,
    staging: Environment,
    production: Environment,
    suite: Suite,
    standin: StandIn,
    whose: str,
) -> None:
    """It may be production's by another name."""
    one = staging if whose == "staging" else production
    one.api_url = "http://no-such-host.invalid:8686"
    one.save()
    with pytest.raises(RuleBroken, match="cannot be looked up"):
        request_run(people.qa, Suite.objects.get())
    one.api_url = "http://127.0.0.1:99999"
    one.save()
    with pytest.raises(RuleBroken, match="has no port that there is"):
        request_run(people.qa, Suite.objects.get())
    with pytest.raises(ValidationError, match="has no port that there is"):
        one.full_clean()
    assert standin.visits == []


def test_without_an_address_nothing_is_sent(
    people: People, staging: Environment, suite: Suite
) -> None:
    staging.api_url = ""
    staging.save()
    with pytest.raises(RuleBroken, match="no address of Tracardi's API"):
        request_run(people.qa, Suite.objects.get())


# --- What a run counts for -----------------------------------------------------------------------


def test_a_run_on_what_no_build_holds_counts_for_nothing(
    people: People, staging: Environment, suite: Suite
) -> None:
    made = done(people, suite)
    assert (made.status, made.content) == ("passed", "")
    assert "counts for no build" in made.message
    capture(people.qa, staging)
    put(staging, "segment", "new", '{"name": "New"}')
    assert done(people, suite).content == ""


def test_a_change_of_staging_in_the_middle_is_noticed(
    people: People, staging: Environment, suite: Suite, standin: StandIn
) -> None:
    capture(people.qa, staging)
    standin.late["flow-purchase"] = 1.0
    changing = threading.Timer(
        0.5, lambda: standin.connection.request("PUT", path, body={"name": "New"})
    )
    path = f"/{staging.naming.concrete('segment')}/_doc/new"
    changing.start()
    made = done(people, suite)
    changing.join()
    assert (made.status, made.content) == ("passed", "")
    assert "was changed meanwhile" in made.message


def test_some_of_the_tests_prove_nothing_of_the_whole(
    people: People, staging: Environment, suite: Suite
) -> None:
    keep_test(people.qa, suite, purchase("Another"), version=2)
    capture(people.qa, staging)
    suite = Suite.objects.get()
    made = run_suite(request_run(people.qa, suite, {"Another"}))
    assert (made.status, len(made.chosen), made.content) == ("passed", 1, "")
    assert "counts for no build" in made.message


@pytest.mark.django_db(transaction=True)
def test_a_run_during_which_staging_was_another_counts_for_nothing(
    people: People, staging: Environment, suite: Suite, standin: StandIn
) -> None:
    first = capture(people.qa, staging)
    before = served(staging, "segment")

    def there_and_back() -> None:
        put(staging, "segment", "new", '{"name": "New"}')
        capture(people.qa, staging)
        path = f"/{staging.naming.concrete('segment')}/_doc/new"
        standin.connection.request("DELETE", path)
        assert served(staging, "segment") == before
        assert capture(people.qa, staging).content == first.content
        connections.close_all()

    standin.between = there_and_back
    made = done(people, suite)
    assert (made.status, made.content) == ("passed", "")


def test_a_run_begins_when_tracardi_has_read_what_was_captured(
    people: People, staging: Environment, suite: Suite, standin: StandIn, settings: Settings
) -> None:
    settings.WORKFLOW_CACHE_SECONDS = 2.0
    build = capture(people.qa, staging)
    made = done(people, suite)
    assert made.content == build.content
    assert made.finished_at is not None
    took = sum(result.seconds for result in made.results.all())
    assert (made.finished_at - build.captured_at).total_seconds() - took > 1.5


@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_given_up_sends_nothing_more(
    people: People, suite: Suite, standin: StandIn
) -> None:
    keep_test(people.qa, suite, purchase("Another"), version=2)
    asked = request_run(people.qa, Suite.objects.get(), here=True)
    long_ago = asked.beat_at - timedelta(seconds=STALE_SECONDS + 1)

    def stand_still() -> None:
        SuiteRun.objects.filter(pk=asked.pk).update(beat_at=long_ago)
        end_stale()
        connections.close_all()

    standin.between = stand_still
    made = run_suite(asked)
    assert "Its worker stopped in the middle" in made.message
    assert len(standin.visits) == 1


# --- Suites and runs -----------------------------------------------------------------------------


def test_each_change_of_a_suite_is_a_version_and_the_earlier_ones_stay(
    people: People, suite: Suite
) -> None:
    assert suite.version == 2
    first = suite.tests.get()
    assert keep_test(people.qa, suite, purchase(), version=2) == first
    changed = purchase("A purchase of 250", segments=["big-spender"])
    second = keep_test(people.qa, suite, changed, version=2)
    suite.refresh_from_db()
    first.refresh_from_db()
    assert (suite.version, second.made_in, first.replaced_in) == (3, 3, 3)
    assert list(suite.tests) == [second]
    assert first.test == purchase()
    with pytest.raises(RuleBroken, match="is version 3 now, and you were shown 2"):
        remove_test(people.qa, suite, "A purchase of 250", version=2)
    remove_test(people.qa, suite, "A purchase of 250", version=3)
    assert list(suite.tests) == []
    suite.refresh_from_db()
    with pytest.raises(RuleBroken, match="has no test"):
        remove_test(people.qa, suite, "A purchase of 250", version=4)
    with pytest.raises(RuleBroken, match="no test to run"):
        request_run(people.qa, suite)
    with pytest.raises(RuleBroken, match="already"):
        make_suite(people.qa, suite.environment, "Shop")


@pytest.mark.parametrize("bad", ["\x00", "\ud800"])
def test_text_that_no_database_holds_is_refused(bad: str) -> None:
    raw = purchase().to_dict()
    for change in (
        {"name": f"A{bad}"},
        {"events": [{"type": f"a{bad}"}]},
        {"events": [{"type": "a", "properties": {"x": [bad]}}]},
        {"events": [{"type": "a", "properties": {bad: 1}}]},
        {"expect": {"traits": {"x": bad}}},
    ):
        with pytest.raises(BadWorkflowError, match="a character that cannot be kept"):
            WorkflowTest.from_dict({**raw, **change})


def test_only_who_may_capture_staging_changes_and_runs_suites(
    people: People, staging: Environment, production: Environment, suite: Suite
) -> None:
    password = "a long enough phrase 7"
    other = create_user(system_actor(), username="other", role=Role.QA, password=password)
    grant(system_actor(), other, production)
    for actor in (people.marketing, command_actor(other)):
        with pytest.raises(NotAllowedError, match="may not capture a build"):
            make_suite(actor, staging, "Mine")
        with pytest.raises(NotAllowedError):
            keep_test(actor, suite, purchase("Mine"), version=2)
        with pytest.raises(NotAllowedError):
            request_run(actor, suite)
    with pytest.raises(NotAllowedError):
        require_suite(people.qa, suite, Suite.Requirement.RUN)
    require_suite(people.admin, suite, Suite.Requirement.RUN)
    assert Suite.objects.get().requirement == "run"


def test_a_run_that_is_cancelled_ends_and_counts_for_nothing(
    people: People, staging: Environment, suite: Suite
) -> None:
    capture(people.qa, staging)
    # One that waits ends at once, and no worker begins it.
    waiting = request_run(people.qa, suite)
    cancel_run(people.qa, waiting)
    begun = request_run(people.qa, suite, here=True)
    cancel_run(people.qa, begun)
    for made in (waiting, run_suite(waiting), run_suite(begun)):
        assert (made.status, made.content, made.message) == ("cancelled", "", "It was cancelled.")
        assert made.finished_at is not None
        assert not made.results.exists()
    with pytest.raises(RuleBroken, match="is over"):
        cancel_run(people.qa, waiting)


def test_one_run_goes_on_at_a_time_and_one_whose_worker_died_is_ended(
    people: People, suite: Suite
) -> None:
    first = request_run(people.qa, suite, here=True)
    with pytest.raises(RuleBroken, match="Another run goes on"):
        request_run(people.qa, suite)
    past = first.beat_at - timedelta(seconds=STALE_SECONDS + 1)
    SuiteRun.objects.filter(pk=first.pk).update(beat_at=past)
    assert done(people, suite).status == "passed"
    first.refresh_from_db()
    assert first.status == "errored"
    assert "Its worker stopped in the middle" in first.message


def test_a_run_that_was_ended_meanwhile_stays_as_it_was_ended(people: People, suite: Suite) -> None:
    asked = request_run(people.qa, suite, here=True)
    SuiteRun.objects.filter(pk=asked.pk).update(status=SuiteRun.Status.ERRORED, message="Died")
    made = run_suite(asked)
    assert (made.status, made.message, made.content) == ("errored", "Died", "")
    assert not AuditEvent.objects.filter(action="suite.ended").exists()


def test_a_worker_does_what_waits_however_long_and_as_it_was_asked_for(
    people: People, suite: Suite
) -> None:
    asked = request_run(people.qa, suite)
    long_ago = asked.beat_at - timedelta(days=1)
    SuiteRun.objects.filter(pk=asked.pk).update(beat_at=long_ago, started_at=long_ago)
    # A change of the suite meanwhile is not of this run.
    keep_test(people.qa, suite, purchase(segments=["nobody"]), version=2)
    [made] = run_waiting()
    assert (made.pk, made.status, made.suite_version) == (asked.pk, "passed", 2)
    assert made.started_at > long_ago
    assert run_waiting() == []


def test_a_defect_ends_the_test_or_the_run_and_says_so(
    people: People, suite: Suite, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("promotion.suite_running.judge", broken)
        made = done(people, suite)
    [result] = made.results.all()
    assert (made.status, made.content, result.status) == ("errored", "", "errored")
    assert "a defect of its own" in result.message
    with monkeypatch.context() as patch:
        patch.setattr("promotion.suite_running.rule_names", broken)
        made = done(people, suite)
    assert (made.status, made.content) == ("errored", "")
    assert "a defect of its own" in made.message


def test_a_test_is_renamed_and_keeps_its_place_in_history(people: People, suite: Suite) -> None:
    keep_test(people.qa, suite, purchase("Other"), version=2)
    with pytest.raises(RuleBroken, match="another test Other"):
        keep_test(people.qa, suite, purchase("Other"), version=3, was="A purchase of 250")
    with pytest.raises(RuleBroken, match="has no test Gone"):
        keep_test(people.qa, suite, purchase("New"), version=3, was="Gone")
    keep_test(people.qa, suite, purchase("New"), version=3, was="A purchase of 250")
    assert [one.name for one in suite.tests] == ["New", "Other"]
    old = suite.kept.get(name="A purchase of 250")
    assert old.replaced_in == suite.kept.get(name="New").made_in == 4


def test_a_suite_is_renamed_and_retired_and_then_asks_nothing(
    people: People, staging: Environment, suite: Suite
) -> None:
    make_suite(people.qa, staging, "Other")
    with pytest.raises(RuleBroken, match="There is a suite Other"):
        rename_suite(people.qa, suite, " Other ")
    rename_suite(people.qa, suite, "Web")
    assert Suite.objects.get(pk=suite.pk).name == "Web"
    require_suite(people.admin, suite, Suite.Requirement.RUN)
    build = capture(people.qa, staging)
    with pytest.raises(RuleBroken, match="Not proved by its workflow tests"):
        review(people.qa, build, Review.Verdict.APPROVED, content=build.content)
    # Nobody gets round what the administrator asks for.
    with pytest.raises(NotAllowedError):
        retire_suite(people.qa, suite, version=2)
    retire_suite(people.admin, suite, version=2)
    review(people.qa, build, Review.Verdict.APPROVED, content=build.content)
    with pytest.raises(RuleBroken, match="was retired"):
        keep_test(people.qa, suite, purchase("New"), version=2)
    # Its name is free again.
    assert make_suite(people.qa, staging, "Web").pk != suite.pk


def test_the_exchange_is_kept_masked_and_encrypted(
    people: People, staging: Environment, suite: Suite
) -> None:
    raw = purchase("With a secret", segments=["big-spender"]).to_dict()
    raw["events"][0]["properties"] = {"password": "marked-secret-9"}
    keep_test(people.qa, suite, WorkflowTest.from_dict(raw), version=2)
    made = done(people, Suite.objects.get())
    result = made.results.get(test__name="With a secret")
    exchange = json.loads(result.exchange)
    assert exchange[1]["sent"]["events"][0]["type"] == "purchase-completed"
    assert exchange[1]["answer"]["profile"]["id"]
    assert "marked-secret-9" not in result.exchange
    column = RunResult.objects.filter(pk=result.pk).extra(select={"raw": "exchange"})
    assert "purchase-completed" not in column.values_list("raw", flat=True)[0]


# --- The verdict ---------------------------------------------------------------------------------


def approve(people: People, build: Build, comment: str = "") -> Review:
    return review(people.qa, build, Review.Verdict.APPROVED, content=build.content, comment=comment)


def test_a_build_without_a_green_run_of_a_required_suite_is_not_approved(
    people: People, staging: Environment, production: Environment, suite: Suite, standin: StandIn
) -> None:
    require_suite(people.admin, suite, Suite.Requirement.RUN)
    build = capture(people.qa, staging)
    with pytest.raises(RuleBroken, match="suite Shop: version 2 has no run on this content"):
        approve(people, build, "It is fine.")
    standin.failing.add("flow-purchase")
    red = done(people, suite)
    assert red.status == "failed"
    with pytest.raises(RuleBroken, match=f"suite Shop: version 2 failed in run {red.pk}"):
        approve(people, build, "It is fine.")
    standin.failing.clear()
    green = done(people, suite)
    # What it asks for now was never run.
    keep_test(people.qa, suite, purchase("Another", segments=["big-spender"]), version=2)
    with pytest.raises(RuleBroken, match="version 3 has no run on this content"):
        approve(people, build)
    remove_test(people.qa, Suite.objects.get(), "Another", version=3)
    again = done(people, Suite.objects.get())
    made = approve(people, build)
    assert green.pk < again.pk
    assert made.proofs == [
        {
            "suite": "Shop",
            "version": 4,
            "requirement": "run",
            "run": again.pk,
            "status": "passed",
        }
    ]


def test_where_a_reason_is_enough_it_must_be_given(
    people: People, staging: Environment, suite: Suite
) -> None:
    require_suite(people.admin, suite, Suite.Requirement.REASON)
    build = capture(people.qa, staging)
    with pytest.raises(RuleBroken, match="write in the comment why"):
        approve(people, build, "  ")
    made = approve(people, build, "The stand-in is down; bought by hand.")
    assert made.proofs[0]["status"] is None


def test_the_last_run_on_a_content_counts_not_the_best(
    people: People, staging: Environment, suite: Suite, standin: StandIn
) -> None:
    require_suite(people.admin, suite, Suite.Requirement.RUN)
    build = capture(people.qa, staging)
    assert done(people, suite).status == "passed"
    standin.failing.add("flow-purchase")
    red = done(people, suite)
    assert red.status == "failed"
    with pytest.raises(RuleBroken, match=f"failed in run {red.pk}"):
        approve(people, build)


def test_a_suite_that_nobody_requires_stands_in_nobodys_way(
    people: People, staging: Environment, suite: Suite
) -> None:
    assert approve(people, capture(people.qa, staging)).proofs[0]["requirement"] == "nothing"


def test_the_build_the_confirm_page_and_the_receipt_show_the_runs(
    people: People,
    staging: Environment,
    adopted: Environment,
    suite: Suite,
    plain_static_files: None,
) -> None:
    put(staging, "segment", "new", '{"name": "New"}')
    build = capture(people.qa, staging)
    ran = done(people, suite)
    assert ran.status == "passed"
    words = f"run {ran.pk}, version 2"
    client = enter(people.admin.user)
    path = reverse("promotion:build", args=["staging", build.number])
    assert words in client.get(path, secure=True).content.decode()
    approve(people, build)
    ready = prepare(build, adopted)
    path = reverse("promotion:promote", args=["staging", build.number])
    assert words in client.get(path, secure=True).content.decode()
    made = finish(promote(people.admin, build, adopted, plan_digest=ready.plan_digest))
    made.refresh_from_db()
    receipt = issued(made)
    assert receipt is not None
    assert receipt["approved"]["workflow_tests"][0]["run"] == ran.pk


# --- The command ---------------------------------------------------------------------------------


def test_the_command_says_how_it_went_by_its_exit_code(
    people: People, staging: Environment, suite: Suite, standin: StandIn, tmp_path: Path
) -> None:
    file = tmp_path / "report.xml"
    build = capture(people.qa, staging)
    asked = ["test-workflows", "staging", "--as", "qa", "--junit", str(file)]
    code, answer = run(*asked)
    assert (code, answer["status"]) == (0, "done")
    assert answer["runs"][0]["content"] == build.content
    assert answer["runs"][0]["tests"][0]["expectations"][0]["ok"] is True
    root = _report(file)
    assert [(one.get("tests"), one.get("failures")) for one in root] == [("1", "0")]
    # Its name has what XML cannot hold.
    keep_test(people.qa, suite, purchase("Red\x0b", segments=["nobody"]), version=2)
    code, answer = run(*asked)
    assert (code, answer["status"]) == (1, "failed")
    failure = _report(file).find(".//testcase[@name='Red']/failure")
    assert failure is not None
    assert failure.get("message") == "the profile is in segment “nobody”: there: big-spender"
    standin.fault = "html"
    code, answer = run(*asked)
    assert (code, answer["runs"][0]["status"]) == (1, "errored")
    assert _report(file).find(".//testcase[@name='the whole run']/error") is not None
    for words, expected in (
        (["test-workflows", "nowhere", "--as", "qa"], 2),
        (["test-workflows", "staging", "--suite", "None", "--as", "qa"], 2),
        (["test-workflows", "production", "--as", "qa"], 2),
        (["test-workflows", "staging", "--as", "marketing"], 3),
        (["require-suite", "staging", "Shop", "run", "--as", "qa"], 3),
        (["require-suite", "staging", "None", "run", "--as", "administrator"], 2),
        (["require-suite", "staging", "Shop", "run", "--as", "administrator"], 0),
    ):
        assert run(*words)[0] == expected
