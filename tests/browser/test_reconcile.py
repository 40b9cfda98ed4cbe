"""A console that was restored from an older backup, as its administrator meets it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from environments.models import Environment
from promotion.lost import look_around
from promotion.models import StoredGeneration
from tests.backups import Backups
from tests.browser.conftest import NARROW, WIDE
from tests.browser.test_job import enter, work_at_once  # noqa: F401
from tests.factories import People
from tests.promotion.conftest import Put, Ship

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_reconcile_in_the_browser(
    page: Page,
    live_server: LiveServer,
    people: People,
    adopted: Environment,
    ship: Ship,
    put: Put,
    tmp_path: Path,
) -> None:
    backups = Backups(tmp_path)
    older = backups.take()
    put("segment", "summer", '{"name": "Summer"}')
    ship()
    newest = StoredGeneration.live_marker(adopted)
    backups.restore(older)
    look_around()

    enter(page, live_server, people.admin.user)
    expect(page.get_by_text("restored from an older backup").first).to_be_visible()
    page.get_by_role("link", name="Reconcile…").click()
    expect(page.get_by_role("heading", name="What will be recorded")).to_be_visible()
    for size in (NARROW, WIDE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        wide = page.locator("html").evaluate("node => node.scrollWidth")
        assert wide <= size[0] + 1
    page.get_by_label("I have read what will be recorded").check()
    page.get_by_role("button", name="Reconcile").click()
    page.wait_for_url(re.compile(r"/promotions/\d+/"))
    expect(page.locator("#progress")).to_contain_text("succeeded")
    expect(page.locator("#progress")).to_contain_text("as found")
    assert StoredGeneration.live_marker(adopted) == newest
    page.goto(f"{live_server}/environment/{adopted.slug}/")
    expect(page.get_by_role("link", name="Reconcile…")).to_have_count(0)
    expect(page.get_by_role("cell", name=re.compile("^found ")).first).to_be_visible()
