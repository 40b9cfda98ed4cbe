"""Signing in as a person does: form, authenticator app, security key, invitation, confirmation."""

import re
from itertools import product
from typing import Any

import pytest
from django.core import mail
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.audit import system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user
from environments.models import Cluster, Environment
from tests.accounts.conftest import SECRET, code_of, give_factor
from tests.alike import some
from tests.browser.conftest import NARROW, PASSWORD, WIDE, enter_browser, settle
from tests.factories import FACTORS, enter, prove

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def production(transactional_db: None) -> Environment:
    cluster = Cluster.objects.create(name="C", url="http://127.0.0.1:9")
    return Environment.objects.create(
        name="Production",
        slug="production",
        kind="production",
        cluster=cluster,
        version="0.8.1",
        tenant="acme",
    )


def type_password(page: Page, live_server: LiveServer, user: User, password: str) -> None:
    page.goto(f"{live_server}/")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


@pytest.fixture
def virtual_key(context: BrowserContext, page: Page) -> Any:
    """A security key that Chromium itself stands in for."""
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


@pytest.mark.parametrize("width", [NARROW, WIDE], ids=["narrow", "wide"])
def test_a_first_sign_in_sets_an_authenticator_app_up(
    page: Page, live_server: LiveServer, administrator: User, width: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": width[0], "height": width[1]})
    type_password(page, live_server, administrator, "wrong")
    expect(page.get_by_role("alert")).to_contain_text("not correct")
    type_password(page, live_server, administrator, PASSWORD)
    expect(page.get_by_text("Set up a second factor to go on")).to_be_visible()
    page.get_by_role("link", name="Activate").click()
    expect(page.locator(".tc-qr")).to_be_visible()
    secret = page.get_by_label("Authenticator secret").input_value()
    page.get_by_label("Authenticator code").fill(code_of(secret))
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_label("Unused codes")).to_have_value(re.compile(r"^(\d{8}\n?){10}$"))
    page.get_by_label("I have saved my recovery codes").check()
    page.goto(f"{live_server}/people/")
    expect(page.locator("table")).to_contain_text("set up")


def test_a_security_key_is_added_and_signs_in(
    page: Page, live_server: LiveServer, administrator: User, virtual_key: Any
) -> None:
    type_password(page, live_server, administrator, PASSWORD)
    page.get_by_role("link", name="Add").click()
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_label("Unused codes")).to_be_visible()
    page.context.clear_cookies()
    type_password(page, live_server, administrator, PASSWORD)
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_role("button", name="Use a security key").click()
    page.wait_for_url(f"{live_server}/")
    page.goto(f"{live_server}/account/2fa/webauthn/")
    expect(page.locator("table")).to_contain_text("Last used")


def test_a_code_of_the_app_signs_in(
    page: Page, live_server: LiveServer, administrator: User
) -> None:
    give_factor(administrator)
    type_password(page, live_server, administrator, PASSWORD)
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign In").click()
    expect(page.get_by_text("Incorrect code")).to_be_visible()
    page.get_by_label("Code").fill(code_of(SECRET))
    page.get_by_role("button", name="Sign In").click()
    page.wait_for_url(f"{live_server}/")


def test_an_invited_person_comes_in(
    page: Page,
    live_server: LiveServer,
    administrator: User,
    production: Environment,
    settings: Settings,
) -> None:
    settings.MAIL_CONFIGURED = True
    enter_browser(page.context, live_server, administrator)
    page.goto(f"{live_server}/people/invite/")
    page.get_by_label("Username").fill("mara")
    page.get_by_label("First name").fill("Mara")
    page.get_by_label("E-mail address").fill("mara@example.com")
    page.get_by_label("marketing").check()
    page.get_by_role("button", name="Look at it first").click()
    expect(page.get_by_text("What Mara will see, as marketing")).to_be_visible()
    page.get_by_role("button", name="Change something").click()
    page.get_by_label("Last name").fill("Market")
    page.get_by_role("button", name="Look at it first").click()
    page.get_by_role("button", name="Send the invitation").click()
    expect(page.get_by_text("An invitation was sent to mara@example.com")).to_be_visible()
    link = re.search(r"http://\S+", str(mail.outbox[0].body))
    assert link is not None
    page.context.clear_cookies()
    page.goto(link.group(0))
    page.get_by_label("New Password", exact=True).fill("a quite new phrase 9")
    page.get_by_label("New Password (again)").fill("a quite new phrase 9")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("heading", name="Your password is set")).to_be_visible()
    type_password(page, live_server, User.objects.get(username="mara"), "a quite new phrase 9")
    # Nothing is granted yet: the console is there, and shows nothing of an environment.
    expect(page.get_by_role("link", name="Environments")).to_be_visible()
    assert "Production" not in page.locator("#content").inner_text()


def test_what_is_risky_asks_who_it_is_and_goes_on(
    page: Page, live_server: LiveServer, administrator: User, production: Environment
) -> None:
    client = enter(administrator)
    prove(client, administrator, FACTORS, ago=3600)
    key = client.session.session_key
    assert key is not None
    page.context.add_cookies([{"name": "sessionid", "value": key, "url": live_server.url}])
    page.goto(f"{live_server}/environment/production/adopt/")
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("button", name="Adopt")).to_be_visible()


def test_the_administrator_looks_as_marketing_and_back(
    page: Page, live_server: LiveServer, administrator: User, production: Environment
) -> None:
    mara = create_user(
        system_actor(), username="mara", role=Role.MARKETING, password=PASSWORD, first_name="Mara"
    )
    enter_browser(page.context, live_server, administrator)
    page.goto(f"{live_server}/people/{mara.pk}/")
    page.get_by_role("button", name="View as Mara").click()
    expect(page.get_by_text("You see the console as Mara (marketing).")).to_be_visible()
    expect(page.get_by_role("link", name="Builds")).to_have_count(0)
    page.get_by_role("button", name="Stop viewing").click()
    expect(page.get_by_role("link", name="Builds")).to_be_visible()


@pytest.mark.parametrize(
    ("width", "theme"),
    some(product([NARROW, WIDE], ["light", "dark"]), lambda place, _case: place in {1, 2}),
    ids=["narrow-light", "narrow-dark", "wide-light", "wide-dark"],
)
def test_each_page_of_people_and_sign_in_fits_and_keeps_the_policy(
    page: Page,
    live_server: LiveServer,
    administrator: User,
    production: Environment,
    width: tuple[int, int],
    theme: Any,
) -> None:
    give_factor(administrator)
    qa = create_user(system_actor(), username="quinn", role=Role.QA, password=PASSWORD)
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width[0], "height": width[1]})
    enter_browser(page.context, live_server, administrator)
    for path in (
        "people/",
        "people/invite/",
        "people/handover/",
        f"people/{qa.pk}/",
        "account/2fa/",
        "account/2fa/recovery-codes/",
        "account/2fa/recovery-codes/generate/",
        "account/2fa/webauthn/",
        "account/2fa/webauthn/add/",
        "account/2fa/totp/deactivate/",
        "account/2fa/reauthenticate/",
        "account/sessions/",
        "account/password/change/",
        "account/reauthenticate/",
        "account/logout/",
    ):
        page.goto(f"{live_server}/{path}")
        settle(page)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, path
