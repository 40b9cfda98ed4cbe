"""Signing in: passwords, second factors, lockout, sessions, links by mail."""

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse
from django_tasks import TaskResultStatus
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from accounts import people
from accounts.audit import command_actor
from accounts.mail import password_path
from accounts.models import AuditEvent, User
from accounts.roles import Role
from tests.accounts.conftest import (
    PASSWORD,
    SECRET,
    Cast,
    code_of,
    give_factor,
    sign_in,
    stranger,
    told,
)
from tests.factories import enter

HOME = reverse("admin:index")
# All roles open it.
OPEN = reverse("promotion:environments")


def work() -> None:
    """Do what waits in the queue, as the worker does."""
    for waiting in DBTaskResult.objects.filter(status=TaskResultStatus.READY):
        waiting.task.call(*waiting.args_kwargs["args"])
        waiting.delete()


def is_in(client: Client) -> bool:
    """Whether a page that all roles see opens."""
    return client.get(OPEN, secure=True).status_code == 200


def test_marketing_signs_in_with_a_password(cast: Cast) -> None:
    client = stranger()
    assert client.get(OPEN, secure=True).headers["Location"] == f"/account/login/?next={OPEN}"
    assert client.get("/login/?next=/x", secure=True).headers["Location"].endswith("?next=%2Fx")
    assert sign_in(client, cast.marketing).headers["Location"] == HOME
    assert is_in(client)
    assert told("account.signed-in") == [("marketing", "done")]


def test_passwords_are_kept_by_argon2(cast: Cast, settings: Settings) -> None:
    from tracardi_console import settings as real

    settings.PASSWORD_HASHERS = real.PASSWORD_HASHERS
    cast.marketing.set_password(PASSWORD)
    assert cast.marketing.password.startswith("argon2")


@pytest.mark.parametrize("role", ["admin", "qa"])
def test_a_role_that_needs_a_second_factor_opens_nothing_without_one(cast: Cast, role: str) -> None:
    client, user = stranger(), getattr(cast, role)
    sign_in(client, user)
    set_up = reverse("mfa_index")
    for name in ("admin:index", "promotion:environments", "usersessions_list", "accounts:people"):
        assert client.get(reverse(name), secure=True).headers["Location"] == set_up
    answer = client.post(reverse("promotion:capture", args=["staging"]), secure=True)
    assert answer.headers["Location"] == set_up
    assert "Set up a second factor to go on" in client.get(set_up, secure=True).content.decode()


@pytest.mark.django_db(transaction=True)
def test_an_authenticator_app_is_set_up_on_the_way_and_asked_for_afterwards(cast: Cast) -> None:
    client = stranger()
    sign_in(client, cast.qa)
    page = client.get(reverse("mfa_activate_totp"), secure=True).content.decode()
    secret = re.search(r'value="([A-Z2-7]{32})"', page)
    assert secret is not None
    data = {"code": code_of(secret.group(1))}
    answer = client.post(reverse("mfa_activate_totp"), data, secure=True)
    codes = answer.headers["Location"]
    assert codes == reverse("mfa_view_recovery_codes")
    assert "I have saved" in client.get(codes, secure=True).content.decode()
    assert is_in(client)
    # The code that set it up counts no more.
    other = stranger()
    sign_in(other, cast.qa)
    other.post(reverse("mfa_authenticate"), data, secure=True)
    assert not is_in_session(other)
    # Its key is no plain text in the database.
    held = Authenticator.objects.get(user=cast.qa, type="totp")
    assert secret.group(1) not in str(held.data)
    assert told("account.factor-added") == [("qa", "done"), ("qa", "done")]

    again = stranger()
    assert sign_in(again, cast.qa).headers["Location"] == reverse("mfa_authenticate")
    assert again.get(HOME, secure=True).status_code == 302
    assert not is_in_session(again)


def is_in_session(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_a_wrong_code_signs_nobody_in_and_is_recorded(cast: Cast) -> None:
    give_factor(cast.admin)
    client = stranger()
    sign_in(client, cast.admin)
    assert "_auth_user_id" not in client.session
    answer = client.post(reverse("mfa_authenticate"), {"code": "000000"}, secure=True)
    assert (answer.status_code, "_auth_user_id" in client.session) == (200, False)
    assert told("account.signed-in") == [("Nobody signed in", "refused")]
    client.post(reverse("mfa_authenticate"), {"code": code_of(SECRET)}, secure=True)
    assert is_in(client)
    assert AuditEvent.objects.filter(action="account.signed-in", outcome="done").count() == 1


def test_a_code_counts_once(cast: Cast) -> None:
    give_factor(cast.admin)
    code = code_of(SECRET)
    for client, comes_in in ((stranger(), True), (stranger(), False)):
        sign_in(client, cast.admin)
        client.post(reverse("mfa_authenticate"), {"code": code}, secure=True)
        assert is_in_session(client) is comes_in


def test_a_recovery_code_opens_once(cast: Cast) -> None:
    give_factor(cast.admin)
    held = Authenticator.objects.get(user=cast.admin, type="recovery_codes")
    code = RecoveryCodes(held).get_unused_codes()[0]
    for client, comes_in in ((stranger(), True), (stranger(), False)):
        sign_in(client, cast.admin)
        client.post(reverse("mfa_authenticate"), {"code": code}, secure=True)
        assert is_in_session(client) is comes_in


def test_the_last_factor_stays_where_the_role_needs_one(cast: Cast) -> None:
    give_factor(cast.qa)
    client = enter(cast.qa)
    answer = client.post(reverse("mfa_deactivate_totp"), secure=True)
    assert answer.status_code == 200
    assert Authenticator.objects.filter(user=cast.qa, type="totp").exists()


def test_a_session_from_before_the_factor_adds_none_and_has_to_prove_it(cast: Cast) -> None:
    client = enter(cast.qa, factors=["password"])
    give_factor(cast.qa)
    for name in ("mfa_add_webauthn", "mfa_activate_totp", "mfa_index"):
        where = client.get(reverse(name), secure=True).headers["Location"]
        assert where.startswith(reverse("mfa_reauthenticate"))
    client.post(reverse("mfa_reauthenticate"), {"code": code_of(SECRET)}, secure=True)
    assert is_in(client)


def from_address(address: str) -> Client:
    return Client(headers={"x-forwarded-proto": "https"}, REMOTE_ADDR=address)


def test_after_five_wrong_passwords_the_account_waits_for_where_they_came_from(cast: Cast) -> None:
    for _ in range(5):
        client = from_address("2001:db8::1")
        assert sign_in(client, cast.marketing, "wrong").status_code == 200
    # Another address of the same network is no other place.
    for address in ("2001:db8::1", "2001:db8::2"):
        answer = sign_in(from_address(address), cast.marketing)
        assert "Too many failed attempts" in answer.content.decode()
    refused = AuditEvent.objects.filter(action="account.signed-in", outcome="refused")
    assert refused.count() == 7
    assert refused.latest("number").reason.startswith("Too many attempts failed")
    # Nobody keeps the person out from elsewhere, nor another account.
    assert sign_in(from_address("192.0.2.77"), cast.marketing).status_code == 302
    give_factor(cast.qa)
    there = sign_in(from_address("2001:db8::1"), cast.qa).headers["Location"]
    assert there == reverse("mfa_authenticate")


def test_from_everywhere_together_there_are_so_many_tries(cast: Cast, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {
        "login_failed": "5/300s/key",
        "login_failed_anywhere": "7/h/key",
    }
    for n in range(7):
        sign_in(from_address(f"192.0.2.{n}"), cast.marketing, "wrong")
    answer = sign_in(from_address("192.0.2.200"), cast.marketing)
    assert "Too many failed attempts" in answer.content.decode()


def test_nobody_flushes_a_lockout_by_other_attempts(cast: Cast, settings: Settings) -> None:
    cache.set("allauth:locked", "yes", 300)
    cache.set("allauth:over", "yes", -5)
    for n in range(settings.CACHES["default"]["OPTIONS"]["MAX_ENTRIES"] + 10):
        cache.set(f"z-attempt-{n}", "x", 3600)
    assert cache.get("allauth:locked") == "yes"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM console_cache WHERE cache_key LIKE '%over%'")
        assert cursor.fetchone() == (0,)


def test_a_link_that_set_a_password_ends_the_lockout(cast: Cast) -> None:
    for _ in range(5):
        sign_in(stranger(), cast.marketing, "wrong")
    client = stranger()
    form = client.get(password_path(cast.marketing), secure=True).headers["Location"]
    data = {"password1": "another long phrase 8", "password2": "another long phrase 8"}
    client.post(form, data, secure=True)
    assert sign_in(stranger(), cast.marketing, "another long phrase 8").status_code == 302


def test_attempts_on_another_spelling_are_of_the_account(cast: Cast) -> None:
    data = {"login": "MARKETING", "password": "wrong"}
    stranger().post(reverse("account_login"), data, secure=True)
    event = AuditEvent.objects.get(action="account.signed-in")
    assert (event.object_label, event.detail) == ("marketing", {})


def test_the_last_security_key_stays_too(cast: Cast) -> None:
    facts = {"user": cast.qa, "type": "webauthn", "data": {"name": "Key", "credential": {}}}
    key = Authenticator.objects.create(**facts)
    client = enter(cast.qa)
    url = reverse("mfa_remove_webauthn", args=[key.pk])
    client.post(url, secure=True)
    assert Authenticator.objects.filter(pk=key.pk).exists()
    Authenticator.objects.create(**facts)
    client.post(url, secure=True)
    assert not Authenticator.objects.filter(pk=key.pk).exists()
    assert told("account.factor-removed") == [("qa", "done")]
    other = Authenticator.objects.create(**{**facts, "user": cast.admin})
    url = reverse("mfa_remove_webauthn", args=[other.pk])
    assert client.post(url, secure=True).status_code == 404


def test_a_change_whose_event_cannot_be_written_does_not_happen(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any, **_facts: Any) -> None:
        raise RuntimeError("The trail is broken.")

    client = enter(cast.marketing)
    monkeypatch.setattr("accounts.hooks.record", broken)
    data = {"oldpassword": PASSWORD, "password1": "a new phrase 99", "password2": "a new phrase 99"}
    with pytest.raises(RuntimeError):
        client.post(reverse("account_change_password"), data, secure=True)
    cast.marketing.refresh_from_db()
    assert cast.marketing.check_password(PASSWORD)
    page = client.get(reverse("mfa_activate_totp"), secure=True).content.decode()
    secret = re.search(r'value="([A-Z2-7]{32})"', page)
    assert secret is not None
    with pytest.raises(RuntimeError):
        client.post(reverse("mfa_activate_totp"), {"code": code_of(secret.group(1))}, secure=True)
    assert not Authenticator.objects.filter(user=cast.marketing).exists()


def test_a_long_name_stops_nothing(cast: Cast) -> None:
    cast.marketing.first_name, cast.marketing.last_name = "F" * 150, "L" * 150
    cast.marketing.save()
    assert sign_in(stranger(), cast.marketing).status_code == 302
    assert len(AuditEvent.objects.get(action="account.signed-in").actor_name) == 200


def test_a_name_that_nobody_has_is_not_kept(cast: Cast) -> None:
    client = stranger()
    data = {"login": "my-secret-password", "password": "x"}
    client.post(reverse("account_login"), data, secure=True)
    event = AuditEvent.objects.get(action="account.signed-in")
    assert "my-secret" not in str(event.facts)
    assert event.detail == {"name": "unknown"}


def test_an_account_that_is_switched_off_signs_in_no_more(cast: Cast) -> None:
    people.switch_off(command_actor(cast.admin), cast.marketing)
    client = stranger()
    sign_in(client, cast.marketing)
    assert not is_in_session(client)


@pytest.mark.parametrize("act", ["switched off", "another role", "signed out", "new password"])
def test_all_sessions_end_at_once(cast: Cast, act: str) -> None:
    first, second, actor = enter(cast.qa), enter(cast.qa), command_actor(cast.admin)
    assert is_in(first)
    if act == "switched off":
        people.switch_off(actor, cast.qa)
    elif act == "another role":
        people.change_role(actor, cast.qa, Role.MARKETING)
    elif act == "signed out":
        people.sign_out(actor, cast.qa)
    else:
        cast.qa.set_password("another long phrase 8")
        cast.qa.save()
    for client in (first, second):
        where = client.get(OPEN, secure=True).headers["Location"]
        assert where.startswith(reverse("account_login"))


def test_a_person_sees_and_ends_their_own_sessions(cast: Cast) -> None:
    here, there = stranger(), stranger()
    sign_in(here, cast.marketing)
    sign_in(there, cast.marketing)
    page = here.get(reverse("usersessions_list"), secure=True).content.decode()
    assert page.count("127.0.0.1") == 2
    here.post(reverse("usersessions_list"), secure=True)
    assert told("account.sessions-ended") == [("marketing", "done")]
    assert (is_in_session(here), is_in(here)) == (True, True)
    assert not is_in_session(there)


def test_a_forgotten_password_is_set_by_a_link_that_works_once(
    cast: Cast, settings: Settings
) -> None:
    settings.MAIL_CONFIGURED = True
    inside, client = enter(cast.marketing), stranger()
    answer = client.post(
        reverse("account_reset_password"), {"email": cast.marketing.email}, secure=True
    )
    assert answer.headers["Location"] == reverse("account_reset_password_done")
    # The queue holds no link that somebody with the database could follow.
    assert "password/reset" not in str(DBTaskResult.objects.values_list("args_kwargs", flat=True))
    work()
    (sent,) = mail.outbox
    assert "Hello" in str(sent.body)
    assert "testserver!" not in str(sent.body)
    link = re.search(r"https://testserver(\S+)", str(sent.body))
    assert link is not None
    form = client.get(link.group(1), secure=True).headers["Location"]
    data = {"password1": "another long phrase 8", "password2": "another long phrase 8"}
    assert client.post(form, data, secure=True).status_code == 302
    assert not is_in_session(client)
    cast.marketing.refresh_from_db()
    assert cast.marketing.check_password("another long phrase 8")
    assert inside.get(OPEN, secure=True).headers["Location"].startswith("/account/login/")
    page = stranger().get(link.group(1), secure=True).content.decode()
    assert "This link does not work" in page
    assert told("account.password-set") == [("Nobody signed in", "done")]


def test_nobody_learns_whether_an_address_has_an_account(cast: Cast, settings: Settings) -> None:
    settings.MAIL_CONFIGURED = True
    for address, mails in (("nobody@example.com", 0), (cast.marketing.email, 1)):
        before = DBTaskResult.objects.count()
        data = {"email": address}
        answer = stranger().post(reverse("account_reset_password"), data, secure=True)
        assert answer.headers["Location"] == reverse("account_reset_password_done")
        # Nothing is sent while the page is waited for: it would take longer.
        assert mail.outbox == []
        assert DBTaskResult.objects.count() == before + 1
        work()
        assert len(mail.outbox) == mails


def test_without_a_mail_server_the_page_says_whom_to_ask(cast: Cast) -> None:
    page = stranger().get(reverse("account_reset_password"), secure=True).content.decode()
    assert "This console sends no mail" in page
    assert "<form" not in page


def test_a_weak_password_is_refused(cast: Cast) -> None:
    client = enter(cast.marketing)
    data = {"oldpassword": PASSWORD, "password1": "short", "password2": "short"}
    answer = client.post(reverse("account_change_password"), data, secure=True)
    assert "at least 12 characters" in answer.content.decode()
    cast.marketing.refresh_from_db()
    assert cast.marketing.check_password(PASSWORD)


def test_nobody_signs_up(cast: Cast) -> None:
    client = stranger()
    data = {"username": "eve", "password1": PASSWORD, "password2": PASSWORD}
    for name in ("account_signup", "socialaccount_signup"):
        page = client.get(reverse(name), secure=True)
        assert "the administrator invites people" in page.content.decode()
        client.post(reverse(name), data, secure=True)
    assert not User.objects.filter(username="eve").exists()


@pytest.mark.parametrize(
    "where",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "https://localhost/",
        "http:evil.example",
    ],
)
def test_a_sign_in_leads_only_to_own_pages(cast: Cast, where: str) -> None:
    data = {"login": "marketing", "password": PASSWORD, "next": where}
    answer = stranger().post(reverse("account_login"), data, secure=True)
    assert answer.headers["Location"] == HOME


def test_the_first_page_of_an_empty_console_names_no_default_password(
    db: None, plain_static_files: None
) -> None:
    page = stranger().get(reverse("account_login"), secure=True).content.decode()
    assert "manage.py create_admin" in page
    assert "none has a default password" in page
    assert User.objects.count() == 0


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "203.0.113.9", "192.0.2.1"),
        (1, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (2, "203.0.113.9, 198.51.100.7", "203.0.113.9"),
        (1, "", "192.0.2.1"),
        # Around the proxies: what the connection says, and no error of the server.
        (2, "203.0.113.9", "192.0.2.1"),
    ],
)
def test_just_so_many_proxies_are_believed(
    cast: Cast, settings: Settings, proxies: int, forwarded: str, address: str
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    headers = {"x-forwarded-proto": "https", "x-forwarded-for": forwarded}
    client = Client(headers=headers, REMOTE_ADDR="192.0.2.1")
    assert sign_in(client, cast.marketing).status_code == 302
    assert AuditEvent.objects.get(action="account.signed-in").address == address


def test_attempts_from_one_address_are_held_up_in_the_consoles_words(
    cast: Cast, settings: Settings
) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"login": "2/m/ip"}
    for _ in range(2):
        assert sign_in(stranger(), cast.marketing, "wrong").status_code == 200
    answer = sign_in(stranger(), cast.marketing)
    assert (answer.status_code, "Too many attempts" in answer.content.decode()) == (429, True)
    # The page itself stays open.
    assert stranger().get(reverse("account_login"), secure=True).status_code == 200


def test_a_mail_server_that_is_down_is_no_error_of_a_page(
    cast: Cast, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MAIL_CONFIGURED = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    for address in (cast.marketing.email, "nobody@example.com"):
        data = {"email": address}
        answer = stranger().post(reverse("account_reset_password"), data, secure=True)
        assert answer.headers["Location"] == reverse("account_reset_password_done")
    work()
    assert "mail.lost" in caplog.text
    data = {"username": "nina", "email": "nina@example.com", "role": "qa", "step": "send"}
    page = enter(cast.admin).post(reverse("accounts:invite"), data, secure=True)
    assert "The mail server did not take the mail" in page.content.decode()
    assert "reset/key" in page.content.decode()
