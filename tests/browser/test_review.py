"""A difference, the review of it, and the page that confirms it, as people go through them."""

import json
import re

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from environments.documents import parse
from environments.elastic import Connection
from environments.models import Environment
from promotion.checklists import change_checklist
from promotion.models import Build, Checklist, Promotion, Review
from promotion.preparing import prepare
from promotion.services import capture
from tests.browser.conftest import NARROW, WIDE, settle, sign_in
from tests.factories import People, served
from tests.promotion.conftest import Put

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long enough phrase 7"


@pytest.fixture(autouse=True)
def no_worker(settings: Settings) -> None:
    settings.TASKS = {"default": {"BACKEND": "django_tasks.backends.dummy.DummyBackend"}}


@pytest.fixture
def build(
    people: People, adopted: Environment, staging: Environment, put: Put, engine: Connection
) -> Build:
    """A build after the first: a rule renamed and off, a segment gone, a flow saved anew."""
    edit(put, staging, "rule", "rule-purchase")
    capture(people.qa, staging)
    edit(put, staging, "rule", "rule-purchase", name="Renamed <rule>", enabled=False)
    edit(put, staging, "flow", "flow-purchase", timestamp="2026-11-03T14:00:00")
    engine.request("DELETE", f"/{staging.naming.concrete('segment')}/_doc/seg-loyal")
    return capture(people.qa, staging)


def edit(put: Put, staging: Environment, resource: str, doc_id: str, **fields: object) -> None:
    held = {**parse(served(staging, resource)[doc_id]), **fields}
    put(resource, doc_id, json.dumps(held))


def enter(page: Page, live_server: LiveServer, user: User | None) -> None:
    assert user is not None
    page.context.clear_cookies()
    sign_in(page, live_server, user)


def fits(page: Page) -> None:
    """Nothing of a page is cut off on a phone."""
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})


def press(button: Locator) -> None:
    """Press what the keyboard alone has reached."""
    button.focus()
    expect(button).to_be_focused()
    button.press("Enter")


def test_a_difference_is_read_down_to_a_field_that_is_commented_on(
    page: Page, live_server: LiveServer, people: People, build: Build
) -> None:
    enter(page, live_server, people.qa.user)
    page.goto(f"{live_server}/compare/")
    page.get_by_role("combobox", name="From").select_option("staging:1")
    page.get_by_role("combobox", name="To", exact=True).select_option("staging:2")
    press(page.get_by_role("button", name="Compare"))
    table = page.get_by_role("region", name="What differs")
    expect(table.get_by_role("row", name="Rules")).to_contain_text("1")
    expect(page.get_by_text("Loyal", exact=True).first).to_be_visible()
    fits(page)
    page.get_by_role("combobox", name="Change").select_option("removed")
    press(page.get_by_role("button", name="Show"))
    expect(page.locator("li.tc-card")).to_have_count(1)
    page.get_by_role("link", name="Show all").click()
    # Noise is folded away, and unfolded by its link.
    expect(page.locator("li.tc-card")).to_have_count(2)
    page.get_by_role("link", name="1 document").click()
    expect(page.get_by_text("Only noise: nothing that runs is different.")).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="now disabled").click()
    expect(page).to_have_url(re.compile(r"#f-enabled$"))
    expect(page.locator("#f-enabled")).to_be_in_viewport()
    expect(page.locator("#f-enabled")).to_contain_text("false")
    fits(page)
    page.get_by_role("link", name="Comment on Enabled").click()
    page.get_by_label("Your words").fill("Why is it off?")
    page.get_by_role("button", name="Comment").click()
    expect(page.get_by_text("Your comment is kept.")).to_be_visible()
    expect(page.locator("#f-enabled")).to_contain_text("1 said")
    page.goto(f"{live_server}/builds/staging/2/")
    expect(page.get_by_text("1 comment is not resolved.")).to_be_visible()
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("It is resolved.")).to_be_visible()
    expect(page.get_by_text("1 comment is not resolved.")).to_have_count(0)


def test_a_build_is_reviewed_and_what_was_confirmed_is_what_goes_live(
    page: Page,
    live_server: LiveServer,
    people: People,
    build: Build,
    staging: Environment,
    adopted: Environment,
    put: Put,
) -> None:
    change_checklist(
        people.admin, staging, "Bought something on staging\n?Told marketing", version=0
    )
    enter(page, live_server, people.qa.user)
    page.goto(f"{live_server}/builds/staging/2/")
    expect(page.get_by_role("heading", name="Changes against Production")).to_be_visible()
    fits(page)
    page.get_by_role("button", name="Request changes").click()
    expect(page.get_by_text(re.compile("what to change"))).to_be_visible()
    page.get_by_label("Comment", exact=True).first.fill("Say why the rule is off.")
    page.get_by_role("button", name="Request changes").click()
    expect(page.get_by_text("Changes requested by qa")).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Not ticked yet: Bought something on staging.")).to_be_visible()
    assert not Review.objects.filter(verdict=Review.Verdict.APPROVED).exists()
    page.get_by_label("Bought something on staging").check()
    press(page.get_by_role("button", name="Approve"))
    expect(page.get_by_text("Approved by qa")).to_be_visible()
    made = Review.objects.get(verdict=Review.Verdict.APPROVED)
    assert [one["ticked"] for one in made.answers] == [True, False]

    old = prepare(build, adopted)
    enter(page, live_server, people.admin.user)
    page.goto(f"{live_server}/builds/staging/2/promote/")
    deleted = page.get_by_role("region", name="What is deleted")
    expect(deleted.get_by_role("link")).to_have_count(1)
    expect(page.get_by_text(old.plan_digest)).to_be_visible()
    fits(page)
    # While the page is open the plan is made anew, as after any other promotion.
    Promotion.objects.filter(pk=old.pk).update(fate=Promotion.Fate.SUPERSEDED)
    new = prepare(build, adopted)
    page.get_by_role("button", name="Promote to production").click()
    moved = page.get_by_role("region", name="Something moved since you confirmed")
    for digest in (old.plan_digest, new.plan_digest):
        expect(moved.get_by_text(digest)).to_be_visible()
    settle(page)
    assert not Promotion.objects.filter(kind="promote").exists()
    press(page.get_by_role("button", name="Promote to production"))
    page.wait_for_url(re.compile(r"/promotions/\d+/"))
    assert Promotion.objects.get(kind="promote").live_at is not None
    assert "seg-loyal" not in served(adopted, "segment")
    assert Checklist.of(staging) is not None
