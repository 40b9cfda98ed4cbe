"""What addresses, certificates and answers say of themselves, judged by their values alone."""

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from django.conf import settings

from environments.endpoints import CLOSED, COLLECTOR
from environments.findings import Severity
from environments.network import exposure, judging
from environments.network.facts import (
    Address,
    Answer,
    Asked,
    Certificate,
    Check,
    Flaw,
    Port,
    Speaks,
    State,
    Traces,
    Trouble,
)
from environments.network.private import is_public_name
from environments.network.verdicts import Verdict, closed_verdict, open_verdict
from tests.network.conftest import Tried

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
URL = "https://collect.shop.com"
TRACK, SCRIPT = COLLECTOR[0], next(one for one in COLLECTOR if one.name == "tracker")
DOCS, DEPLOY = CLOSED[0], next(one for one in CLOSED if one.name == "deploy")


def address(who: str, ips: str, port: int = 8686, host: str = "", url: str = "") -> Address:
    host = host or ips.split()[0]
    found = tuple(ip_address(one) for one in ips.split())
    return Address(who, who, url or f"http://{host}:{port}", host, port, found)


def codes(check: Check) -> dict[str, Severity]:
    return {one.code.removeprefix("network."): one.severity for one in check.findings}


ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


@pytest.mark.parametrize(
    ("staging", "production", "expected"),
    [
        (("10.0.0.1", 18686), ("10.0.0.2", 8686), {}),
        (("10.0.0.1", 8686), ("10.0.0.2", 8686), {"same-port": INFO}),
        (("10.0.0.1", 18686), ("10.0.0.1", 8686), {"same-address": WARNING}),
        (("10.0.0.1", 8686), ("10.0.0.1", 8686), {"same-server": ERROR}),
        # One of several behind a name is enough.
        (("10.0.0.7 10.0.0.1", 8686), ("10.0.0.1 10.0.0.2", 8686), {"same-server": ERROR}),
        (("fd12::1", 8686), ("fd12::1", 8687), {"same-address": WARNING}),
    ],
)
def test_two_apis_are_at_two_places(
    tried: Tried,
    staging: tuple[str, int],
    production: tuple[str, int],
    expected: dict[str, Severity],
) -> None:
    tried.checks += 1
    found = judging.apart(address("Staging", *staging), address("Production", *production), None)
    assert codes(found) == expected


def test_staging_shares_no_address_with_the_public(tried: Tried) -> None:
    tried.checks += 1
    staging, api = address("Staging", "203.0.113.5", 8686), address("Production", "10.0.0.2", 8687)
    public = address("Production", "203.0.113.5", 443, "collect.shop.com", URL)
    assert codes(judging.apart(staging, api, public)) == {"same-address": WARNING}


@pytest.mark.parametrize(
    ("ips", "host", "expected"),
    [
        ("10.1.2.3", "", {}),
        ("172.16.0.1", "", {}),
        ("172.31.255.254", "", {}),
        ("192.168.1.1", "", {}),
        ("127.0.0.1", "", {}),
        ("::1", "", {}),
        ("100.64.0.1", "", {}),
        ("fd00::1", "", {}),
        ("172.32.0.1", "", {"staging-public": ERROR}),
        ("100.128.0.1", "", {"staging-public": ERROR}),
        ("203.0.113.5", "", {"staging-public": ERROR}),
        ("198.18.0.1", "", {"staging-public": ERROR}),
        ("2001:db8::1", "", {"staging-public": ERROR}),
        ("0.0.0.1", "", {"staging-public": ERROR}),
        ("64:ff9b::a00:1", "", {"staging-public": ERROR}),
        ("10.0.0.1 8.8.8.8", "staging.lan", {"staging-public": ERROR}),
        ("169.254.10.1", "", {"staging-link-local": ERROR}),
        ("fe80::1", "", {"staging-link-local": ERROR}),
        ("10.0.0.1", "staging.shop.com", {"staging-public-name": INFO}),
        ("8.8.8.8", "staging.shop.com", {"staging-public": ERROR}),
        ("10.0.0.1", "staging.internal", {}),
        ("10.0.0.1", "staging", {}),
    ],
)
def test_staging_is_private_at_each_of_its_addresses(
    tried: Tried, ips: str, host: str, expected: dict[str, Severity]
) -> None:
    tried.checks += 1
    assert codes(judging.private(address("Staging", ips, host=host))) == expected


def test_a_name_is_public_where_everybodys_resolver_may_know_it() -> None:
    public = ("shop.com", "a.b.co.uk", "staging.local.shop.com", "xn--bcher-kva.de")
    inner = ("staging", "a.local", "x.home.arpa", "a.corp", "10.0.0.1", "fd00::1", "db.test.")
    assert [is_public_name(one) for one in public] == [True] * len(public)
    assert [is_public_name(one) for one in inner] == [False] * len(inner)


def test_an_api_for_the_staff_is_private(tried: Tried) -> None:
    tried.checks += 2
    assert codes(judging.production_private(address("Shop", "10.0.0.1"))) == {}
    found = judging.production_private(address("Shop", "203.0.113.5"))
    assert codes(found) == {"production-api-public": WARNING}


def test_what_cannot_be_looked_up_is_not_judged(tried: Tried) -> None:
    tried.checks += 3
    lost = Address("Staging", "s", "http://gone.test", "gone.test", 80, problem="No such name.")
    known = address("Production", "10.0.0.1")
    for check in (
        judging.apart(lost, known, None),
        judging.private(lost),
        judging.production_private(lost),
    ):
        assert (check.state, check.words, check.findings) == (State.UNKNOWN, "No such name.", ())


# --- Which side a server is ----------------------------------------------------------------------


def details(context: str = "", **facts: object) -> Answer:
    body = json.dumps({"version": "0.8.1", **facts}).encode()
    return Answer(status=200, context=context, body=body)


@pytest.mark.parametrize(
    ("is_production", "answer", "expected"),
    [
        (False, details(production=False), {}),
        (True, details(production=True), {}),
        (False, details(production=True), {"staging-is-production": ERROR}),
        (True, details(production=False), {"production-is-staging": ERROR}),
        # Something before it turns each request into one of production.
        (False, details("production", production=False), {"context-forced": ERROR}),
        (False, details("Production", production=False), {}),
        (True, details("production", production=False), {"production-is-staging": ERROR}),
        # A production server heeds no such header.
        (True, details("staging", production=True), {}),
        (False, details("staging", production=False), {}),
        (False, details(production=False, version="0.8.2"), {"version": WARNING}),
        (False, details(production=False, version=8), {}),
    ],
)
def test_a_server_says_which_side_it_is(
    tried: Tried, is_production: bool, answer: Answer, expected: dict[str, Severity]
) -> None:
    tried.checks += 1
    tried.paths += 1
    found = judging.identity(
        address("Shop", "10.0.0.1"),
        answer,
        is_production=is_production,
        version="0.8.1",
        shares=False,
    )
    assert codes(found) == expected
    assert found.told


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=404),
        Answer(status=401),
        Answer(trouble=Trouble.LATE),
        Answer(trouble=Trouble.REFUSED),
        Answer(status=200, body=b"<html>"),
        Answer(status=200, body=b"[]"),
        Answer(status=200, body=b"[" * 9000),
        Answer(status=200, body=b"\xff\xfe"),
        details(),
        details(production="no"),
        details(production=0),
    ],
)
def test_what_does_not_say_its_side_is_never_taken_for_one(tried: Tried, answer: Answer) -> None:
    tried.checks += 1
    for side in (True, False):
        found = judging.identity(
            address("Shop", "10.0.0.1"), answer, is_production=side, version="0.8.1", shares=True
        )
        assert found.state is State.UNKNOWN
        assert found.findings == ()
        assert "nobody can tell" in found.words


def test_a_staging_in_productions_cluster_is_told_of_the_header_that_opens_it(
    tried: Tried,
) -> None:
    tried.checks += 1
    found = judging.identity(
        address("Staging", "10.0.0.1"),
        details(production=False),
        is_production=False,
        version="0.8.1",
        shares=True,
    )
    assert codes(found) == {"context-header": INFO}
    assert found.state is State.OK


# --- TLS -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (timedelta(days=90), {}),
        (timedelta(days=30), {}),
        (timedelta(days=29, hours=23), {"tls-ends": WARNING}),
        (timedelta(days=7), {"tls-ends": WARNING}),
        (timedelta(days=6, hours=23), {"tls-ends": ERROR}),
        (timedelta(minutes=5), {"tls-ends": ERROR}),
    ],
)
def test_a_certificate_is_renewed_in_time(
    tried: Tried, left: timedelta, expected: dict[str, Severity]
) -> None:
    tried.checks += 1
    public = address("Shop", "203.0.113.5", 443, "collect.shop.com", URL)
    assert codes(judging.tls(public, Certificate(ends=NOW + left), NOW)) == expected


def test_each_flaw_of_a_certificate_has_words_of_its_own(tried: Tried) -> None:
    public = address("Shop", "203.0.113.5", 443, "collect.shop.com", URL)
    said = set()
    for flaw in Flaw:
        tried.checks += 1
        shown = Certificate(flaw=flaw, ends=NOW, names=("other.shop.com",))
        [found] = judging.tls(public, shown, NOW).findings
        assert found.severity is ERROR
        said |= {found.code, found.message, found.remedy}
    assert len(said) == 3 * len(Flaw)


def test_a_public_address_without_tls_is_an_error(tried: Tried) -> None:
    tried.checks += 1
    plain = address("Shop", "203.0.113.5", 80, "collect.shop.com", "http://collect.shop.com")
    assert codes(judging.tls(plain, judging.NO_TLS, NOW)) == {"plain-http": ERROR}


# --- Endpoints -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(status=403), Verdict.CLOSED),
        (Answer(status=404), Verdict.CLOSED),
        (Answer(trouble=Trouble.REFUSED), Verdict.CLOSED),
        (Answer(trouble=Trouble.BROKEN), Verdict.CLOSED),
        (Answer(status=404, from_tracardi=True), Verdict.CLOSED_BEHIND),
        (Answer(status=403, from_tracardi=True), Verdict.CLOSED_BEHIND),
        (Answer(status=401), Verdict.OPEN),
        (Answer(status=200), Verdict.OPEN),
        (Answer(status=204), Verdict.OPEN),
        (Answer(status=405), Verdict.OPEN),
        (Answer(status=422), Verdict.OPEN),
        (Answer(status=500), Verdict.OPEN),
        (Answer(status=503, from_tracardi=True), Verdict.OPEN),
        (Answer(status=307, location=f"{URL}/deploy/"), Verdict.OPEN),
        (Answer(status=307, location="/deploy/"), Verdict.OPEN),
        (Answer(status=302, location="https://login.shop.com/"), Verdict.ELSEWHERE),
        (Answer(status=302, location="https://[broken/"), Verdict.ELSEWHERE),
        (Answer(status=502), Verdict.UNKNOWN),
        (Answer(status=429), Verdict.UNKNOWN),
        (Answer(trouble=Trouble.LATE), Verdict.UNKNOWN),
        (Answer(trouble=Trouble.NOT_ASKED), Verdict.UNKNOWN),
        (Answer(trouble=Trouble.TLS), Verdict.UNKNOWN),
    ],
)
def test_what_must_be_closed_is_judged_by_what_it_answers(
    tried: Tried, answer: Answer, expected: Verdict
) -> None:
    tried.paths += 1
    assert closed_verdict(Asked(DEPLOY, answer), URL) is expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(status=200, allows_origin=True), Verdict.OPEN),
        (Answer(status=204, allows_origin=True), Verdict.OPEN),
        (Answer(status=200), Verdict.NO_PREFLIGHT),
        (Answer(status=405, from_tracardi=True), Verdict.NO_PREFLIGHT),
        (Answer(status=403), Verdict.CLOSED),
        (Answer(status=404), Verdict.CLOSED),
        (Answer(status=401), Verdict.CLOSED),
        (Answer(status=502), Verdict.BROKEN),
        (Answer(trouble=Trouble.REFUSED), Verdict.BROKEN),
        (Answer(trouble=Trouble.LATE), Verdict.UNKNOWN),
        # That the console may not go there says nothing of others.
        (Answer(trouble=Trouble.FORBIDDEN), Verdict.UNKNOWN),
        (Answer(status=429), Verdict.UNKNOWN),
        (Answer(status=302, location="https://other.shop.com/track"), Verdict.ELSEWHERE),
    ],
)
def test_what_must_be_open_is_judged_by_what_it_answers(
    tried: Tried, answer: Answer, expected: Verdict
) -> None:
    tried.paths += 1
    assert open_verdict(Asked(TRACK, answer), URL) is expected


def test_a_script_that_tracardi_does_not_have_is_open_all_the_same(tried: Tried) -> None:
    tried.paths += 2
    behind = Answer(status=404, from_tracardi=True)
    assert open_verdict(Asked(SCRIPT, behind), URL) is Verdict.OPEN
    assert open_verdict(Asked(SCRIPT, Answer(status=404)), URL) is Verdict.CLOSED


def test_plain_http_may_lead_to_https_and_take_nothing(tried: Tried) -> None:
    tried.checks += 6
    public = address("Shop", "203.0.113.5", 443, "collect.shop.com", URL)
    leads = Answer(status=301, location="https://collect.shop.com/track")
    takes = Answer(status=200, allows_origin=True)
    for answer, expected in (
        (leads, {}),
        (Answer(status=404), {}),
        (Answer(trouble=Trouble.REFUSED), {}),
        (Answer(trouble=Trouble.LATE), {}),
        (takes, {"plain-collector": WARNING}),
        (Answer(status=405, from_tracardi=True), {"plain-collector": WARNING}),
    ):
        found = exposure.plain_port(public, Asked(TRACK, answer))
        assert (codes(found), found.told, found.cut_short) == (expected, True, False)
    unseen = exposure.plain_port(public, Asked(TRACK, Answer(trouble=Trouble.NOT_ASKED)))
    assert (unseen.state, unseen.cut_short) == (State.UNKNOWN, True)


def test_an_http_address_that_leads_to_https_is_asked_no_further(tried: Tried) -> None:
    tried.checks += 2
    public = address("Shop", "203.0.113.5", 80, "collect.shop.com", "http://collect.shop.com")
    asked = [
        Asked(one, Answer(status=301, location=f"https://collect.shop.com{one.sample}"))
        for one in (*COLLECTOR, *CLOSED)
    ]
    assert codes(exposure.collector(public, asked[: len(COLLECTOR)])) == {
        "collector-redirects": WARNING
    }
    shut = exposure.closed(public, asked[len(COLLECTOR) :])
    assert (codes(shut), shut.state) == ({}, State.UNKNOWN)


def test_the_documents_have_the_table_as_it_is(tried: Tried) -> None:
    text = (settings.BASE_DIR / "docs" / "network.md").read_text()
    for one in COLLECTOR:
        tried.paths += 1
        assert f"| `{one.sample}` | {', '.join(one.methods)} | {one.asked_by} | {one.why} |" in text
    for one in CLOSED:
        tried.paths += 1
        assert f"| `{one.sample}` | {one.asked_by} | {one.why} |" in text


# --- Databases and events ------------------------------------------------------------------------


def test_a_database_that_answers_is_an_error_and_an_open_port_a_warning(tried: Tried) -> None:
    tried.checks += 1
    public = address("Shop", "203.0.113.5", 443, "collect.shop.com", URL)
    found = exposure.ports(
        public,
        [
            Port(9200, Speaks.ELASTICSEARCH, "203.0.113.5"),
            Port(6379, Speaks.REDIS, "203.0.113.5"),
            Port(9300, Speaks.SOMETHING, "203.0.113.5"),
            Port(9201, Speaks.NOTHING),
            Port(9202, Speaks.UNKNOWN, trouble=Trouble.FORBIDDEN),
        ],
    )
    assert [(one.severity, one.subject) for one in found.findings] == [
        (ERROR, "9200"),
        (ERROR, "6379"),
        (WARNING, "9300"),
    ]
    assert not found.told
    assert "9202, which is not in ALLOWED_TARGETS" in found.words


def test_without_an_event_of_staging_nobody_claims_where_they_go(tried: Tried) -> None:
    tried.checks += 3
    nothing = judging.traces("Staging", "s", Traces(days=30))
    assert (nothing.state, nothing.findings) == (State.UNKNOWN, ())
    assert judging.traces("Staging", "s", Traces(servers=2, days=30)).state is State.OK
    lost = judging.traces("Staging", "s", Traces(problem="No answer."))
    assert (lost.state, lost.words, lost.cut_short) == (State.UNKNOWN, "No answer.", True)


def test_docs_that_tracardi_itself_refuses_are_told_as_information(tried: Tried) -> None:
    tried.checks += 1
    public = address("Shop", "203.0.113.5", 443, "collect.shop.com", URL)
    found = exposure.closed(public, [Asked(DOCS, Answer(status=404, from_tracardi=True))])
    assert codes(found) == {"closed-by-tracardi": INFO}
    assert found.state is State.OK
