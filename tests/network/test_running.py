"""Whole runs against small real servers and the real engine: a good pair, and each bad one."""

import socket
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from environments.endpoints import CLOSED, COLLECTOR
from environments.marks import TEST_MARK
from environments.models import Environment, NetworkRun, ProbeConsent
from environments.network.looks import to_mend
from environments.network.models import GRACE
from environments.network.running import (
    NetworkRefused,
    Which,
    allow_probe,
    check_networks,
    end_stale,
    forbid_probe,
    request_check,
    run_check,
)
from promotion.management.commands.worker import acts
from tests.network.certificates import Authority
from tests.network.conftest import API, PUBLIC, STAGING, Pair, send, states, told
from tests.network.servers import Tracardi, raw, redis, until_hung_up

pytestmark = pytest.mark.django_db


def open_paths(run: NetworkRun) -> set[str]:
    [check] = [one for one in run.checks if one["key"] == "closed"]
    return {row["name"] for row in check["rows"] if row["right"] == "no"}


def test_of_a_good_pair_nothing_is_told_but_information(good: Pair) -> None:
    run = good.check()
    assert told(run) == {}
    assert states(run) == dict.fromkeys(
        [
            "apart",
            "private",
            "identity",
            "production-api",
            "collector",
            "closed",
            "tls",
            "ports",
            "traces",
        ],
        "ok",
    )
    assert (run.errors, run.warnings, run.is_partial) == (0, 0, False)
    rows = [row for check in run.checks for row in check["rows"]]
    assert [row["right"] for row in rows] == ["yes"] * (len(COLLECTOR) + len(CLOSED))
    assert to_mend([good.production]) == []


def test_nothing_that_a_run_sends_changes_anything(good: Pair) -> None:
    good.check()
    for one in good.at.values():
        assert one.agents == {"Tracardi-Console-network-check"}
        assert {method for method, _path in one.asked} <= {"GET", "HEAD", "OPTIONS"}
    public = good.at[PUBLIC].asked
    assert public == [(one.asked_by, one.sample) for one in (*COLLECTOR, *CLOSED)]
    # What records an event, or installs, by GET is asked another way.
    assert not [path for how, path in public if how == "GET" and path.startswith("/collect")]
    assert ("HEAD", "/install") in public
    assert good.at[STAGING].asked == good.at[API].asked == [("GET", "/info/version/details")]


def test_a_public_address_that_is_tracardi_itself_has_all_of_it_open(
    good: Pair, authority: Authority
) -> None:
    bare = good.serve(PUBLIC, Tracardi(production=True), authority.server(PUBLIC))
    good.enter(staging=good.at[STAGING].url, api=good.at[API].url, public=bare.url)
    run = good.check()
    assert set(told(run)) == {"reachable"}
    behind = {"flow", "event-sources", "destinations", "segments", "profiles", "events", "metrics"}
    assert open_paths(run) == {one.name for one in CLOSED} - behind
    [info] = [one for one in run.findings if one["code"] == "network.closed-by-tracardi"]
    assert "/metrics" in info["message"]


@pytest.mark.parametrize("status", [200, 401, 405, 422, 500])
def test_one_path_that_gets_through_is_found(good: Pair, status: int) -> None:
    good.at[PUBLIC].instead["/user/token"] = status
    run = good.check()
    [words] = told(run)["reachable"]
    assert words == (
        f"/user/token must be closed and is open: GET answered HTTP {status}. It is signing in to "
        "Tracardi."
    )
    assert open_paths(run) == {"token"}


def test_a_collector_that_is_closed_or_broken_is_found(good: Pair) -> None:
    good.at[PUBLIC].instead |= {"/track": 403, "/tracker/index.html": 502}
    run = good.check()
    assert told(run) == {
        "collector-closed": [
            "OPTIONS /track answered HTTP 403. It is for visits, from shops and their servers."
        ],
        "collector-broken": [
            "GET /tracker/index.html answered HTTP 502: nothing is behind it. It is for the script "
            "that shops' pages load."
        ],
    }


def test_a_proxy_that_refuses_the_browsers_question_is_found(good: Pair) -> None:
    good.at[PUBLIC].no_preflight = True
    [words] = told(good.check())["collector-preflight"]
    assert "/track" in words


def test_a_public_address_where_nothing_answers_is_one_error(good: Pair) -> None:
    good.production.public_url = "http://127.0.0.13:9"
    good.enter(
        staging=good.at[STAGING].url, api=good.at[API].url, public=good.production.public_url
    )
    run = good.check()
    assert set(told(run)) == {"collector-unreachable", "plain-http"}
    assert open_paths(run) == set()


def test_an_address_that_leads_elsewhere_is_not_followed(good: Pair) -> None:
    elsewhere = good.serve("127.0.0.16", Tracardi())
    good.at[PUBLIC].leads_to = elsewhere.url
    found = told(good.check())
    assert len(found["collector-elsewhere"]) == len(COLLECTOR)
    assert len(found["closed-elsewhere"]) == len(CLOSED)
    assert elsewhere.asked == []


def test_the_sides_are_who_they_say_they_are(good: Pair) -> None:
    good.at[STAGING].production, good.at[API].production = True, False
    found = told(good.check())
    assert set(found) == {"staging-is-production", "production-is-staging"}


def test_a_proxy_that_turns_staging_into_production_is_found(good: Pair) -> None:
    good.at[STAGING].context = "production"
    assert set(told(good.check())) == {"context-forced"}


def test_one_server_for_both_is_found(good: Pair) -> None:
    url = good.at[API].url
    good.enter(staging=url, api=url, public=good.at[PUBLIC].url)
    assert set(told(good.check())) == {"same-server", "staging-is-production"}


@pytest.mark.parametrize(
    ("host", "facts", "expected"),
    [
        (PUBLIC, {"days": 6.5}, "tls-ends"),
        (PUBLIC, {"days": -1.0, "begun": 60}, "tls-expired"),
        (PUBLIC, {"by_itself": True}, "tls-self-signed"),
        ("shop.example.com", {}, "tls-wrong-host"),
    ],
)
def test_a_certificate_that_does_not_hold_is_found_and_the_rest_asked(
    good: Pair, authority: Authority, host: str, facts: dict[str, Any], expected: str
) -> None:
    context = authority.server(host, **facts)
    made = good.serve(PUBLIC, Tracardi(production=True, gate=True), context)
    good.enter(staging=good.at[STAGING].url, api=good.at[API].url, public=made.url)
    run = good.check()
    assert list(told(run)) == [expected]
    assert states(run)["closed"] == states(run)["collector"] == "ok"


def test_a_redis_and_the_engine_beside_the_public_address_are_found(
    good: Pair, authority: Authority, settings: Settings
) -> None:
    # Where the engine answers, at its own port, which is that of the connected cluster.
    made = good.serve("127.0.0.1", Tracardi(gate=True), authority.server("127.0.0.1"))
    good.enter(staging=good.at[STAGING].url, api=good.at[API].url, public=made.url)
    with raw("127.0.0.1", redis(password=True)) as port, raw("127.0.0.1", until_hung_up) as mute:
        settings.NETWORK_CLOSED_PORTS = [port, mute]
        settings.NETWORK_PROBE_SECONDS = 1.0
        found = told(good.check())
    assert set(found) == {"database-open", "port-open"}
    words = " ".join(found["database-open"])
    assert f"Redis answers at 127.0.0.1, port {port}:" in words
    assert f"Elasticsearch answers at 127.0.0.1, port {good.production.cluster.url[-5:]}:" in words


# --- Events --------------------------------------------------------------------------------------


def test_a_workflow_test_that_landed_in_production_is_found(good: Pair) -> None:
    send(good.production, session=f"{TEST_MARK}7-1-abc", server="production-server")
    [words] = told(good.check())["test-events"]
    assert words.startswith("1 event of this console's workflow tests on Shop staging are in")


def test_a_server_of_staging_that_writes_to_production_is_found(good: Pair) -> None:
    send(good.production, session="s3", server="staging-server")
    send(good.production, session="s4", server="staging-server")
    run = good.check()
    [words] = told(run)["staging-events"]
    assert words.startswith("2 events in production were taken by a server that takes Shop staging")
    # What was long ago is nobody's business any more.
    assert set(told(run)) == {"staging-events"}


def test_old_events_do_not_count(good: Pair) -> None:
    long_ago = (timezone.now() - timedelta(days=40)).replace(tzinfo=None).isoformat()
    send(good.production, session=f"{TEST_MARK}1", server="staging-server", ago=long_ago)
    assert told(good.check()) == {}


def test_without_events_nothing_is_claimed(pair: Pair) -> None:
    [check] = [one for one in pair.check().checks if one["key"] == "traces:shop-staging"]
    assert check["state"] == "cannot tell"
    assert "had no event in 30 days" in check["words"]


def test_without_an_engine_nothing_is_claimed(silent: Pair) -> None:
    run = silent.check()
    assert states(run)["traces"] == "cannot tell"
    assert run.is_partial


# --- Which addresses -----------------------------------------------------------------------------


def test_nothing_is_asked_that_was_not_allowed(silent: Pair) -> None:
    one = silent.serve(STAGING, Tracardi())
    silent.enter(staging=one.url, api="", public="")
    forbid_probe(silent.people.admin, silent.staging, Which.API)
    run = silent.check()
    assert one.asked == []
    assert run.connections == 0
    assert states(run)["collector"] == states(run)["identity"] == "not asked"


def test_who_allowed_it_and_when_is_kept_until_the_address_is_another(silent: Pair) -> None:
    staging = silent.staging
    silent.enter(staging="http://127.0.0.11:8686")
    consent = ProbeConsent.of(staging, Which.API)
    assert consent is not None
    assert consent.given_by == silent.people.admin.user
    staging.api_url = "http://127.0.0.11:8687"
    staging.save()
    assert ProbeConsent.of(staging, Which.API) is None
    # Not even the old address has it back.
    staging.api_url = "http://127.0.0.11:8686"
    staging.save()
    assert ProbeConsent.of(staging, Which.API) is None
    # Past every form, too.
    allow_probe(silent.people.admin, staging, Which.API, staging.api_url)
    Environment.objects.filter(pk=staging.pk).update(api_url="http://127.0.0.11:1")
    staging.refresh_from_db()
    assert ProbeConsent.of(staging, Which.API) is None


@pytest.mark.parametrize("which", ["public", "other", ""])
def test_only_an_address_that_is_there_is_allowed(silent: Pair, which: str) -> None:
    silent.enter(staging="http://127.0.0.11:8686")
    with pytest.raises(NetworkRefused, match="Nothing was changed"):
        allow_probe(silent.people.admin, silent.staging, which, "http://127.0.0.11:8686")
    with pytest.raises(NetworkRefused, match="another one by now"):
        allow_probe(silent.people.admin, silent.staging, Which.API, "http://127.0.0.11:1")


def test_only_the_administrator_allows_and_checks(silent: Pair) -> None:
    silent.enter(staging="http://127.0.0.11:8686")
    qa, url = silent.people.qa, silent.staging.api_url
    for act in (
        lambda: allow_probe(qa, silent.staging, Which.API, url),
        lambda: forbid_probe(qa, silent.staging, Which.API),
        lambda: request_check(qa, silent.production),
    ):
        with pytest.raises(NotAllowedError):
            act()
    assert AuditEvent.objects.filter(outcome="refused", action__startswith="network.").count() == 3
    assert ProbeConsent.of(silent.staging, Which.API) is not None
    assert not NetworkRun.objects.exists()


# --- When ----------------------------------------------------------------------------------------


def test_a_check_is_refused_while_one_goes_on_and_just_after(
    silent: Pair, settings: Settings
) -> None:
    admin = silent.people.admin
    first = request_check(admin, silent.production)
    with pytest.raises(NetworkRefused, match="goes on"):
        request_check(admin, silent.production)
    run_check(first)
    settings.NETWORK_PAUSE_SECONDS = 60.0
    with pytest.raises(NetworkRefused, match="less than 60 seconds ago"):
        request_check(admin, silent.production)
    with pytest.raises(NetworkRefused, match="no production"):
        request_check(admin, silent.staging)


def test_the_worker_does_what_waits_and_what_is_due(silent: Pair, settings: Settings) -> None:
    assert check_networks in [act for act, _seconds in acts()]
    # Without an address to probe nothing is due.
    assert check_networks() == []
    silent.enter(staging="http://127.0.0.11:9")
    [first] = check_networks()
    assert (first.environment, first.status, first.requested_by) == (
        silent.production,
        "done",
        None,
    )
    assert check_networks() == []
    NetworkRun.objects.update(asked_at=timezone.now() - timedelta(hours=7))
    assert len(check_networks()) == 1
    request_check(silent.people.admin, silent.production)
    [asked] = check_networks()
    assert asked.requested_by == silent.people.admin.user
    NetworkRun.objects.update(asked_at=timezone.now() - timedelta(hours=7))
    settings.NETWORK_CHECK_SECONDS = 0.0
    assert check_networks() == []


def test_a_run_whose_worker_died_is_ended_and_tells_nothing(silent: Pair) -> None:
    run = request_check(silent.people.admin, silent.production)
    long_ago = timezone.now() - timedelta(seconds=61) - GRACE
    NetworkRun.objects.update(status="running", started_at=long_ago)
    again = request_check(silent.people.admin, silent.production)
    run.refresh_from_db()
    assert run.status == "errored"
    assert run_check(run).status == "errored"
    assert run_check(again).status == "done"


def test_so_many_runs_are_kept(silent: Pair, settings: Settings) -> None:
    settings.NETWORK_KEPT_RUNS = 2
    runs = [silent.check() for _ in range(3)]
    assert list(NetworkRun.objects.values_list("pk", flat=True)) == [runs[2].pk, runs[1].pk]


def test_what_is_new_and_what_was_mended_is_told(good: Pair) -> None:
    good.at[PUBLIC].instead["/docs"] = 200
    first = good.check()
    # There was no look before: nothing is new.
    assert (first.errors, first.new) == (1, [])
    good.at[PUBLIC].instead["/users"] = 401
    second = good.check()
    assert [one["subject"] for one in second.new] == ["users"]
    assert second.mended == []
    good.at[PUBLIC].instead = {"/users": 429}
    third = good.check()
    # Of one of them nobody can tell: what was not judged was not mended.
    assert (third.errors, third.new, third.mended) == (0, [], [])
    good.at[PUBLIC].instead = {}
    fourth = good.check()
    assert {one["subject"] for one in fourth.mended} == {"docs", "users"}
    [event, _other] = AuditEvent.objects.filter(action="network.changed").order_by("-id")
    assert event.detail["mended"] == 2


def test_a_server_that_hangs_makes_the_run_partial_and_not_long(
    silent: Pair, settings: Settings
) -> None:
    settings.NETWORK_PROBE_SECONDS = 0.2
    with raw(PUBLIC, until_hung_up) as port:
        silent.enter(public=f"http://{PUBLIC}:{port}")
        run = silent.check()
    assert run.is_partial
    assert states(run)["collector"] == states(run)["closed"] == "cannot tell"
    assert set(told(run)) == {"plain-http"}
    # Three of each that hang, and the port.
    assert run.connections < 10


def test_the_time_of_a_run_ends_it(silent: Pair, settings: Settings) -> None:
    settings.NETWORK_RUN_SECONDS = 0.0
    one = silent.serve(PUBLIC, Tracardi(gate=True))
    silent.enter(public=one.url)
    run = silent.check()
    assert one.asked == []
    assert run.is_partial
    assert "the time of this run was over" in str(run.checks)


def test_after_the_time_of_a_run_no_event_is_counted_and_no_name_looked_up(
    good: Pair, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.NETWORK_RUN_SECONDS = 0.0
    asked: list[object] = []
    look_up = socket.getaddrinfo

    def noted(host: object, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        return look_up(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    run = good.check()
    assert asked == []
    assert run.is_partial
    for key in ("traces", "apart", "private", "production-api"):
        assert states(run)[key] == "cannot tell", key
    said = {one["key"]: one["words"] for one in run.checks}
    over = "the time of this run was over."
    assert said["traces:shop-staging"] == f"Events were not counted: {over}"
    assert said["private:shop-staging"] == f"Shop staging's address was not looked up: {over}"


def test_a_run_that_takes_long_and_gives_signs_is_kept(silent: Pair) -> None:
    request_check(silent.people.admin, silent.production)
    long_ago = timezone.now() - timedelta(seconds=600)
    soon = timezone.now() - timedelta(seconds=5)
    NetworkRun.objects.update(status="running", started_at=long_ago, beat_at=soon)
    end_stale()
    assert NetworkRun.objects.get().status == "running"
    NetworkRun.objects.update(beat_at=timezone.now() - timedelta(seconds=61) - GRACE)
    end_stale()
    assert NetworkRun.objects.get().status == "errored"


def test_each_check_of_a_run_is_a_sign(silent: Pair) -> None:
    run = silent.check()
    assert run.started_at is not None
    assert run.beat_at is not None
    assert run.beat_at > run.started_at
