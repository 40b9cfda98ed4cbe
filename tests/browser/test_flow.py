"""A flow's picture in the browser: its nodes lead to their settings, within the policy."""

import json

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from environments.documents import encode_field
from environments.models import Environment
from tests.browser.conftest import NARROW, WIDE, comes_to, settle, sign_in
from tests.environments.test_flowgraph import edge, node, version
from tests.factories import People
from tests.promotion.conftest import Put

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a long enough phrase 7"


def test_a_node_of_the_picture_leads_to_its_settings_and_both_sides_scroll_together(
    page: Page, live_server: LiveServer, people: People, staging: Environment, put: Put
) -> None:
    nodes = [node(f"n{n}", n % 9 * 300, n // 9 * 200, init={"ttl": n}) for n in range(60)]
    ways = [edge(f"n{n // 2}", f"n{n}") for n in range(1, 60)]
    later = [*nodes[:-1], node("n59", init={"ttl": 1000})]
    flow = {
        "name": "Large",
        "production": encode_field(version(*nodes, edges=ways)),
        "draft": encode_field(version(*later, edges=ways)),
    }
    put("flow", "large?refresh=true", json.dumps(flow))
    assert people.marketing.user is not None
    sign_in(page, live_server, people.marketing.user)
    page.goto(f"{live_server}/environment/{staging.slug}/configuration/flow/large")
    settle(page)
    before, after = page.locator(".tc-flow-wrap").all()
    # What changed is where the picture begins, though it is far down in it.
    before.scroll_into_view_if_needed()
    expect(before.locator(".tc-flow-mark--changed").first).to_be_in_viewport()
    before.evaluate("frame => frame.scrollTo(120, 80)")
    place = "[it.scrollLeft, it.scrollTop]"
    assert comes_to(after, place, [120, 80]) == [120, 80]
    link = after.locator(".tc-flow-link", has=page.locator(".tc-flow-mark--changed"))
    anchor = link.get_attribute("href")
    settings = page.locator(f"{anchor}")
    expect(settings).not_to_have_attribute("open", "")
    link.dispatch_event("click")
    expect(settings).to_have_attribute("open", "")
    expect(settings.get_by_text("1000")).to_be_visible()
    page.get_by_label("Show the whole picture at once").check()
    for width, height in (NARROW, WIDE):
        page.set_viewport_size({"width": width, "height": height})
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
    page.goto(f"{live_server}/environment/{staging.slug}/way/")
    settle(page)
    page.get_by_text("The same in words").click()
    page.locator(".tc-flow-words").get_by_role("link", name="Purchase follow-up").first.click()
    expect(page.locator(".tc-flow-picture")).to_be_visible()
