"""Suites of workflow tests in the browser's words: write, record, import, run, compare, cover."""

import html
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from devtools.standin.server import StandIn
from environments.elastic import connect
from environments.marks import TEST_MARK
from environments.models import Environment
from promotion.engine.workflow import WorkflowTest
from promotion.models import Build, Review, Suite, SuiteRun
from promotion.services import capture, review
from promotion.suite_running import run_suite, run_waiting
from promotion.suite_runs import request_run
from promotion.suites import keep_test
from promotion.workflow_files import dump
from tests.factories import People, enter, put
from tests.greens import greens
from tests.promotion.conftest import adopted
from tests.promotion.test_workflows import done, patience, purchase, standin, suite

__all__ = ["adopted", "greens", "patience", "standin", "suite"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("greens")]
Browse = Callable[[User | None], Client]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def browse(plain_static_files: None) -> Browse:
    return enter


@pytest.fixture
def qa(people: People, browse: Browse) -> Client:
    return browse(people.qa.user)


def url(name: str, *args: object) -> str:
    return reverse(f"promotion:{name}", args=args)


def get(client: Client, name: str, /, *args: object, status: int = 200, **query: str) -> str:
    answer = client.get(url(name, *args), query, secure=True)
    assert answer.status_code == status
    return answer.content.decode()


def post(
    client: Client, page: str, /, *args: object, status: int = 200, **data: Any
) -> tuple[str, str]:
    """Send a form, follow where it leads, and return the page with its address."""
    answer = client.post(url(page, *args), data, secure=True, follow=True)
    assert answer.status_code == status
    chain = answer.redirect_chain
    where = chain[-1][0].removeprefix("https://testserver") if chain else ""
    return answer.content.decode(), where


def form(
    events: list[tuple[str, str]], expected: list[tuple[str, str, str]], **facts: object
) -> dict[str, Any]:
    """Return what the form of a test sends."""
    data: dict[str, Any] = {"name": "Mine", "source": "src-web-shop", "profile": "new", **facts}
    for prefix, names, rows in (
        ("event", ("type", "properties"), events),
        ("expect", ("kind", "subject", "value"), expected),
    ):
        data |= {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": len(rows)}
        for place, row in enumerate(rows):
            data |= {f"{prefix}-{place}-{n}": v for n, v in zip(names, row, strict=True)}
    return data


# --- The form ------------------------------------------------------------------------------------


def test_the_form_offers_what_staging_has(qa: Client, suite: Suite, staging: Environment) -> None:
    put(staging, "segment", "seg-1", json.dumps({"name": HOSTILE, "machine_name": "big"}))
    index = staging.naming.concrete("segment")
    connect(staging.cluster).request("POST", f"/{index}/_refresh")
    page = get(qa, "new-test", suite.pk)
    assert '<option value="src-web-shop">' in page
    assert '<option value="flow-purchase">' in page
    assert '<option value="rule-purchase">' in page
    assert '<option value="purchase-completed">' in page
    # A profile knows a segment by its machine name.
    assert '<option value="big">&lt;script&gt;' in page
    assert HOSTILE not in page


def test_a_test_is_written_and_changed_and_its_versions_stay(qa: Client, suite: Suite) -> None:
    rows = [("page-view", ""), ("purchase-completed", '{"total": 250}'), ("", "")]
    wanted = [
        ("flows", "flow-purchase", ""),
        ("traits", "last_total", "250"),
        ("answer", "response.code", '"250"'),
        ("traits", "name", "Ada"),
        ("no-errors", "", ""),
        ("", "", ""),
    ]
    page, where = post(qa, "new-test", suite.pk, **form(rows, wanted, version=2))
    assert where == url("suite", suite.pk)
    kept = Suite.objects.get().tests.get(name="Mine")
    assert kept.test.to_dict() == {
        "name": "Mine",
        "source": "src-web-shop",
        "profile": "new",
        "events": [
            {"type": "page-view"},
            {"type": "purchase-completed", "properties": {"total": 250}},
        ],
        "expect": {
            "flows": ["flow-purchase"],
            "answer": {"response.code": "250"},
            "traits": {"last_total": 250, "name": "Ada"},
            "no-errors": True,
        },
    }
    # What is shown is what was written, also a text that looks like a number.
    page = get(qa, "test", suite.pk, kept.pk)
    assert 'value="&quot;250&quot;"' in page
    assert "{\n  &quot;total&quot;: 250\n}" in page
    # Another order, and another name: a new version, and the earlier one stays.
    data = form(rows[:2], wanted[:1], version=3, name="Renamed")
    data |= {"event-0-ORDER": 2, "event-1-ORDER": 1}
    post(qa, "test", suite.pk, kept.pk, **data)
    [new] = Suite.objects.get().tests.exclude(name="A purchase of 250")
    assert (new.name, new.made_in) == ("Renamed", 4)
    assert [one.type for one in new.test.events] == ["purchase-completed", "page-view"]
    assert "This is an earlier version" in get(qa, "test", suite.pk, kept.pk)
    copied = get(qa, "new-test", suite.pk, copy=str(new.pk))
    assert 'value="Renamed (copy)"' in copied


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"event-0-properties": "{"}, "That is no JSON in line 1."),
        ({"event-0-properties": "[1]"}, "Write fields with their values"),
        ({"event-0-properties": '{"a": NaN}'}, "is no number that JSON holds"),
        ({"event-0-type": ""}, "This field is required"),
        ({"expect-0-kind": ""}, "This field is required"),
        ({"expect-0-kind": "", "expect-0-subject": ""}, "say what must be so afterwards"),
        ({"event-0-type": "", "event-0-properties": ""}, "a visit has at least one event"),
        ({"expect-0-subject": " "}, "Say which."),
        ({"expect-0-kind": "traits"}, "Say what it is."),
        ({"expect-0-kind": "rubbish"}, "rubbish is not one of the available choices"),
        ({"name": ""}, "This field is required"),
        ({"event-TOTAL_FORMS": "many"}, "ManagementForm data is missing"),
        ({"event-TOTAL_FORMS": "2000"}, "at most 50"),
    ],
)
def test_what_is_no_test_is_told_and_nothing_is_kept(
    qa: Client, suite: Suite, change: Mapping[str, str], words: str
) -> None:
    data: dict[str, Any] = form(
        [("page-view", '{"kept": 1}')], [("flows", "flow-purchase", "")], version=2
    )
    page, _ = post(qa, "new-test", suite.pk, status=400, **{**data, **change})
    assert words in page
    assert Suite.objects.get().version == 2


def test_a_row_is_added_without_a_script_and_nothing_is_judged(qa: Client, suite: Suite) -> None:
    data = form([("page-view", "{ half")], [("flows", "", "")], version=2, name="")
    page, _ = post(qa, "new-test", suite.pk, **data, more="event")
    assert 'name="event-1-type"' in page
    assert "{ half" in page
    assert "errorlist" not in page
    page, _ = post(qa, "new-test", suite.pk, **data, more="expect")
    assert 'name="expect-1-kind"' in page
    assert 'name="event-1-type"' not in page


def test_a_suite_that_was_changed_meanwhile_keeps_what_was_written(
    people: People, qa: Client, suite: Suite
) -> None:
    keep_test(people.qa, suite, purchase("Another's"), version=2)
    data = form([("page-view", "")], [("flows", "flow-purchase", "")], version=2)
    page, _ = post(qa, "new-test", suite.pk, status=400, **data)
    assert "is version 3 now, and you were shown 2" in page
    assert 'value="Mine"' in page
    assert 'name="version" value="3"' in page


def test_what_staging_does_not_have_any_more_stays_a_choice(
    people: People, qa: Client, suite: Suite
) -> None:
    raw = {**purchase().to_dict(), "name": "Old", "source": "src-gone"}
    kept = keep_test(people.qa, suite, WorkflowTest.from_dict(raw), version=2)
    assert 'value="src-gone"' in get(qa, "test", suite.pk, kept.pk)


def test_without_a_search_engine_a_test_can_still_be_written(
    qa: Client, suite: Suite, staging: Environment
) -> None:
    staging.cluster.url = "http://127.0.0.1:9"
    staging.cluster.save()
    assert "cannot be reached" in get(qa, "new-test", suite.pk)
    kept = suite.tests.get()
    data = form([("page-view", "")], [("flows", "flow-purchase", "")], version=2)
    post(qa, "test", suite.pk, kept.pk, **data)
    assert Suite.objects.get().tests.get().name == "Mine"
    assert "cannot be reached" in get(qa, "record-test", suite.pk, status=503)


# --- Recording -----------------------------------------------------------------------------------


def visit(standin: StandIn, session: str, *types: str, **properties: object) -> None:
    for kind in types:
        standin.track(
            {
                "source": {"id": "src-web-shop"},
                "session": {"id": session},
                "profile": {"id": f"of-{session}"},
                "events": [{"type": kind, "properties": properties}],
            }
        )
    index = standin.naming.partition("event", "2026-11")
    standin.connection.request("POST", f"/{index}/_refresh")


def test_a_recent_session_becomes_a_test_that_passes(
    people: People, qa: Client, suite: Suite, standin: StandIn
) -> None:
    session = f"sess/1 {HOSTILE}"
    visit(standin, session, "page-view", "purchase-completed", total=250, password="marked-9")
    done(people, suite)
    standin.connection.request("POST", f"/{standin.naming.partition('event', '2026-11')}/_refresh")
    listed = get(qa, "record-test", suite.pk)
    assert f"?session={quote(session, safe='')}" in listed
    assert HOSTILE not in listed
    # What workflow tests left is no session of a person.
    assert TEST_MARK not in listed.replace(f"begin with {TEST_MARK}", "")
    assert "page-view, purchase-completed" in listed
    page = get(qa, "new-test", suite.pk, session=session)
    assert "marked-9" not in page
    assert 'value="flow-purchase"' in page
    assert 'value="rule-purchase"' in page
    assert 'value="profile-created"' in page
    get(qa, "new-test", suite.pk, session="nobody's", status=404)


# --- Files ---------------------------------------------------------------------------------------


def file(name: str, text: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text, "application/yaml")


def test_tests_are_taken_from_files_and_given_as_files(qa: Client, suite: Suite) -> None:
    other, changed = purchase("Other"), purchase(segments=["big-spender"])
    files = [file("a.yaml", dump(other).encode()), file("b.yaml", dump(changed).encode())]
    page, _ = post(qa, "import-tests", suite.pk, version=2, tests=files)
    assert "2 tests were taken." in page
    assert [one.test for one in Suite.objects.get().tests] == [changed, other]
    answer = qa.get(url("export-suite", suite.pk), secure=True)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="shop.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        held = {name: archive.read(name).decode() for name in archive.namelist()}
    assert held == {"a-purchase-of-250.yaml": dump(changed), "other.yaml": dump(other)}
    assert qa.get(url("export-suite", suite.pk), secure=True).content == answer.content


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (b"name: [", "bad.yaml: "),
        (b"name: x", "bad.yaml: events: a visit has at least one event."),
        (b"\xff\xfe", "bad.yaml: the file is no UTF-8."),
        (b"a" * (256 * 1024 + 1), "bad.yaml is larger than 256 KiB."),
    ],
)
def test_of_files_all_are_taken_or_none(qa: Client, suite: Suite, bad: bytes, words: str) -> None:
    good = file("good.yaml", dump(purchase("Good")).encode())
    data = {"version": 2, "tests": [good, file("bad.yaml", bad)]}
    page, _ = post(qa, "import-tests", suite.pk, status=400, **data)
    assert words in page
    assert Suite.objects.get().version == 2
    twice = [file("a.yaml", dump(purchase("Good")).encode()) for _ in range(2)]
    page, _ = post(qa, "import-tests", suite.pk, version=2, tests=twice)
    assert "Two have the name Good." in page
    assert Suite.objects.get().version == 2


# --- Runs ----------------------------------------------------------------------------------------


def test_a_run_is_asked_for_watched_and_tells_what_it_showed(
    people: People, qa: Client, suite: Suite, staging: Environment
) -> None:
    raw = purchase(HOSTILE, segments=["nobody"]).to_dict()
    raw["events"][0]["properties"] = {"password": "marked-secret-9"}
    keep_test(people.qa, suite, WorkflowTest.from_dict(raw), version=2)
    build = capture(people.qa, staging)
    page, where = post(qa, "run-suite", suite.pk)
    assert "It waits for a worker." in page
    assert 'hx-trigger="every 1s"' in page
    page, _ = post(qa, "run-suite", suite.pk)
    assert "Another run goes on at Staging." in page
    [run] = run_waiting()
    partial = qa.get(where, secure=True, headers={"hx-request": "true"}).content.decode()
    assert "<html" not in partial
    assert "hx-trigger" not in partial
    page = get(qa, "suite-run", run.pk)
    assert "1 of 2 tests passed. It counts for content" in page
    assert f"Staging build {build.number}" in page
    assert "<b>Happened</b> there: big-spender" in page
    assert HOSTILE not in page
    green = run.results.get(status="passed")
    page = get(qa, "run-result", run.pk, green.pk)
    assert page.count("✓ yes") == len(green.outcomes)
    # The flow's picture with the nodes that ran.
    assert "\N{CHECK MARK} ran</text>" in page
    red = run.results.get(status="failed")
    page = get(qa, "run-result", run.pk, red.pk)
    assert "✕ no" in page
    assert "POST /track" in page
    assert "marked-secret-9" not in page


def test_what_did_not_pass_is_run_again_as_it_is_now(
    people: People, qa: Client, suite: Suite
) -> None:
    keep_test(people.qa, suite, purchase("Wrong", segments=["nobody"]), version=2)
    suite.refresh_from_db()
    first = done(people, suite)
    keep_test(people.qa, suite, purchase("Wrong", segments=["big-spender"]), version=3)
    post(qa, "run-again", first.pk)
    [again] = run_waiting()
    assert [one.name for one in again.tests] == ["Wrong"]
    assert (again.status, again.content) == ("passed", "")
    page, _ = post(qa, "run-again", again.pk)
    assert "There is nothing to run again." in page


def test_a_run_that_waits_is_cancelled_by_a_click(qa: Client, suite: Suite) -> None:
    _, where = post(qa, "run-suite", suite.pk)
    run = SuiteRun.objects.get()
    page, _ = post(qa, "cancel-run", run.pk)
    assert "It is cancelled." in page
    assert run_waiting() == []
    page, _ = post(qa, "cancel-run", run.pk)
    assert "is over. Nothing was changed." in page
    assert "not run" in qa.get(where, secure=True).content.decode()


def test_a_run_is_beside_that_of_the_last_approved_build(
    people: People, qa: Client, suite: Suite, staging: Environment
) -> None:
    approved = capture(people.qa, staging)
    good = done(people, suite)
    review(people.qa, approved, Review.Verdict.APPROVED, content=approved.content)
    put(staging, "rule", "rule-purchase", json.dumps({"name": "Off", "enabled": False}))
    capture(people.qa, staging)
    done(people, suite)
    keep_test(people.qa, suite, purchase("New", segments=["nobody"]), version=2)
    suite.refresh_from_db()
    now = done(people, suite)
    page = get(qa, "suite-run", now.pk)
    assert f"run {good.pk}</a>, of the last approved build: fails now: 2." in page
    other = get(qa, "suite-run", now.pk, against=str(good.pk + 1))
    assert "fails now: 1, fails as before: 1." in other
    get(qa, "suite-run", now.pk, against="999999", status=404)


# --- Coverage ------------------------------------------------------------------------------------


def test_coverage_tells_what_no_test_touches_and_which_concern_a_change(
    people: People, qa: Client, suite: Suite, staging: Environment, adopted: Environment
) -> None:
    nothing = purchase("Nothing", **{"no-errors": True}).to_dict()
    nothing["events"] = [{"type": "page-view"}]
    keep_test(people.qa, suite, WorkflowTest.from_dict(nothing), version=2)
    put(staging, "rule", "rule-purchase", json.dumps(_rule("Another name")))
    build = capture(people.qa, staging)
    page = get(qa, "coverage", "staging", build.number)
    assert "1 test goes through any of the 1 document that differ." in page
    concerned = page.partition('id="changes"')[2].partition('id="untouched"')[0]
    assert "A purchase of 250" in concerned
    assert "rule “Another name”" in concerned
    assert 'name="only" value="A purchase of 250"' in concerned
    assert "Nothing" not in concerned.replace("Nothing changes", "")
    untouched = page.partition('id="untouched"')[2]
    assert "flow-crm-sync" in untouched
    assert "flow-purchase<" not in untouched
    page, _ = post(qa, "run-suite", suite.pk, only=["A purchase of 250"])
    [run] = run_waiting()
    assert [one.name for one in run.tests] == ["A purchase of 250"]


def _rule(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "enabled": True,
        "event_type": {"id": "purchase-completed", "name": "purchase-completed"},
        "source": {"id": "src-web-shop", "name": "Web shop"},
        "flow": {"id": "flow-purchase", "name": "Purchase"},
    }


def test_what_a_test_names_and_the_build_lacks_is_told(
    people: People, qa: Client, suite: Suite, staging: Environment
) -> None:
    keep_test(people.qa, suite, purchase("Lost", flows=["flow-lost"]), version=2)
    build: Build = capture(people.qa, staging)
    page = get(qa, "coverage", "staging", build.number)
    assert "Tests that name what is not there" in page
    assert "flow-lost" in page


# --- Suites --------------------------------------------------------------------------------------


def test_a_suite_is_made_renamed_and_retired_by_its_pages(
    people: People, qa: Client, browse: Browse, staging: Environment
) -> None:
    assert "No suite yet." in get(qa, "suites")
    page, where = post(qa, "new-suite", environment=staging.slug, name=HOSTILE)
    made = Suite.objects.get()
    assert where == url("suite", made.pk)
    assert HOSTILE not in page
    page, _ = post(qa, "new-suite", status=400, environment=staging.slug, name=HOSTILE)
    assert "already" in page
    page, _ = post(qa, "rename-suite", made.pk, name="Shop")
    assert "It is renamed." in page
    page, _ = post(qa, "rename-suite", made.pk, name="")
    assert "has 1 to 80 characters" in page
    admin = browse(people.admin.user)
    post(admin, "require-suite", made.pk, requirement="run")
    assert Suite.objects.get().requirement == "run"
    assert "a green run" in get(qa, "suites")
    post(qa, "retire-suite", made.pk, status=403, version=1)
    page, _ = post(admin, "retire-suite", made.pk, version=1)
    assert "It was retired on" in page
    assert "No suite yet." in get(qa, "suites")
    page, _ = post(qa, "run-suite", made.pk)
    assert "Nothing was sent." in page


def test_a_run_that_nobody_asked_a_page_for_is_shown_all_the_same(
    people: People, qa: Client, suite: Suite
) -> None:
    run = run_suite(request_run(people.qa, suite, here=True))
    page = get(qa, "suite", suite.pk)
    assert f"Run {run.pk}</a>" in page
    assert f"{datetime.now(UTC):%Y}" in page


# --- What others found ---------------------------------------------------------------------------


def test_places_are_kept_while_rows_are_added(qa: Client, suite: Suite) -> None:
    data = form([("first", ""), ("second", "")], [("flows", "flow-purchase", "")], version=2)
    data |= {"event-0-ORDER": "2", "event-1-ORDER": "0"}
    page, _ = post(qa, "new-test", suite.pk, **data, more="expect")
    assert page.index('value="second"') < page.index('value="first"')
    post(qa, "new-test", suite.pk, **data)
    kept = Suite.objects.get().tests.get(name="Mine")
    # A place of 0 is the first.
    assert [one.type for one in kept.test.events] == ["second", "first"]
    huge = {**data, "event-TOTAL_FORMS": "9" * 5000}
    post(qa, "new-test", suite.pk, status=400, **huge)
    page, _ = post(qa, "new-test", suite.pk, **huge, more="event")
    assert 'name="event-0-type"' in page


@pytest.mark.parametrize("value", [" x ", "a\nb", "", "250", 250, None, [1, {"a": "b"}], "x" * 900])
def test_an_expectation_is_saved_as_it_was_shown(
    people: People, qa: Client, suite: Suite, value: Any
) -> None:
    kept = keep_test(people.qa, suite, purchase("Any", traits={"a": value}), version=2)
    page = get(qa, "test", suite.pk, kept.pk)
    shown = page.partition('name="expect-0-value"')[0].rpartition("<input")[2]
    shown += page.partition('name="expect-0-value"')[2].partition(">")[0]
    written = html.unescape(shown.partition('value="')[2].partition('"')[0])
    data = form([("page-view", "")], [("traits", "a", written)], version=3, name="Any")
    post(qa, "test", suite.pk, kept.pk, **data)
    [new] = Suite.objects.get().tests.filter(name="Any")
    assert new.test.expected[0].value == value


def test_a_new_test_takes_nobodys_place_and_an_edit_is_never_lost(
    people: People, qa: Client, suite: Suite
) -> None:
    name = "A purchase of 250"
    data = form([("page-view", "")], [("flows", "mine", "")], version=2, name=name)
    page, _ = post(qa, "new-test", suite.pk, status=400, **data)
    assert f"has a test {name}. Give this one its own name." in page
    old = suite.tests.get()
    keep_test(people.qa, suite, purchase(name, flows=["theirs"]), version=2)
    page, _ = post(qa, "test", suite.pk, old.pk, status=400, **data)
    assert "is version 3 now, and you were shown 2" in page
    # What was written is still there to be sent.
    assert 'value="mine"' in page
    assert "Save as a new version" in page


@pytest.mark.parametrize(
    "properties", ['{"a": [{"password": "••••••"}]}', '{"if": "token == \\"••••••\\""}']
)
def test_what_is_still_masked_is_no_test(qa: Client, suite: Suite, properties: str) -> None:
    rows = [("page-view", properties)]
    data = form(rows, [("flows", "flow-purchase", "")], version=2)
    page, _ = post(qa, "new-test", suite.pk, status=400, **data)
    assert "A recorded property is still masked." in page
    assert Suite.objects.get().version == 2


def test_sessions_of_odd_events_break_no_page(
    qa: Client, suite: Suite, standin: StandIn, staging: Environment
) -> None:
    index = staging.naming.partition("event", "2026-11")
    for number, odd in enumerate(
        (
            {"session": {"id": "odd"}, "source": {"id": "src-web-shop"}},
            {"session": {"id": "odd"}, "type": "a", "properties": {"x": "\ud800"}},
            {"session": {"id": "odd"}, "type": "b", "metadata": {"processed_by": {"flows": "f"}}},
            {"session": {"id": "half-\ud800"}, "type": "c"},
            {"session": None, "type": "d"},
        )
    ):
        path = f"/{index}/_doc/odd-{number}"
        standin.connection.request("PUT", path, params={"refresh": "true"}, body=json.dumps(odd))
    listed = get(qa, "record-test", suite.pk)
    assert "session=odd" in listed
    page = get(qa, "new-test", suite.pk, session="odd")
    assert 'value="a"' in page


def test_a_run_of_which_all_passed_is_not_run_again(
    people: People, qa: Client, suite: Suite
) -> None:
    run = done(people, suite)
    page, where = post(qa, "run-again", run.pk)
    assert "There is nothing to run again." in page
    assert where == url("suite-run", run.pk)


def test_without_files_nothing_is_taken(qa: Client, suite: Suite) -> None:
    page, _ = post(qa, "import-tests", suite.pk, status=400, version=2)
    assert "This field is required." in page
