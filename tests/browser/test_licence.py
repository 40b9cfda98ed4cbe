"""The licence as the administrator meets it: added by a paste, its key seen once and gone."""

import pytest
from playwright.sync_api import BrowserContext, Error, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.audit import system_actor
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.services import create_user
from environments.models import Cluster, Environment
from tests.browser.conftest import NARROW, PASSWORD, enter_browser
from tests.environments.licences import tracardi_key

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
KEY = tracardi_key({"u": "ACME Ltd", "e": 0, "s": {}})


@pytest.fixture
def admin(transactional_db: None) -> User:
    cluster = Cluster.objects.create(name="C", url="http://127.0.0.1:9")
    for kind in ("staging", "production"):
        Environment.objects.create(
            name=f"Shop {kind}",
            slug=kind,
            kind=kind,
            cluster=cluster,
            version="0.8.1",
            tenant="acme",
        )
    return create_user(system_actor(), username="ada", role=Role.ADMINISTRATOR, password=PASSWORD)


def test_a_licence_is_added_by_a_paste_and_its_key_is_seen_once(
    page: Page,
    context: BrowserContext,
    live_server: LiveServer,
    admin: User,
    problems: list[str],
) -> None:
    enter_browser(context, live_server, admin)
    page.goto(f"{live_server}/")
    page.get_by_role("link", name="Licence").click()
    page.get_by_role("link", name="Add the licence").click()
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_role("button", name="Add the licence").click()
    expect(page.get_by_role("heading", name="Licence of ACME Ltd")).to_be_visible()
    for name in ("Shop staging", "Shop production"):
        expect(page.get_by_role("link", name=name)).to_be_visible()
    assert KEY not in page.content()

    page.get_by_role("button", name="Show the key").click()
    expect(page.get_by_text(KEY)).to_be_visible()
    # As a browser does that keeps the page to go back to.
    page.evaluate("window.dispatchEvent(new Event('pagehide'))")
    expect(page.get_by_text("Hidden. Go back, and ask for it again.")).to_be_visible()
    assert KEY not in page.content()

    page.goto(f"{live_server}/licence/")
    page.get_by_role("button", name="Show the key").click()
    expect(page.get_by_text(KEY)).to_be_visible()
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.evaluate(wide)
    page.get_by_role("link", name="Hide it").click()
    expect(page.get_by_role("heading", name="Licence of ACME Ltd")).to_be_visible()
    try:
        page.go_back()
    except Error as error:
        # The answer to a form is asked for again only after a question to the person.
        assert "ERR_CACHE_MISS" in error.message
    expect(page.get_by_text(KEY)).to_have_count(0)
    assert AuditEvent.objects.filter(action="licence.key-shown").count() == 2
    assert problems == []
