"""Which account somebody gets by single sign-on, and who gets none; with a real provider."""

import pytest
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from accounts.audit import system_actor
from accounts.claims import identity
from accounts.mail import password_path
from accounts.models import AuditEvent, User
from accounts.people import invite
from accounts.roles import Role
from accounts.services import create_user
from accounts.single_sign_on import SingleSignOnAdapter
from tests.accounts.sign_on import PASSWORD, QA, browser, facts, is_refused, provider, said, who
from tests.factories import enter
from tests.oidc import CALLBACK, START, begin, choose, come, use
from tests.oidc.provider import Provider
from tests.oidc.server import running

__all__ = ["browser", "provider"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]


def test_a_claim_never_makes_an_administrator(provider: Provider, browser: Client) -> None:
    provider.people["2"]["roles"] = ["console-boss", "administrator"]
    is_refused(come(browser, "2"), browser, "gives you no role here")
    assert not User.objects.exists()
    provider.people["2"]["roles"] = ["console-boss", "console-marketing"]
    come(browser, "2")
    assert User.objects.get().role == Role.MARKETING


@pytest.mark.parametrize("verified", [True, False])
def test_the_administrator_does_not_come_by_single_sign_on_and_is_not_changed(
    provider: Provider, browser: Client, verified: bool
) -> None:
    ada = create_user(
        system_actor(),
        username="ada",
        role=Role.ADMINISTRATOR,
        password=PASSWORD,
        email="ada@shop.example",
    )
    claims = {"email": "ADA@shop.example", "email_verified": verified}
    provider.people["2"] |= claims
    before = facts()
    words = "signs in with a password" if verified else "does not prove that it is yours"
    is_refused(come(browser, "2"), browser, words)
    assert facts() == before
    # Nor one that was connected before the administration was handed over.
    provider.people["4"] = {"roles": ["console-qa"]}
    come(browser, "4")
    User.objects.filter(pk=ada.pk).update(is_active=False)
    User.objects.exclude(pk=ada.pk).update(role=Role.ADMINISTRATOR.value)
    before, fresh = facts(), Client()
    is_refused(come(fresh, "4"), fresh, "signs in with a password")
    assert facts() == before


def test_whom_the_claim_gives_no_role_is_refused(provider: Provider, browser: Client) -> None:
    is_refused(come(browser, "3"), browser, "gives you no role here")
    assert "claim &#x27;roles&#x27;" in said(come(browser, "3"))
    assert not User.objects.exists()
    assert not SocialAccount.objects.exists()


def test_who_had_a_role_and_has_none_now_is_refused_by_name(
    provider: Provider, browser: Client
) -> None:
    come(browser, "2")
    provider.people["2"]["roles"] = []
    before, fresh = facts(), Client()
    is_refused(come(fresh, "2"), fresh, "gives you no role here")
    assert facts() == before
    event = AuditEvent.objects.first()
    assert event is not None
    assert event.object_id == str(User.objects.get().pk)


@pytest.mark.parametrize("connected", [True, False])
def test_an_account_that_is_switched_off_stays_as_it_is(
    provider: Provider, browser: Client, connected: bool
) -> None:
    if connected:
        come(browser, "1")
    else:
        create_user(
            system_actor(),
            username="quinn",
            role=Role.MARKETING,
            password=PASSWORD,
            email="quinn@shop.example",
        )
    User.objects.update(is_active=False, role=Role.MARKETING.value)
    before, fresh = facts(), Client()
    is_refused(come(fresh, "1"), fresh, "This account is switched off")
    assert facts() == before


def test_an_address_that_nobody_proved_opens_no_account(
    provider: Provider, browser: Client
) -> None:
    create_user(
        system_actor(), username="q", role=Role.QA, password=PASSWORD, email="quinn@shop.example"
    )
    for verified in (False, None, "false", "yes", 1.5):
        provider.people["1"] = {**QA, "email_verified": verified}
        before = facts()
        is_refused(come(browser, "1"), browser, "does not prove that it is yours")
        assert facts() == before


def test_the_token_s_address_is_not_proved_by_the_user_info_of_another(
    provider: Provider, browser: Client
) -> None:
    create_user(
        system_actor(), username="q", role=Role.QA, password=PASSWORD, email="quinn@shop.example"
    )
    provider.only_in_userinfo = {"email_verified"}
    is_refused(come(browser, "1"), browser, "does not prove that it is yours")


def test_two_accounts_of_one_address_are_nobody_s(provider: Provider, browser: Client) -> None:
    for name in ("q1", "q2"):
        create_user(
            system_actor(),
            username=name,
            role=Role.QA,
            password=PASSWORD,
            email="quinn@shop.example",
        )
    before = facts()
    is_refused(come(browser, "1"), browser, "does not prove that it is yours")
    assert facts() == before


def test_an_unproved_address_of_a_new_person_is_not_kept(
    provider: Provider, browser: Client
) -> None:
    provider.people["1"] = {**QA, "email_verified": False}
    come(browser, "1")
    assert User.objects.get().email == ""


def test_an_invited_person_comes_by_a_verified_address_and_the_link_is_over(
    provider: Provider, browser: Client
) -> None:
    invited = invite(
        system_actor(),
        username="q.ash",
        role=Role.QA,
        email="quinn@shop.example",
        environments=[],
    )
    link = password_path(invited)
    come(browser, "1")
    assert who(browser) == str(invited.pk)
    assert User.objects.count() == 1
    assert AuditEvent.objects.filter(action="account.connected", outcome="done").count() == 1
    shown = Client().get(link, secure=True, follow=True)
    assert "This link does not work" in said(shown)


def test_the_password_of_a_connected_account_is_of_no_use_any_more(
    provider: Provider, browser: Client
) -> None:
    user = create_user(
        system_actor(),
        username="q.ash",
        role=Role.MARKETING,
        password=PASSWORD,
        email="quinn@shop.example",
    )
    before = enter(user)
    provider.people["1"] = {**QA, "roles": ["console-marketing"]}
    come(browser, "1")
    assert "has no password" in said(browser.get("/", secure=True))
    other = Client()
    form = {"login": "q.ash", "password": PASSWORD}
    assert other.post(reverse("account_login"), form, secure=True).status_code == 200
    assert who(other) == ""
    assert before.get("/", secure=True).status_code == 302


def test_the_account_of_an_address_that_was_given_to_somebody_else_is_not(
    provider: Provider, browser: Client
) -> None:
    come(browser, "1")
    provider.people["9"] = QA
    before, fresh = facts(), Client()
    is_refused(come(fresh, "9"), fresh, "belongs to another person")
    assert facts() == before


def test_a_person_of_another_provider_is_another_person(
    provider: Provider, browser: Client, settings: Settings
) -> None:
    come(browser, "2")
    with running(**{"2": {"roles": ["console-marketing"], "name": "Somebody Else"}}) as other:
        use(settings, other)
        come(browser, "2")
    assert sorted(user.label for user in User.objects.all()) == ["Mary Lane", "Somebody Else"]


def test_nobody_attaches_an_identity_to_who_is_signed_in(
    provider: Provider, settings: Settings
) -> None:
    user = create_user(system_actor(), username="m", role=Role.MARKETING, password=PASSWORD)
    browser = enter(user)
    before = facts()
    for process in ("connect", "redirect", "anything"):
        answer = browser.post(f"{START}?process={process}", secure=True)
        assert answer.status_code == 403
        assert "not connected to the account" in said(answer)
        assert "<h1>Nothing was changed</h1>" in said(answer)
        answer = browser.post(START, {"process": process}, secure=True)
        assert answer.status_code == 403
    assert facts() == before
    event = AuditEvent.objects.first()
    assert event is not None
    assert event.actor == user
    # Nor where the state says so, whoever put it there.
    back = choose(begin(browser), "2")
    session = browser.session
    states = session["socialaccount_states"]
    for state in states.values():
        state[0]["process"] = "connect"
    session["socialaccount_states"] = states
    session.save()
    assert browser.get(back, secure=True).status_code == 403
    assert facts() == before


def test_who_comes_in_two_windows_at_once_gets_one_account(provider: Provider) -> None:
    request = RequestFactory().get(CALLBACK, secure=True)
    request.user, request.session = AnonymousUser(), SessionStore()
    adapter = SingleSignOnAdapter(request)
    one = identity({"iss": provider.issuer, "sub": "2", "roles": "console-qa"}, {})
    both = []
    for _ in range(2):
        login = adapter.get_provider(request, "sso").sociallogin_from_response(request, one)
        login.state = {"process": "login"}
        # Neither finds an account.
        login.lookup()
        both.append(login)
    adapter.pre_social_login(request, both[0])
    before = facts()
    with pytest.raises(ImmediateHttpResponse) as refused:
        adapter.pre_social_login(request, both[1])
    assert "You came twice at the same moment" in said(refused.value.response)
    assert facts() == before
