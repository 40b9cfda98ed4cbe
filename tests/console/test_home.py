"""The home page of each role: what waits, from what is kept; no engine is behind these."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.audit import system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import grant
from environments import start_pages
from environments.models import Environment, HealthState
from promotion.models import (
    Build,
    Drift,
    Promotion,
    RunResult,
    Suite,
    SuiteRun,
    SuiteTest,
    Unlocking,
    WorkerSign,
)
from promotion.waiting import queue, work
from tests.console.shops import judge, keep, person, put_live
from tests.factories import enter
from tracardi_console.home import PIPELINES
from tracardi_console.needs import needs

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
HOME = reverse("admin:index")
NEED = re.compile(
    r'<span class="tc-badge[^>]*>(\w+)</span>\s*<p>(?:<a href="([^"]*)">|<strong>)([^<]*)<'
)


def look(user: User, address: str = HOME) -> str:
    answer = enter(user).get(address, secure=True)
    assert answer.status_code == 200
    return answer.content.decode()


def production_of(shop: Environment) -> Environment:
    assert shop.promotes_to is not None
    return shop.promotes_to


@pytest.fixture
def admin(shop: Environment) -> User:
    return person(Role.ADMINISTRATOR, shop)


@pytest.fixture
def at_work(shop: Environment) -> None:
    """A worker that gave its sign a moment ago."""
    WorkerSign.objects.create(name="w", parts=[part.value for part in WorkerSign.Part])


def another(shop: Environment, number: int, *users: User) -> Environment:
    """Make one more pipeline, which has something of everything, and return its staging."""
    facts: dict[str, Any] = {"cluster": shop.cluster, "version": "0.8.1", "tenant": f"t{number}"}
    production = Environment.objects.create(
        name=f"Live {number}", slug=f"live-{number}", kind="production", **facts
    )
    staging = Environment.objects.create(
        name=f"Shop {number}",
        slug=f"shop-{number}",
        kind="staging",
        promotes_to=production,
        **facts,
    )
    for user in users:
        grant(system_actor(), user, staging)
    return staging


# --- The administrator --------------------------------------------------------------------------


@pytest.mark.usefixtures("at_work")
def test_the_administrator_is_told_first_what_needs_them_each_with_its_link(
    shop: Environment, admin: User, qa: User
) -> None:
    production = production_of(shop)
    live, approved = keep(shop, {"a": "One"}), keep(shop, {"a": "Two"})
    put_live(live)
    judge(approved, qa)
    Drift.objects.create(
        environment=production, marker="m", resources={}, counts={"changed": 2}, content="c"
    )
    Unlocking.objects.create(environment=production, reason="By hand", unlocked_by=admin)
    failed = Promotion.objects.create(
        kind="prepare",
        environment=production,
        build=approved,
        status="failed",
        message="The disk is full.",
        finished_at=timezone.now(),
    )
    finding = {"code": "x", "severity": "warning", "message": "m", "remedy": "r"}
    HealthState.objects.create(environment=shop, looked_at=timezone.now(), findings=[finding])
    text = look(admin)
    assert [(mark, subject, url) for mark, url, subject in NEED.findall(text)] == [
        (
            "wrong",
            f"Preparation {failed.pk} of Staging build 2 for Production failed",
            reverse("promotion:promotion", args=[failed.pk]),
        ),
        ("look", "Drift in Production", reverse("promotion:drift", args=["production"])),
        (
            "look",
            "Production is unlocked",
            reverse("promotion:environment", args=["production"]),
        ),
        ("look", "Health of Staging", reverse("environments:health", args=["staging"])),
        (
            "next",
            "Staging build 2 is approved",
            reverse("promotion:promote", args=["staging", approved.number]),
        ),
    ]
    assert "The disk is full, ended 0\xa0minutes ago." in text
    assert "2 changed by hand, found 0\xa0minutes ago. Settle it." in text
    assert text.index("What needs you now") < text.index("tc-pipeline")
    assert "What needs you now" not in look(qa)


@pytest.mark.usefixtures("at_work")
def test_what_is_settled_needs_nobody(shop: Environment, admin: User, qa: User) -> None:
    production = production_of(shop)
    assert "Production is not adopted yet" in look(admin)
    build = keep(shop, {"a": "One"})
    Promotion.objects.create(kind="promote", environment=production, build=build, status="failed")
    judge(build, qa)
    # It went live since, so that neither the failure nor the approval waits.
    put_live(build)
    text = look(admin)
    assert NEED.findall(text) == []
    assert "Nothing needs you now." in text
    # What was composed on a content that is live no more is no offer.
    Build.objects.create(
        environment=shop,
        number=9,
        kind="composed",
        content="x" * 64,
        composed_on="another",
        exact="e",
        cluster_uuid="u",
        version="0.8.1",
    )
    judge(Build.objects.get(number=9), qa)
    assert "Nothing needs you now." in look(admin)


def test_that_no_worker_runs_is_said_before_all_else(shop: Environment, admin: User) -> None:
    assert NEED.findall(look(admin))[0][2] == "No worker gives a sign of life"
    WorkerSign.objects.create(name="w", parts=["queue"])
    text = look(admin)
    assert "A worker is missing" in text
    assert "Start manage.py worker --only schedule." in text


# --- QA -----------------------------------------------------------------------------------------


def test_qa_sees_what_waits_for_a_review_the_oldest_first(shop: Environment, qa: User) -> None:
    assert "Nothing waits." in look(qa)
    outdated, done, waits = (keep(shop, {"a": name}) for name in ("One", "Two", "Three"))
    judge(done, qa)
    elsewhere = keep(another(shop, 1), {"a": "Elsewhere"})
    older = keep(another(shop, 2, qa), {"a": "Older"})
    long_ago = timezone.now() - timedelta(days=3)
    Build.objects.filter(pk=older.pk).update(captured_at=long_ago)
    text = look(qa)
    listed = re.findall(r'<th scope="row"><a href="[^"]*">([^<]* build \d+)</a>', text)
    assert listed == [str(older), str(waits)]
    assert "<td>3\xa0days<br>" in text
    assert str(elsewhere) not in text
    assert str(outdated) not in listed


def test_qa_sees_what_changed_since_the_last_approval_by_resource(
    shop: Environment, qa: User
) -> None:
    keep(shop, {"a": "One"})
    assert "no build was approved yet" in look(qa)
    judge(Build.objects.get(), qa)
    assert "as build 1, which was approved" in look(qa)
    keep(shop, {"a": "Renamed", "b": "New"})
    text = re.sub(r"\s+", " ", look(qa))
    assert "against build 1</a>, the last approved" in text
    (row,) = re.findall(r'<ul class="tc-differences">(.*?)</ul>', text)
    assert re.sub(r"<[^>]*>", " ", row).split() == ["Rules", "1", "added", "1", "changed"]


def test_qa_sees_how_the_last_workflow_tests_went(shop: Environment, qa: User) -> None:
    build = keep(shop, {"a": "One"})
    assert "none was run yet" in look(qa)
    suite = Suite.objects.create(environment=shop, name="Shop", made_by=qa)
    tests = [
        SuiteTest.objects.create(suite=suite, name=name, facts={}, made_in=1, made_by=qa)
        for name in ("Buys", "Leaves")
    ]
    run = SuiteRun.objects.create(
        environment=shop,
        suite=suite,
        suite_version=1,
        chosen=[one.pk for one in tests],
        status="failed",
        content=build.content,
    )
    for test, status in zip(tests, ("passed", "failed"), strict=True):
        RunResult.objects.create(run=run, test=test, status=status)
    text = look(qa)
    assert reverse("promotion:suite-run", args=[run.pk]) in text
    assert "1 of 2 passed" in text
    assert "it counts for build 1" in text
    keep(shop, {"a": "Two"})
    assert "it does not count for build 2" in look(qa)


def test_a_long_list_of_changes_is_told_without_opening_it(
    shop: Environment, qa: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(shop, {"a": "One"})
    judge(Build.objects.get(), qa)
    keep(shop, {"a": "Two"})
    monkeypatch.setattr("promotion.waiting.LONGEST_OPENED", 0)
    (found,) = work([shop])[shop.pk].differences
    assert (found.label, found.counts) == ("Rules", None)
    assert "changed</span>" in look(qa)


# --- A page of one's own to begin at ------------------------------------------------------------


@pytest.fixture
def begin_at() -> Iterator[Callable[[str], None]]:
    """Let everybody begin at an address."""
    chosen = [""]
    before = list(start_pages._providers)
    start_pages.register_start_page(lambda _user: chosen[0])
    yield lambda address: chosen.__setitem__(0, address)
    start_pages._providers[:] = before


def test_a_chosen_page_is_where_one_begins_and_home_is_still_there(
    shop: Environment, qa: User, begin_at: Callable[[str], None]
) -> None:
    marketing = person(Role.MARKETING, shop)
    own = reverse("environments:dashboard", args=["staging"])
    assert enter(marketing).get(HOME, secure=True).headers["Location"] == own
    begin_at("/environments/")
    for user in (qa, marketing):
        assert enter(user).get(HOME, secure=True).headers["Location"] == "/environments/"
    assert 'href="/?home"' in look(qa, "/environments/")
    assert "What waits for your review" in look(qa, f"{HOME}?home")
    # Who has no home page is led on all the same.
    answer = enter(marketing).get(f"{HOME}?home", secure=True)
    assert answer.headers["Location"] == "/environments/"


# --- Bounds -------------------------------------------------------------------------------------


def test_however_many_pipelines_there_are_what_waits_is_asked_with_as_many_queries(
    shop: Environment, admin: User, qa: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    def fill(staging: Environment) -> None:
        build = keep(staging, {"a": f"One of {staging}"})
        judge(build, qa)
        keep(staging, {"a": f"Two of {staging}"})
        put_live(build)
        facts = {"resources": {}, "counts": {"changed": 1}, "content": "c", "marker": "m"}
        Drift.objects.create(environment=production_of(staging), **facts)
        HealthState.objects.create(environment=staging, problem="no answer")

    def ask(stagings: list[Environment]) -> None:
        person_now = User.objects.get(pk=qa.pk)
        needs()
        queue(person_now)
        work(stagings)

    fill(shop)
    with CaptureQueriesContext(connection) as few:
        ask([shop])
    more = [another(shop, number, qa) for number in range(6)]
    for one in more:
        fill(one)
    with django_assert_num_queries(len(few)):
        ask([shop, *more])
    assert len(few) < 35


def test_a_page_of_ten_pipelines_asks_as_many_queries_however_many_more_there_are(
    shop: Environment, admin: User, qa: User
) -> None:
    asked: dict[tuple[str, int], int] = {}
    # There is a second page in both cases.
    for count in (PIPELINES + 1, PIPELINES + 4):
        for number in range(Environment.objects.staging().count(), count):
            judge(keep(another(shop, number, qa), {"a": f"Of {number}"}), qa)
        for user in (admin, qa):
            client = enter(user)
            with CaptureQueriesContext(connection) as found:
                assert client.get(HOME, secure=True).status_code == 200
            asked[user.role, count] = len(found)
    for user in (admin, qa):
        assert asked[user.role, PIPELINES + 4] == asked[user.role, PIPELINES + 1], asked
    assert max(asked.values()) < 260, asked
