"""From an address to a pipeline in Chromium, by the keyboard alone, in light and dark, narrow."""

import uuid
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from environments.elastic import Connection
from environments.models import Cluster, Environment
from environments.naming import Side
from tests.browser.conftest import NARROW, WIDE, enter_browser, settle, sign_in
from tests.environments.installed import installed

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WORD = uuid.uuid4().hex[:6]
TENANT = f"web-shop-{WORD}"
LONG = f"a-tenant-with-a-name-that-is-as-long-as-a-name-may-be-{WORD}"[:60]


@pytest.fixture
def url(elasticsearch_url: str) -> Iterator[str]:
    engine = Connection(Cluster(name="Test", url=elasticsearch_url))
    flow = ["tracardi-flow", "tracardi-rule"]
    with (
        installed(engine, TENANT),
        installed(engine, LONG, "0.8.2", [Side.STAGING], without=flow),
    ):
        yield elasticsearch_url


def fill(page: Page, label: str, text: str) -> None:
    """Go to a field by the tabulator, and type."""
    for _ in range(60):
        if page.evaluate("document.activeElement.labels?.[0]?.innerText.trim()") == label:
            page.keyboard.press("Control+A")
            page.keyboard.type(text)
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no key leads to {label}")


def press(page: Page, words: str, key: str = "Enter") -> None:
    """Go to a button, a link or a tick by the tabulator, and press a key on it."""
    name = "document.activeElement.ariaLabel || document.activeElement.innerText || ''"
    for _ in range(80):
        if str(page.evaluate(name)).strip().startswith(words):
            page.keyboard.press(key)
            settle(page)
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no key leads to {words}")


def look(page: Page) -> None:
    """Look at a page wide and narrow: nothing that it holds widens it."""
    before = page.viewport_size
    assert before is not None
    for width, height in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": height})
        settle(page)
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{page.url} at {width}"
    page.set_viewport_size(before)


def test_a_cluster_and_its_pipeline_are_connected_without_a_mouse(
    page: Page, live_server: LiveServer, administrator: User, url: str
) -> None:
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    sign_in(page, live_server, administrator)
    expect(page.locator("html.dark")).to_have_count(1)
    page.get_by_role("link", name="connect a cluster").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Connect", exact=True)).to_be_visible()
    look(page)

    # First what is wrong is said, at its field, and what was typed is still there.
    fill(page, "Name", "Main")
    fill(page, "Address", url.replace("http:", "https:"))
    press(page, "Test and go on")
    expect(page.get_by_text("speaks plain HTTP, and the address says https.")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Main")
    look(page)
    fill(page, "Address", url)
    press(page, "Test and go on")

    expect(page.get_by_text("answers. Main is connected.")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text=LONG)).to_contain_text("with gaps")
    look(page)
    # What lacks is opened by the keyboard too.
    press(page, "What is not right (2)")
    expect(page.get_by_text(f"Neither 0820.{LONG}.tracardi-flow")).to_be_visible()
    page.reload()
    for side in ("staging", "production"):
        press(page, f"Connect {side} of {TENANT}", "Space")
    press(page, "Name what is ticked")

    expect(page.get_by_role("heading", name=f"Production of {TENANT}")).to_be_visible()
    look(page)
    page.get_by_label("Name", exact=True).first.focus()
    fill(page, "Name", "Shop, staging")
    press(page, "Connect all 2")
    expect(page.get_by_text("Connected: Shop, staging, Web-shop-")).to_be_visible()
    made = Environment.objects.get(name="Shop, staging")
    assert made.promotes_to is not None
    assert made.promotes_to.name == f"Web-shop-{WORD} production"

    # Home shows the pipeline, and the list what is connected.
    page.goto(f"{live_server}/")
    expect(page.get_by_role("heading", name="Shop, staging to Web-shop-")).to_be_visible()


def test_credentials_are_changed_and_tested(
    page: Page, live_server: LiveServer, administrator: User, elasticsearch_url: str
) -> None:
    cluster = Cluster.objects.create(name="Main", url=elasticsearch_url)
    sign_in(page, live_server, administrator)
    page.goto(f"{live_server}/environments/cluster/{cluster.pk}/change/")
    look(page)
    page.get_by_role("button", name="Test the connection").click()
    expect(page.get_by_text("answers, and lets the console look.")).to_be_visible()
    page.locator("#id_name").fill("Renamed")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Changed: name.")).to_be_visible()
    page.goto(f"{live_server}/connect/{cluster.pk}/remove/")
    look(page)
    page.get_by_label("Yes, remove it from the console").check()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Renamed is removed, and its credentials with it.")).to_be_visible()


def test_the_wizard_works_without_scripts(
    browser: Browser, live_server: LiveServer, administrator: User, elasticsearch_url: str
) -> None:
    engine = Connection(Cluster(name="Test", url=elasticsearch_url))
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(10_000)
    enter_browser(context, live_server, administrator)
    page = context.new_page()
    with installed(engine, TENANT, "0.8.1", [Side.STAGING]):
        page.goto(f"{live_server}/connect/")
        page.get_by_label("Name", exact=True).fill("Main")
        page.get_by_label("Address").fill(elasticsearch_url)
        page.get_by_role("button", name="Test and go on").click()
        page.get_by_label(f"Connect staging of {TENANT}").check()
        page.get_by_role("button", name="Name what is ticked").click()
        page.get_by_role("button", name="Connect it").click()
        expect(page.get_by_text(f"Connected: Web-shop-{WORD} staging.")).to_be_visible()
    context.close()
    assert Environment.objects.get().tenant == TENANT
