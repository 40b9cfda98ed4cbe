"""Workflow tests as people go through them: write one, run it, watch it, see what it showed."""

import pytest
from playwright.sync_api import Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from environments.models import Environment
from promotion.models import Suite, SuiteRun
from promotion.services import capture
from promotion.suite_running import run_suite, run_waiting
from tests.browser.conftest import NARROW, WIDE, comes_to, settle
from tests.browser.test_review import enter
from tests.factories import People
from tests.greens import greens
from tests.promotion.test_workflows import done, patience, standin, suite

__all__ = ["greens", "patience", "standin", "suite"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("greens"),
]


def test_a_test_is_written_by_the_keyboard_and_offers_follow_the_kind(
    people: People, suite: Suite, page: Page, live_server: LiveServer, problems: list[str]
) -> None:
    enter(page, live_server, people.qa.user)
    page.goto(f"{live_server}/suites/{suite.pk}/")
    page.get_by_role("link", name="Write a test").click()
    page.get_by_label("Name", exact=True).fill("Page views run nothing")
    page.get_by_label("Source").fill("src-web-shop")
    page.get_by_label("Event type").fill("page-view")
    first = page.get_by_role("group", name="Expectation 1")
    # What is offered follows the kind, by the script.
    subject = first.get_by_label("Which")
    first.get_by_label("What").select_option("flows")
    expect(subject).to_have_attribute("list", "offers-flow")
    first.get_by_label("What").select_option("not-rules")
    expect(subject).to_have_attribute("list", "offers-rule")
    first.get_by_label("What").select_option("traits")
    expect(subject).not_to_have_attribute("list", "offers-rule")
    first.get_by_label("What").select_option("not-flows")
    subject.fill("flow-purchase")
    page.get_by_role("button", name="Add an expectation").click()
    third = page.get_by_role("group", name="Expectation 3")
    expect(third).to_be_visible()
    more = page.get_by_role("button", name="Add an expectation")
    assert comes_to(more, "document.activeElement === it", True) is True
    third.get_by_label("What").select_option("segments")
    third.get_by_label("Which").fill("nobody")
    # Enter saves; it adds no row.
    third.get_by_label("Which").press("Enter")
    page.wait_for_url(f"{live_server}/suites/{suite.pk}/")
    kept = suite.tests.get(name="Page views run nothing")
    assert kept.test.to_dict()["expect"] == {
        "not-flows": ["flow-purchase"],
        "segments": ["nobody"],
        "no-errors": True,
    }
    assert problems == []


def test_a_button_has_the_focus_where_scripts_come_late(
    people: People, suite: Suite, page: Page, live_server: LiveServer
) -> None:
    enter(page, live_server, people.qa.user)
    page.goto(f"{live_server}/suites/{suite.pk}/tests/new/")
    late: list[Route] = []
    page.route("**/alpine.js", lambda route: late.append(route))
    page.get_by_role("button", name="Add an expectation").click()
    more = page.locator("button[value=expect][autofocus]")
    expect(more).to_be_attached()
    # It looks for autofocus as it paints: by then it is hidden still.
    painted = "requestAnimationFrame(() => requestAnimationFrame(done))"
    page.evaluate(f"() => new Promise(done => {painted})")
    expect(more).to_be_hidden()
    for route in late:
        route.continue_()
    expect(more).to_be_focused()


def test_a_run_is_watched_to_its_end_and_each_result_is_a_click_away(
    people: People,
    staging: Environment,
    suite: Suite,
    page: Page,
    live_server: LiveServer,
    problems: list[str],
) -> None:
    capture(people.qa, staging)
    enter(page, live_server, people.qa.user)
    page.goto(f"{live_server}/suites/{suite.pk}/")
    page.get_by_role("button", name="Run all tests").click()
    progress = page.locator("#progress")
    expect(progress).to_contain_text("It waits for a worker.")
    # As a worker would; the page is not loaded again.
    run_waiting()
    expect(progress).to_contain_text("1 of 1 tests passed. It counts for content")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    page.get_by_role("link", name="A purchase of 250").first.click()
    settle(page)
    expect(page.get_by_role("heading", name="Flows that ran")).to_be_visible()
    expect(page.locator(".tc-flow-mark--ran.tc-flow-node")).not_to_have_count(0)
    page.get_by_text("Event 2: purchase-completed").click()
    expect(page.get_by_text('"type": "purchase-completed"')).to_be_visible()
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    assert problems == []


def test_a_run_is_cancelled_while_it_waits(
    people: People, suite: Suite, page: Page, live_server: LiveServer, problems: list[str]
) -> None:
    enter(page, live_server, people.qa.user)
    page.goto(f"{live_server}/suites/{suite.pk}/")
    page.get_by_role("button", name="Run A purchase of 250 alone").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#progress")).to_contain_text("It was cancelled.")
    assert run_suite(SuiteRun.objects.get()).status == SuiteRun.Status.CANCELLED
    done(people, suite)
    assert problems == []
