"""Who comes by single sign-on, as what, and what they may then; with a real provider."""

import time
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret, hotp_value
from django.core import mail
from django.test import Client
from django.urls import reverse
from guardian.models import UserObjectPermission
from pytest_django import Settings

from accounts.audit import system_actor
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.services import create_user
from tests.accounts.sign_on import PASSWORD, QA, browser, provider, said, who
from tests.oidc import START, begin, choose, come
from tests.oidc.provider import Provider

__all__ = ["browser", "provider"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]


def test_the_first_sign_in_makes_an_account_with_the_role_of_the_claim(
    provider: Provider, browser: Client
) -> None:
    answer = come(browser, "1")
    assert answer.status_code == 302
    made = User.objects.get()
    assert (made.username, made.label, made.email) == ("quinn", "Quinn Ash", "quinn@shop.example")
    assert made.role == Role.QA
    assert not made.has_usable_password()
    assert not UserObjectPermission.objects.filter(user=made).exists()
    assert who(browser) == str(made.pk)
    created = AuditEvent.objects.get(action="account.created")
    assert created.detail == {"role": "qa", "by": "single sign-on"}
    assert AuditEvent.objects.get(action="account.signed-in").detail == {"by": ["socialaccount"]}


def test_the_second_sign_in_is_the_same_account(provider: Provider, browser: Client) -> None:
    come(browser, "2")
    again = Client()
    come(again, "2")
    assert who(again) == who(browser) == str(User.objects.get().pk)
    made = User.objects.get()
    assert (made.username, made.label) == ("mary-lane", "Mary Lane")


def test_the_browser_is_sent_with_state_pkce_and_a_nonce_and_nothing_that_it_chose(
    provider: Provider, browser: Client
) -> None:
    begin(browser, "?auth_params=prompt%3Dnone%26redirect_uri%3Dhttps://evil.example&scope=admin")
    choose(begin(browser, "?scope=admin&auth_params=nonce%3D1"), "1")
    asked = provider.asked[-1]
    assert sorted(asked["scope"].split()) == ["email", "openid", "profile"]
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["nonce"]) == 64
    assert len(asked["state"]) >= 16
    assert asked["redirect_uri"] == "https://testserver/account/sso/sso/callback/"
    assert not {"prompt", "code_verifier", "client_secret"} & asked.keys()


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_client_proves_itself_the_way_the_provider_asks_for(
    provider: Provider, browser: Client, method: str
) -> None:
    provider.methods = (method,)
    come(browser, "2")
    assert who(browser)


def test_the_role_follows_the_claim_and_a_change_ends_all_sessions(
    provider: Provider, browser: Client
) -> None:
    come(browser, "2")
    made = User.objects.get()
    provider.people["2"]["roles"] = ["console-qa"]
    other = Client()
    come(other, "2")
    made.refresh_from_db()
    assert made.role == Role.QA
    provider.people["2"]["roles"] = ["console-marketing"]
    # In the browser that is signed in already: its own session ends, too, and a new one begins.
    come(other, "2")
    made.refresh_from_db()
    assert made.role == Role.MARKETING
    assert other.get("/", secure=True).status_code == 200
    assert browser.get("/", secure=True).status_code == 302
    changed = AuditEvent.objects.filter(action="account.role-changed").first()
    assert changed is not None
    assert changed.actor_name == "Console"
    assert (changed.detail["from"], changed.detail["to"]) == ("qa", "marketing")


def test_of_several_roles_the_one_that_may_more_counts(provider: Provider, browser: Client) -> None:
    provider.people["2"]["roles"] = ["console-marketing", 7, None, "console-qa"]
    come(browser, "2")
    assert User.objects.get().role == Role.QA


@pytest.mark.parametrize(
    ("claim", "claims"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["console-qa"]}}),
        ("https://shop.example/roles", {"https://shop.example/roles": "console-qa"}),
        ("groups", {"groups": ["console-qa"]}),
    ],
)
def test_the_claim_may_be_nested_and_in_the_user_info_alone(
    provider: Provider, browser: Client, settings: Settings, claim: str, claims: dict[str, Any]
) -> None:
    settings.OIDC_ROLE_CLAIM = claim
    provider.people["2"] = claims
    provider.only_in_userinfo = set(claims)
    come(browser, "2")
    assert User.objects.get().role == Role.QA


def test_names_are_made_fit_and_nobody_takes_another_s(provider: Provider, browser: Client) -> None:
    create_user(system_actor(), username="Boss", role=Role.QA, password=PASSWORD)
    wanted = {"roles": "console-qa", "preferred_username": "boss"}
    provider.people["4"] = {**wanted, "name": "A\x00B\u202e" + "x" * 400, "email": "no address"}
    provider.people["5"] = {"roles": "console-qa", "preferred_username": ["a"], "name": 7}
    for person in ("4", "5"):
        come(Client(), person)
    made = User.objects.exclude(username="Boss").order_by("pk")
    assert [user.username for user in made] == ["boss-2", "person"]
    assert made[0].label.startswith("A B xxx")
    assert all(letter.isprintable() for letter in made[0].label)
    for user in made:
        user.full_clean(exclude={"password"})


def test_a_link_alone_begins_no_sign_in(provider: Provider, browser: Client) -> None:
    shown = browser.get(START, secure=True)
    assert shown.status_code == 200
    assert "Sign in with Shop Login" in said(shown)
    assert browser.head(START, secure=True).status_code == 405
    assert provider.requests == []
    assert "socialaccount_states" not in browser.session
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(START, secure=True).status_code == 403
    assert provider.requests == []


@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        ("/builds/", "/builds/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("http:///evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("https://testserver/builds/", "/"),
    ],
)
def test_the_way_back_leads_to_own_pages_alone(
    provider: Provider, browser: Client, wanted: str, leads_to: str
) -> None:
    answer = come(browser, "2", f"?next={wanted}")
    assert answer.status_code == 302
    assert answer["Location"] == leads_to


def test_qa_still_needs_a_second_factor_of_the_console_and_can_set_one_up(
    provider: Provider, browser: Client
) -> None:
    come(browser, "1")
    assert browser.get("/", secure=True)["Location"] == reverse("mfa_index")
    assert browser.get(reverse("mfa_activate_totp"), secure=True).status_code == 200


def test_who_came_too_long_ago_comes_again_before_the_first_factor(
    provider: Provider, browser: Client
) -> None:
    come(browser, "1")
    session = browser.session
    for one in session["account_authentication_methods"]:
        one["at"] -= 4000
    session.save()
    setup = reverse("mfa_activate_totp")
    sent = browser.get(setup, secure=True)
    assert sent.status_code == 302
    assert sent["Location"].startswith(START)
    assert "Show once more that it is you" in said(browser.get(sent["Location"], secure=True))
    back = come(browser, "1", "?" + sent["Location"].partition("?")[2])
    assert back["Location"] == setup
    assert browser.get(setup, secure=True).status_code == 200


def test_a_provider_that_always_asks_for_a_second_factor_is_enough(
    provider: Provider, browser: Client, settings: Settings
) -> None:
    settings.SSO_HAS_SECOND_FACTOR = True
    come(browser, "1")
    assert browser.get("/", secure=True).status_code == 200


def test_who_has_a_second_factor_here_is_asked_for_it(provider: Provider, browser: Client) -> None:
    come(browser, "1")
    secret = generate_totp_secret()
    TOTP.activate(User.objects.get(), secret)
    fresh = Client()
    answer = come(fresh, "1")
    assert answer["Location"] == reverse("mfa_authenticate")
    assert who(fresh) == ""
    kept = repr(dict(fresh.session.items()))
    assert not [one for one in provider.given if one in kept]
    code = f"{hotp_value(secret, int(time.time()) // 30):06}"
    fresh.post(reverse("mfa_authenticate"), {"code": code}, secure=True)
    assert who(fresh) == str(User.objects.get().pk)
    assert fresh.get("/", secure=True).status_code == 200


def test_a_password_is_neither_changed_nor_reset_here(
    provider: Provider, browser: Client, settings: Settings
) -> None:
    settings.MAIL_CONFIGURED = True
    provider.people["1"] = {**QA, "roles": ["console-marketing"]}
    come(browser, "1")
    for name in ("account_change_password", "account_set_password"):
        page = browser.get(reverse(name), secure=True)
        assert "your password is kept there" in said(page)
        assert 'type="password"' not in said(page)
        form = {"password1": PASSWORD, "password2": PASSWORD}
        browser.post(reverse(name), form, secure=True)
    assert not User.objects.get().has_usable_password()
    mail.outbox.clear()
    form = {"email": "quinn@shop.example"}
    Client().post(reverse("account_reset_password"), form, secure=True)
    assert mail.outbox == []
