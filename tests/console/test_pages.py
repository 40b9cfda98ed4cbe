"""Lists and details as the roles see them, without an engine behind them."""

from collections.abc import Callable

import pytest
from django.urls import reverse

from accounts.audit import record, system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user, grant
from environments.models import Cluster, Environment
from promotion.models import Build, Promotion, Review
from tests.factories import enter

pytestmark = pytest.mark.django_db
Look = Callable[..., str]


@pytest.fixture
def shop() -> Environment:
    """A staging with its production; the cluster's address answers nothing."""
    cluster = Cluster.objects.create(name="C", url="http://127.0.0.1:9")
    facts = {"cluster": cluster, "version": "0.8.1", "tenant": "acme"}
    production = Environment.objects.create(
        name="Production", slug="production", kind="production", **facts
    )
    return Environment.objects.create(
        name="Staging", slug="staging", kind="staging", promotes_to=production, **facts
    )


def builds(shop: Environment, count: int) -> list[Build]:
    return [
        Build.objects.create(
            environment=shop,
            number=number,
            content=f"c{number}",
            exact="e",
            cluster_uuid="u",
            version="0.8.1",
        )
        for number in range(1, count + 1)
    ]


@pytest.fixture
def qa(shop: Environment) -> User:
    user = create_user(system_actor(), username="qa", role=Role.QA, password="a long phrase 77")
    grant(system_actor(), user, shop)
    return user


@pytest.fixture
def look(qa: User, plain_static_files: None) -> Look:
    """Return what QA sees at an address."""
    client = enter(qa)

    def see(name: str, *args: object, **query: str) -> str:
        answer = client.get(reverse(name, args=args), query, secure=True)
        assert answer.status_code == 200
        return answer.content.decode()

    return see


def test_a_long_list_has_pages_and_keeps_its_filter(shop: Environment, look: Look) -> None:
    builds(shop, 60)
    first = look("promotion:builds", kind="capture")
    assert "Page 1 of 3" in first
    assert "?kind=capture&amp;page=2" in first
    assert "Staging build 60" in first
    assert "Staging build 1<" in look("promotion:builds", page="3")
    # A page that is not there is the nearest one.
    assert "Page 3 of 3" in look("promotion:builds", page="999")


def test_builds_are_filtered_by_verdict(shop: Environment, look: Look, qa: User) -> None:
    good, bad, _waiting = builds(shop, 3)
    for build, verdict in ((good, "approved"), (bad, "rejected")):
        Review.objects.create(
            build=build,
            environment=shop,
            content=build.content,
            verdict=verdict,
            comment=f"It was {verdict}",
            reviewed_by=qa,
        )
    for verdict, number in (("approved", 1), ("rejected", 2), ("waiting", 3)):
        text = look("promotion:builds", verdict=verdict)
        shown = [n for n in (1, 2, 3) if f"Staging build {n}<" in text]
        assert shown == [number]
    text = look("promotion:reviews", q="was rejected")
    assert "Staging build 2" in text
    assert "Staging build 1" not in text


def test_a_filter_that_is_none_is_said_so_and_leaves_nothing_out(
    shop: Environment, look: Look
) -> None:
    builds(shop, 1)
    text = look("promotion:builds", kind="nonsense")
    assert "It was left out." in text
    assert "Staging build 1" in text


def test_many_environments_come_by_page_and_are_found(
    shop: Environment, qa: User, look: Look
) -> None:
    for number in range(30):
        one = Environment.objects.create(
            name=f"Shop {number:02}",
            slug=f"shop-{number}",
            kind="staging",
            cluster=shop.cluster,
            version="0.8.1",
            tenant=f"t{number}",
        )
        grant(system_actor(), qa, one)
    assert "Page 1 of 2" in look("promotion:environments")
    text = look("promotion:environments", q="t17")
    assert "Shop 17" in text
    assert "Shop 18" not in text
    assert "Shop 17" not in look("promotion:environments", kind="production")
    assert "No environment fits." in look("promotion:environments", q="nowhere")


def test_qa_sees_its_own_acts_and_those_on_its_builds_alone(shop: Environment, look: Look) -> None:
    [build] = builds(shop, 1)
    record(system_actor(), "build.capture", build)
    record(system_actor(), "account.granted", shop.promotes_to)
    text = look("audit")
    assert "build.capture" in text
    assert "account.granted" not in text
    assert "Nothing was recorded that fits." in look("audit", outcome="failed")


def test_without_a_grant_on_production_no_title_of_it_is_shown(
    shop: Environment, look: Look
) -> None:
    [build] = builds(shop, 1)
    assert "against=live" not in look("promotion:build", shop.slug, build.number, against="live")


def test_a_waiting_preparation_says_that_it_waits_for_a_worker(
    shop: Environment, look: Look
) -> None:
    [build] = builds(shop, 1)
    waiting = Promotion.objects.create(kind="prepare", environment=shop, build=build)
    assert "Waiting for a worker" in look("promotion:promotion", waiting.pk)


def test_home_says_that_staging_cannot_be_reached(shop: Environment, look: Look) -> None:
    builds(shop, 1)
    text = look("admin:index")
    assert "Cannot be reached" in text
    assert "nothing answers at its address" in text
    assert "Review the build" in text


def test_many_pipelines_have_pages_and_a_search(shop: Environment, look: Look, qa: User) -> None:
    facts = {"cluster": shop.cluster, "version": "0.8.1"}
    for n in range(11):
        production = Environment.objects.create(
            name=f"Tenant {n} live", slug=f"p{n}", kind="production", tenant=f"t{n}", **facts
        )
        staging = Environment.objects.create(
            name=f"Tenant {n}",
            slug=f"s{n}",
            kind="staging",
            tenant=f"t{n}",
            promotes_to=production,
            **facts,
        )
        grant(system_actor(), qa, staging)
    first = look("admin:index")
    assert "Page 1 of 2" in first
    assert first.count('class="tc-pipeline"') == 10
    assert look("admin:index", page="2").count('class="tc-pipeline"') == 2
    assert look("admin:index", q="tenant 7").count('class="tc-pipeline"') == 1
    assert "No pipeline fits." in look("admin:index", q="nothing of that name")
