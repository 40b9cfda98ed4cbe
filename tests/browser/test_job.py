"""The main job as people click it: adopt, capture, approve, promote, roll back; marketing looks."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from environments.elastic import Connection
from environments.models import Environment
from promotion.writer import ClusterWriter
from tests.browser.conftest import NARROW, sign_in
from tests.factories import People
from tests.promotion.conftest import Put

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long enough phrase 7"


@pytest.fixture(autouse=True)
def work_at_once(settings: Settings) -> Iterator[None]:
    """Run background work where it is enqueued, so that no worker process is needed."""
    settings.TASKS = {"default": {"BACKEND": "django_tasks.backends.immediate.ImmediateBackend"}}
    yield


def enter(page: Page, live_server: LiveServer, user: User | None) -> None:
    assert user is not None
    page.context.clear_cookies()
    sign_in(page, live_server, user)


def served(engine: Connection, environment: Environment) -> set[str]:
    writer = ClusterWriter(engine)
    return {doc_id for doc_id, _source in writer.read(environment.naming.alias("segment"))}


def test_the_main_job_in_the_browser(
    page: Page,
    live_server: LiveServer,
    people: People,
    production: Environment,
    engine: Connection,
    put: Put,
) -> None:
    enter(page, live_server, people.admin.user)
    page.get_by_role("link", name="Adopt production").click()
    page.get_by_label("I have read what will happen").check()
    page.get_by_role("button", name="Adopt").click()
    expect(page.locator("#progress")).to_contain_text("succeeded")

    put("segment", "summer", '{"name": "Summer"}')
    enter(page, live_server, people.qa.user)
    expect(page.get_by_text("Changed", exact=True)).to_be_visible()
    page.get_by_role("button", name="Capture a build").click()
    expect(page.get_by_role("heading", name="Your verdict")).to_be_visible()
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_text("A rejection needs a comment")).to_be_visible()
    page.get_by_label("Comment", exact=True).fill("Tested the summer segment")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Approved by qa")).to_be_visible()
    expect(page.get_by_role("link", name="Promote to production")).to_have_count(0)

    enter(page, live_server, people.admin.user)
    page.get_by_role("link", name="Promote to production").click()
    expect(page.get_by_role("row", name="Segments").first).to_be_visible()
    page.get_by_role("button", name="Promote to production").click()
    page.wait_for_url(re.compile(r"/promotions/\d+/"))
    expect(page.locator("#progress")).to_contain_text("succeeded")
    assert "summer" in served(engine, production)

    page.goto(f"{live_server}/")
    page.get_by_role("link", name="Roll back").click()
    page.get_by_label("I have read what will happen").check()
    page.get_by_role("button", name="Roll back").click()
    expect(page.locator("#progress")).to_contain_text("succeeded")
    assert "summer" not in served(engine, production)

    enter(page, live_server, people.marketing.user)
    expect(page).to_have_url(re.compile(r"/dashboard/"))
    for address in ("environments/", f"environment/{production.slug}/", "promotions/"):
        page.goto(f"{live_server}/{address}")
        # All that there is to press is a list's filter, which is sent by GET.
        expect(page.locator('#content form:not([method="get"])')).to_have_count(0)
        expect(page.locator('#content button:not([role="search"] button)')).to_have_count(0)
    page.get_by_role("row", name="Promotion").get_by_role("link").first.click()
    expect(page.locator("#progress")).to_contain_text("succeeded")
    page.goto(f"{live_server}/builds/")
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()


def test_every_page_fits_a_narrow_screen_and_keeps_the_policy(
    page: Page,
    live_server: LiveServer,
    people: People,
    production: Environment,
    staging: Environment,
) -> None:
    enter(page, live_server, people.admin.user)
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    for address in (
        "",
        "environments/",
        f"environment/{production.slug}/",
        f"environment/{production.slug}/adopt/",
        f"environments/{production.slug}/dashboard/",
        "builds/",
        "promotions/",
        "batches/",
        "batches/new/",
        "audit/",
        "environments/cluster/",
        "environments/cluster/add/",
        "environments/environment/add/",
        "accounts/user/",
        "accounts/user/add/",
    ):
        page.goto(f"{live_server}/{address}")
        page.wait_for_load_state("networkidle")
        wide = page.locator("html").evaluate("node => node.scrollWidth")
        assert wide <= NARROW[0] + 1, f"{address} is {wide} wide"
