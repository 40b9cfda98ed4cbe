"""The tour of a first visit by the keyboard, and the browser's time zone as an offer."""

import re

import pytest
from playwright.sync_api import Page, Request, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests.browser.conftest import settle, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# More lines than the side bar and the head of a page have.
MOST_TABS = 40


def test_the_tour_is_gone_through_by_the_keyboard_without_asking_for_the_page_anew(
    page: Page, live_server: LiveServer, administrator: User
) -> None:
    sign_in(page, live_server, administrator)
    settle(page)
    asked: list[str] = []

    def note(request: Request) -> None:
        if request.is_navigation_request():
            asked.append(request.url)

    page.on("request", note)
    card = page.get_by_role("region", name="First look at the console")
    expect(card.get_by_role("heading", name="Step 1 of 3: What is here")).to_be_visible()
    # It stays in sight, and is reached before what the page holds.
    expect(card).to_be_in_viewport()
    forward, back = card.get_by_role("link", name="Next"), card.get_by_role("link", name="Back")
    for _tab in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('#tour') !== null"):
            break
    expect(forward).to_be_focused()
    page.keyboard.press("Enter")
    expect(card.get_by_role("heading", name="Step 2 of 3: What you do")).to_be_visible()
    expect(card.get_by_role("heading")).to_have_count(1)
    expect(forward).to_be_focused()
    page.keyboard.press("Enter")
    expect(card.get_by_role("heading", name="Step 3 of 3: Where help is")).to_be_visible()
    done = card.get_by_role("button", name="Done")
    expect(done).to_be_focused()
    expect(page).to_have_url(re.compile(r"\?tour=3$"))
    page.keyboard.press("Shift+Tab")
    expect(back).to_be_focused()
    page.keyboard.press("Enter")
    expect(back).to_be_focused()
    page.keyboard.press("Enter")
    # At the beginning there is no way back: the focus goes to the way on.
    expect(forward).to_be_focused()
    page.keyboard.press("Tab")
    expect(card.get_by_role("button", name="Dismiss")).to_be_focused()
    page.keyboard.press("Enter")
    told = page.get_by_role("status").filter(has_text="The tour is closed.")
    expect(told).to_be_focused()
    expect(card).to_have_count(0)
    expect(page).to_have_url(f"{live_server}/")
    assert asked == []
    page.reload()
    expect(card).to_have_count(0)
    administrator.refresh_from_db()
    assert administrator.tour_done_at is not None


def test_the_browsers_own_time_zone_is_offered_and_saved_by_the_person_alone(
    page: Page, live_server: LiveServer, administrator: User
) -> None:
    sign_in(page, live_server, administrator)
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTimezoneOverride", {"timezoneId": "Europe/Berlin"})
    page.goto(f"{live_server}/settings/")
    offer = page.get_by_text("Your browser is in Europe/Berlin.")
    expect(offer).to_be_visible()
    field = page.get_by_role("combobox", name="Time zone")
    expect(field).to_have_value("")
    page.get_by_role("button", name="Fill it in").click()
    expect(field).to_have_value("Europe/Berlin")
    administrator.refresh_from_db()
    assert administrator.time_zone == ""
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. Times are shown in Europe/Berlin.")).to_be_visible()
    expect(offer).to_be_hidden()
    administrator.refresh_from_db()
    assert administrator.time_zone == "Europe/Berlin"
