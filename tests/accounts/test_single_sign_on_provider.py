"""What becomes of a sign-in when the provider misbehaves, and what is kept of one."""

import logging
import socket
import time
from collections.abc import Iterator

import pytest
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.models import AuditEvent, User
from tests.oidc import CALLBACK, START, begin, choose, come, use
from tests.oidc.provider import SECRET, Provider
from tests.oidc.server import running
from tests.oidc.trouble import Trouble

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
QA = {"roles": ["console-qa"], "name": "Quinn Ash", "birthdate": "1990-01-01", "phone": "555-0100"}
DOWN = "The single sign-on does not answer."
NOT_TRUSTED = "no answer that can be trusted"
NOT_BEGUN = "This sign-in was not begun in this browser"
# What is wrong, what the page says, and what the operator reads.
TROUBLES = [
    (Trouble.WRONG_ISSUER, 403, NOT_TRUSTED, "id token: InvalidIssuerError."),
    (Trouble.WRONG_AUDIENCE, 403, NOT_TRUSTED, "id token: InvalidAudienceError."),
    (Trouble.OTHER_PARTY, 403, NOT_TRUSTED, "id token: it was made for another application."),
    (Trouble.EXPIRED, 403, NOT_TRUSTED, "id token: ExpiredSignatureError."),
    (Trouble.NO_END, 403, NOT_TRUSTED, "id token: MissingRequiredClaimError."),
    (Trouble.BAD_SIGNATURE, 403, NOT_TRUSTED, "id token: InvalidSignatureError."),
    (Trouble.NO_SIGNATURE, 403, NOT_TRUSTED, "id token: InvalidAlgorithmError."),
    (Trouble.SHARED_SECRET, 403, NOT_TRUSTED, "id token: InvalidAlgorithmError."),
    (Trouble.UNKNOWN_KEY, 403, NOT_TRUSTED, "id token: the provider has no such key."),
    (Trouble.NO_KEYS, 403, NOT_TRUSTED, "id token: PyJWKSetError."),
    (Trouble.WRONG_NONCE, 403, NOT_TRUSTED, "id token: it is of another sign-in."),
    (Trouble.NO_NONCE, 403, NOT_TRUSTED, "id token: it is of another sign-in."),
    (Trouble.NO_SUBJECT, 403, NOT_TRUSTED, "id token: it names nobody."),
    (Trouble.UNPRINTABLE_SUBJECT, 403, NOT_TRUSTED, "id token: it names nobody."),
    (Trouble.NO_ID_TOKEN, 403, NOT_TRUSTED, "token: there is no id_token."),
    (Trouble.NOT_A_TOKEN, 403, NOT_TRUSTED, "id token: DecodeError."),
    (Trouble.OTHER_PERSON, 403, NOT_TRUSTED, "userinfo: it is about another person"),
    (Trouble.NO_PERSON, 403, NOT_TRUSTED, "userinfo: it is about another person"),
    (Trouble.NOT_JSON, 403, NOT_TRUSTED, "token: the answer is no JSON."),
    (Trouble.LIST, 403, NOT_TRUSTED, "token: the answer is no object."),
    (Trouble.TOO_LONG, 403, NOT_TRUSTED, "token: the answer is too long."),
    (Trouble.MOVED, 403, NOT_TRUSTED, "token: HTTP 307."),
    (Trouble.BROKEN, 503, DOWN, "token: HTTP 500."),
    (Trouble.BROKEN_USERINFO, 503, DOWN, "userinfo: HTTP 500."),
    (Trouble.SILENT, 503, DOWN, "token: ReadTimeout."),
    (Trouble.TRICKLES, 503, DOWN, "token: the answer takes too long."),
    (Trouble.CANNOT, 403, NOT_TRUSTED, "authorization: it answered invalid_scope."),
    (Trouble.DENIES, 403, "You were not let in there, or turned back.", ""),
    (Trouble.FOREIGN_STATE, 403, NOT_BEGUN, ""),
]


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    with running(quinn=dict(QA)) as provider:
        # Nothing here is slow but what is never answered.
        use(settings, provider, SOCIALACCOUNT_REQUESTS_TIMEOUT=1)
        yield provider


@pytest.fixture
def browser() -> Client:
    return Client()


def is_refused(browser: Client, status: int, words: str, problem: str = "") -> None:
    """Assert that the last event says it, and that nobody came in."""
    assert "_auth_user_id" not in browser.session
    assert not User.objects.exists()
    assert not SocialAccount.objects.exists()
    event = AuditEvent.objects.first()
    assert event is not None
    assert event.action == "account.single-sign-on"
    assert event.outcome == ("failed" if status == 503 else "refused")
    assert words in event.reason
    assert problem in event.detail.get("problem", "")
    assert event.actor_name == "Nobody signed in"


@pytest.mark.parametrize(("trouble", "status", "words", "problem"), TROUBLES)
def test_an_answer_that_cannot_be_trusted_signs_nobody_in(
    provider: Provider, browser: Client, trouble: Trouble, status: int, words: str, problem: str
) -> None:
    back = choose(begin(browser), "quinn") if trouble not in _AT_CHOICE else ""
    provider.trouble = trouble
    back = back or choose(begin(browser), "quinn")
    began = time.monotonic()
    answer = browser.get(back, secure=True)
    assert time.monotonic() - began < 8
    assert answer.status_code == status
    page = answer.content.decode()
    assert "<h1>Not signed in</h1>" in page
    assert words in page
    assert "Traceback" not in page
    assert "<b>no" not in page
    assert answer["Cache-Control"].startswith("max-age=0")
    is_refused(browser, status, words, problem)
    if trouble is Trouble.MOVED:
        assert "elsewhere" not in provider.requests
    # The next one, of a provider that is well again, is none the worse.
    provider.trouble = Trouble.NOTHING
    assert come(browser, "quinn").status_code == 302


_AT_CHOICE = {Trouble.CANNOT, Trouble.DENIES, Trouble.FOREIGN_STATE}


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [
        (Trouble.SPEAKS_FOR_ANOTHER, "discovery: the issuer is another one than OIDC_ISSUER."),
        (Trouble.LISTENED_TO, "discovery: token_endpoint is missing, or not https."),
        (Trouble.NO_ENDPOINT, "discovery: jwks_uri is missing, or not https."),
    ],
)
def test_nobody_is_led_to_a_provider_that_describes_itself_wrongly(
    provider: Provider, browser: Client, trouble: Trouble, problem: str
) -> None:
    provider.trouble = trouble
    answer = browser.post(START, secure=True)
    assert answer.status_code == 403
    assert NOT_TRUSTED in answer.content.decode()
    is_refused(browser, 403, NOT_TRUSTED, problem)


def test_nothing_is_sent_in_the_clear(
    provider: Provider, browser: Client, settings: Settings
) -> None:
    settings.OIDC_ISSUER = "http://login.example.com"
    assert browser.post(START, secure=True).status_code == 403
    assert provider.requests == []
    is_refused(browser, 403, NOT_TRUSTED, "OIDC_ISSUER is not https.")


def test_a_provider_that_is_down_is_said_so_at_once(
    provider: Provider, browser: Client, settings: Settings
) -> None:
    back = choose(begin(browser), "quinn")
    with socket.socket() as taken:
        # Bound and not listening: nobody else answers there meanwhile.
        taken.bind(("127.0.0.2", 0))
        url = f"http://127.0.0.2:{taken.getsockname()[1]}"
        settings.OIDC_ISSUER = url
        app = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]
        app["settings"]["server_url"] = url
        for answer in (browser.get(back, secure=True), browser.post(START, secure=True)):
            assert answer.status_code == 503
            assert DOWN in answer.content.decode()
            is_refused(browser, 503, DOWN, "discovery: ConnectionError.")


def test_a_code_is_good_once_and_in_its_own_browser(provider: Provider, browser: Client) -> None:
    back = choose(begin(browser), "quinn")
    thief = Client()
    assert NOT_BEGUN in thief.get(back, secure=True).content.decode()
    is_refused(thief, 403, NOT_BEGUN)
    # With a sign-in of the thief's own: the code is bound to the other one's verifier.
    own = choose(begin(thief), "quinn")
    mixed = f"{CALLBACK}?state={_of(own, 'state')}&code={_of(back, 'code')}"
    assert thief.get(mixed, secure=True).status_code == 403
    is_refused(thief, 403, NOT_TRUSTED, "token: HTTP 400.")
    again = choose(begin(browser), "quinn")
    assert browser.get(again, secure=True).status_code == 302
    browser.logout()
    replayed = browser.get(again, secure=True)
    assert replayed.status_code == 403
    assert NOT_BEGUN in replayed.content.decode()
    fresh = f"{CALLBACK}?state={_of(begin(browser), 'state')}&code={_of(again, 'code')}"
    assert browser.get(fresh, secure=True).status_code == 403
    assert "_auth_user_id" not in browser.session


def _of(address: str, name: str) -> str:
    return address.partition(f"{name}=")[2].partition("&")[0]


def test_the_way_back_without_anything_is_refused_and_recorded(
    provider: Provider, browser: Client
) -> None:
    for query in ("", "?code=x", "?state=x&code=y", "?error=access_denied", "?state=%00&code=%00"):
        assert browser.get(f"{CALLBACK}{query}", secure=True).status_code == 403
        is_refused(browser, 403, NOT_BEGUN)
    assert browser.post(f"{CALLBACK}?state=x&code=y", secure=True).status_code == 405
    assert provider.requests == []


def test_too_many_tries_from_one_address_wait(
    provider: Provider, browser: Client, settings: Settings
) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "single_sign_on": "3/m/ip"}
    statuses = [browser.get(CALLBACK, secure=True).status_code for _ in range(5)]
    assert statuses == [403, 403, 403, 429, 429]
    assert AuditEvent.objects.count() == 3
    answer = browser.post(START, secure=True)
    assert answer.status_code == 429
    assert "Too many sign-ins" in answer.content.decode()
    assert provider.requests == []


def test_where_no_single_sign_on_is_set_up_there_is_none(
    provider: Provider, browser: Client, settings: Settings
) -> None:
    assert "Sign in with Shop Login" in _login(browser)
    for path in ("/account/sso/openid_connect/login/", "/account/sso/other/callback/"):
        assert browser.get(path, secure=True).status_code == 404
    settings.OIDC_ISSUER = ""
    assert "Sign in with" not in _login(browser)
    for path in (START, CALLBACK):
        assert browser.get(path, secure=True).status_code == 404


def _login(browser: Client) -> str:
    return browser.get("/account/login/", secure=True).content.decode()


@pytest.mark.parametrize("trouble", [Trouble.NOTHING, Trouble.NO_ID_TOKEN, Trouble.OTHER_PERSON])
def test_secrets_tokens_and_codes_are_kept_nowhere(
    provider: Provider, browser: Client, caplog: pytest.LogCaptureFixture, trouble: Trouble
) -> None:
    provider.trouble = trouble
    shown = []
    with caplog.at_level(logging.DEBUG):
        # The values of statements are Django's own to leave out: they go to the database.
        logging.getLogger("django.db.backends").setLevel(logging.INFO)
        answer = come(browser, "quinn")
        shown.append(f"{answer.headers} {answer.content.decode()}")
        for path in ("/", "/account/2fa/", "/account/sessions/", "/account/password/change/"):
            shown.append(browser.get(path, secure=True).content.decode())
    assert len(provider.given) >= 3
    kept = {"log": caplog.text, "pages": "".join(shown), "database": _database()}
    kept["session"] = repr(dict(browser.session.items()))
    for where, text in kept.items():
        for secret in (SECRET, *provider.given):
            assert secret not in text, where
    assert not SocialToken.objects.exists()
    assert not SocialApp.objects.exists()


def _database() -> str:
    """Return all rows of all tables, sessions unpacked by the caller."""
    rows: list[str] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows += map(repr, cursor.fetchall())
    return "\n".join(rows)


def test_of_the_claims_only_who_it_is_is_kept(provider: Provider, browser: Client) -> None:
    come(browser, "quinn")
    held = SocialAccount.objects.get()
    assert held.extra_data == {"iss": provider.issuer, "sub": "quinn"}
    assert len(held.uid) == 64
    everything = _database() + repr(dict(browser.session.items()))
    for claim in ("1990-01-01", "555-0100", "console-qa"):
        assert claim not in everything


def test_an_origin_that_browsers_would_block_is_in_the_log(
    provider: Provider, browser: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    begin(browser)
    assert "browsers block" not in caplog.text
    settings.OIDC_ORIGINS = []
    begin(browser)
    assert "browsers block" in caplog.text
    assert provider.origin in caplog.text
