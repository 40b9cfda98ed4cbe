"""A selective promotion as QA clicks it, under the content security policy."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from promotion.models import Build
from tests.browser.conftest import NARROW, sign_in
from tests.factories import People
from tests.promotion.test_compose import build, edits  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long enough phrase 7"


@pytest.fixture(autouse=True)
def no_worker(settings: Settings) -> None:
    settings.TASKS = {"default": {"BACKEND": "django_tasks.backends.dummy.DummyBackend"}}


def test_one_rule_is_chosen_seen_with_what_it_needs_and_composed(
    page: Page,
    live_server: LiveServer,
    people: People,
    build: Build,  # noqa: F811
) -> None:
    assert people.qa.user is not None
    sign_in(page, live_server, people.qa.user)
    page.goto(f"{live_server}/builds/staging/{build.number}/")
    page.get_by_role("link", name="Choose changes…").click()
    page.get_by_label("New rule").check()
    # Enter in the search shows what fits, and keeps the choice.
    page.get_by_label("Search").fill("loyal")
    page.get_by_label("Search").press("Enter")
    expect(page.get_by_text("1 of 6 changes were chosen")).to_be_visible()
    page.get_by_role("button", name="See what they need").click()
    expect(page.get_by_text("rule “New rule” runs it")).to_be_visible()
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    page.get_by_label("New flow").uncheck()
    page.get_by_role("button", name="Compose the build").click()
    expect(page.get_by_text("With an error QA cannot approve it.")).to_be_visible()
    page.get_by_label("New flow").check()
    page.get_by_role("button", name="Look again").click()
    page.get_by_role("button", name="Compose the build").click()
    expect(page.get_by_text("Composed of Staging build 1")).to_be_visible()
    page.get_by_role("link", name="New flow").first.click()
    expect(page.get_by_role("heading", name="Used by")).to_be_visible()
    expect(page.get_by_role("link", name="New rule")).to_be_visible()
