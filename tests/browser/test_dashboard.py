"""The marketing user's day: the dashboard from the morning's look to a picture for a slide."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.cache import caches
from playwright.sync_api import Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from environments.models import Environment
from promotion.models import Promotion
from tests.browser.conftest import NARROW, WIDE, settle
from tests.browser.test_review import enter, fits
from tests.environments.dashboards import visit
from tests.factories import People
from tests.promotion.conftest import Put, Ship

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_day_of_marketing(
    people: People,
    adopted: Environment,
    ship: Ship,
    put: Put,
    page: Page,
    live_server: LiveServer,
    problems: list[str],
    tmp_path: Path,
) -> None:
    put("segment", "summer?refresh=true", '{"id": "summer", "name": "Summer"}')
    promotion = ship()
    # It went live two days ago.
    at = datetime.now(UTC) - timedelta(days=2)
    Promotion.objects.filter(pk=promotion.pk).update(live_at=at)
    visit(adopted, datetime.now(UTC), days=15)
    caches["figures"].clear()

    # The page is there before its figures are.
    enter(page, live_server, people.marketing.user)
    expect(page.get_by_role("heading", name="Dashboard of Production")).to_be_visible()
    over_time = page.get_by_role("region", name="Events in a day, by type")
    # Beside other tests the engine may take its time.
    expect(over_time).to_be_visible(timeout=15_000)
    events = page.locator(".tc-stat", has=page.get_by_text("Events", exact=True))
    expect(events.locator(".tc-stat-value")).not_to_have_text("0")

    # A chart by keyboard: what is said is what its table says.
    chart = page.locator("[data-chart=types] canvas")
    says = page.locator("[data-says=types]")
    chart.press("ArrowDown")
    expect(says).not_to_be_empty()
    said = says.inner_text()
    chart.press("Escape")
    expect(says).to_be_empty()
    tile = page.get_by_role("region", name="Event types")
    tile.get_by_text("The same as a table").click()
    assert said.startswith(tile.locator("tbody th").first.inner_text())

    # One source alone, and the link shows it again.
    page.get_by_text("Source", exact=True).first.click()
    page.get_by_label("Mobile app").check()
    page.locator("details[open] button").first.click()
    settle(page)
    expect(page.get_by_role("link", name="Leave out Source Mobile app")).to_be_visible()
    assert "source=src-mobile-app" in page.url
    page.goto(page.url)
    settle(page)
    sources = page.locator("#data-sources").text_content() or ""
    assert "Mobile app" in sources
    assert "Web shop" not in sources
    fits(page)
    page.get_by_role("link", name="Leave out Source Mobile app").click()
    settle(page)

    # A picture and a file.
    tile = page.get_by_role("region", name="Countries")
    with page.expect_download() as picture:
        tile.get_by_role("button", name="PNG").click()
    picture.value.save_as(tmp_path / "countries.png")
    assert (tmp_path / "countries.png").read_bytes().startswith(b"\x89PNG")
    assert picture.value.suggested_filename == "countries.png"
    with page.expect_download() as file:
        tile.get_by_role("link", name="CSV").click()
    file.value.save_as(tmp_path / "countries.csv")
    rows = list(csv.reader((tmp_path / "countries.csv").open()))
    assert rows[0] == ["Country", "Sessions", "Visitors"]
    assert all(int(row[2]) >= 5 for row in rows[1:])

    # What went live, and what came after it.
    flag = page.locator(".tc-plot-flag")
    expect(flag).to_have_count(1)
    page.get_by_role("link", name="Before and after").click()
    expect(page.get_by_text("This says what changed, not why.")).to_be_visible()
    expect(page.get_by_role("rowheader", name="Visitors")).to_be_visible()
    fits(page)
    page.get_by_role("link", name="Dashboard", exact=True).last.click()
    settle(page)
    page.locator(".tc-plot-flag").click()
    expect(page).to_have_url(f"{live_server}/promotions/{promotion.pk}/")

    # On a wall, light and dark, and on a phone.
    page.goto(f"{live_server}/environments/{adopted.slug}/dashboard/?range=7d&wall")
    settle(page)
    expect(page.locator("[data-chart=over_time] canvas")).to_be_visible()
    page.emulate_media(color_scheme="dark")
    for width, height in (NARROW, WIDE):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert problems == []


def test_figures_that_do_not_come_are_told_and_an_ended_session_asks_to_sign_in(
    people: People, adopted: Environment, page: Page, live_server: LiveServer
) -> None:
    enter(page, live_server, people.marketing.user)
    settle(page)
    caches["figures"].clear()
    dashboard = f"{live_server}/environments/{adopted.slug}/dashboard/?range=today"

    def for_figures(route: Route) -> bool:
        return route.request.headers.get("hx-request") == "true"

    def broken(route: Route) -> None:
        if for_figures(route):
            route.fulfill(status=404, body="")
        else:
            route.continue_()

    page.route("**/dashboard/**", broken)
    page.goto(dashboard)
    status = page.locator("#figures [role=status]")
    expect(status).to_have_text("The figures cannot be shown to you now. Open the page again.")
    expect(page.locator(".tc-skeleton")).to_have_count(0)
    page.unroute("**/dashboard/**", broken)

    def signed_out(route: Route) -> None:
        if for_figures(route):
            page.context.clear_cookies()
            headers = {k: v for k, v in route.request.headers.items() if k != "cookie"}
            route.continue_(headers=headers)
        else:
            route.continue_()

    page.route("**/dashboard/**", signed_out)
    page.goto(dashboard)
    expect(page.get_by_label("Password")).to_be_visible()
    assert "next=" in page.url
