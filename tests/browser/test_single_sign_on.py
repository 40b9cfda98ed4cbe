"""Single sign-on in Chromium: out to a provider on another address and back, under the policy."""

from collections.abc import Iterator
from typing import Any

import pytest
from csp.constants import NONE, SELF
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests.browser.conftest import NARROW, WIDE, settle
from tests.oidc import use
from tests.oidc.provider import Provider
from tests.oidc.server import running

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("transactional_db")]
PEOPLE: dict[str, dict[str, Any]] = {
    "mary": {"roles": ["console-marketing"], "name": "Mary Lane"},
    "nobody": {"roles": []},
}


@pytest.fixture
def provider(live_server: LiveServer, settings: Settings) -> Iterator[Provider]:
    with running(**PEOPLE) as provider:
        provider.redirects = {f"{live_server.url}/account/sso/sso/callback/"}
        use(settings, provider)
        forms_lead_to(settings, provider.origin)
        yield provider


def forms_lead_to(settings: Settings, *origins: str) -> None:
    """Build the policy as the settings do of OIDC_ORIGINS."""
    settings.OIDC_ORIGINS = list(origins)
    held = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    assert held["form-action"] == [SELF] or len(held["form-action"]) == 2
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {**held, "form-action": [SELF, *origins]}}


@pytest.fixture
def errors(page: Page) -> list[str]:
    """What the browser's console calls an error, on all pages."""
    seen: list[str] = []
    page.on("console", lambda one: seen.append(one.text) if one.type == "error" else None)
    return seen


@pytest.mark.parametrize("width", [NARROW, WIDE], ids=["narrow", "wide"])
def test_a_person_goes_to_the_provider_and_comes_back_signed_in(
    page: Page,
    live_server: LiveServer,
    provider: Provider,
    errors: list[str],
    width: tuple[int, int],
) -> None:
    page.set_viewport_size({"width": width[0], "height": width[1]})
    page.goto(f"{live_server}/account/sessions/")
    page.get_by_role("button", name="Sign in with Shop Login").click()
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    assert page.url.startswith(provider.origin)
    page.get_by_role("button", name="mary").click()
    page.wait_for_url(f"{live_server}/account/sessions/")
    settle(page)
    expect(page.locator("#main")).to_be_visible()
    assert User.objects.get().label == "Mary Lane"
    assert errors == []


def test_who_gets_no_role_reads_why_and_finds_back(
    page: Page, live_server: LiveServer, provider: Provider
) -> None:
    page.goto(f"{live_server}/account/sso/sso/login/")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="nobody").click()
    expect(page.get_by_role("alert")).to_contain_text("gives you no role here")
    page.get_by_role("link", name="Back to sign-in").click()
    expect(page.get_by_role("button", name="Sign in with Shop Login")).to_be_visible()


@pytest.mark.parametrize("origins", [[], ["https://login.example.com"]], ids=["none", "another"])
def test_without_the_provider_s_origin_the_browser_blocks_the_way(
    page: Page,
    live_server: LiveServer,
    provider: Provider,
    settings: Settings,
    problems: list[str],
    origins: list[str],
) -> None:
    forms_lead_to(settings, *origins)
    page.goto(f"{live_server}/account/login/")
    with page.expect_console_message(lambda one: one.text.startswith("policy: ")):
        page.get_by_role("button", name="Sign in with Shop Login").click()
    assert page.url == f"{live_server}/account/login/"
    assert "authorize" not in provider.requests
    seen = "\n".join(problems)
    problems.clear()
    assert "form-action" in seen


def test_no_other_origin_is_allowed(
    page: Page, live_server: LiveServer, provider: Provider, problems: list[str]
) -> None:
    answer = page.goto(f"{live_server}/account/login/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    directives = dict(one.strip().split(" ", 1) for one in policy.split(";") if one.strip())
    assert directives["form-action"] == f"{SELF} {provider.origin}"
    assert {SELF, NONE, "data:"} >= {
        one for name, held in directives.items() if name != "form-action" for one in held.split()
    }
    # The same host on another port is another origin.
    page.evaluate(
        "document.querySelector('form').action = 'http://127.0.0.2:9/realms/shop/authorize'"
    )
    with page.expect_console_message(lambda one: one.text.startswith("policy: ")):
        page.evaluate("document.querySelector('form').submit()")
    assert page.url == f"{live_server}/account/login/"
    seen = "\n".join(problems)
    problems.clear()
    assert "form-action http://127.0.0.2:9" in seen
