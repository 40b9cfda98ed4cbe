"""What browsers are told, and what of a request is believed: headers, cookies, hosts, redirects."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings as console
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse
from pytest_django import Settings

from accounts.audit import system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user
from tests.factories import enter, prove
from tracardi_console.errors import STALE_FORM

HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = "max-age=31536000; includeSubDomains; preload"
ELSEWHERE = "evil.example"


@pytest.fixture
def admin(db: None) -> User:
    return create_user(
        system_actor(), username="a", role=Role.ADMINISTRATOR, password="a long enough phrase 7"
    )


@pytest.fixture
def client(admin: User, plain_static_files: None) -> Client:
    made = enter(admin)
    made.raise_request_exception = False
    return made


# --- Headers and cookies -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/static/console/page.css", 200),
        ("/audit/csv/", 200),
        ("/denied/", 403),
        ("/nowhere/", 404),
        ("/broken/", 500),
        ("/audit", 301),
        ("http:/", 301),
        ("host:/", 400),
        ("host:http:/", 400),
        ("nobody:/audit/", 302),
        ("nobody:/login/", 302),
        ("nobody:/account/login/", 200),
        ("post:/audit/", 405),
        ("csrf:/audit/", 403),
    ],
)
def test_each_kind_of_answer_has_the_headers(
    settings: Settings, admin: User, client: Client, path: str, status: int
) -> None:
    settings.ROOT_URLCONF = "tests.security.failing_urls"
    settings.WHITENOISE_USE_FINDERS = True
    settings.WHITENOISE_AUTOREFRESH = True
    *kinds, path = path.split(":")
    if "nobody" in kinds or "csrf" in kinds:
        client = Client(enforce_csrf_checks="csrf" in kinds)
    ask = client.post if {"post", "csrf"} & set(kinds) else client.get
    secure, host = "http" not in kinds, ELSEWHERE if "host" in kinds else "testserver"
    answer = ask(path, secure=secure, headers={"host": host})
    assert answer.status_code == status
    for name, value in HEADERS.items():
        assert answer.headers[name] == value, name
    assert "camera=()" in answer.headers["Permissions-Policy"]
    # No cache on the way, nor the browser's own, keeps what somebody saw.
    assert ("no-store" in answer.headers["Cache-Control"]) is not ("/static/" in path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    if secure:
        assert answer.headers["Strict-Transport-Security"] == HSTS


def test_cookies_go_over_https_alone_and_no_script_reads_them(
    settings: Settings, client: Client
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    answer = client.get(reverse("admin:environments_cluster_add"), secure=True)
    for name in (console.SESSION_COOKIE_NAME, console.CSRF_COOKIE_NAME):
        cookie = answer.cookies[name]
        assert cookie["secure"], name
        assert cookie["httponly"], name
        assert cookie["samesite"] == "Lax", name
        assert not cookie["domain"], name


# --- Hosts and redirects -------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize(
    "host", [ELSEWHERE, f"testserver.{ELSEWHERE}", f"testserver@{ELSEWHERE}", "testserver:x", ""]
)
def test_a_host_that_is_not_ours_gets_400_and_is_not_repeated(
    client: Client, host: str, secure: bool
) -> None:
    for path in ("/", reverse(console.LOGIN_URL), "/audit", "/static/console/none.css"):
        answer = client.get(path, secure=secure, headers={"host": host})
        if "static" in path and secure:
            # Files that are there are no secret, and those that are not are a page like others.
            assert answer.status_code in {400, 404}
        else:
            assert answer.status_code == 400
        assert "Location" not in answer.headers
        assert ELSEWHERE not in answer.content.decode()


def test_a_forwarded_host_is_not_believed(client: Client) -> None:
    more = {"x-forwarded-host": ELSEWHERE, "forwarded": f"host={ELSEWHERE}"}
    for path in ("/", "/audit", "/nowhere/"):
        answer = client.get(path, secure=True, headers=more)
        assert ELSEWHERE not in str(answer.headers) + answer.content.decode()


OUTSIDE = (
    f"https://{ELSEWHERE}/",
    f"//{ELSEWHERE}/",
    f"///{ELSEWHERE}/",
    f"/\\{ELSEWHERE}/",
    f"\\\\{ELSEWHERE}/",
    f"https:{ELSEWHERE}",
    f"javascript:alert('{ELSEWHERE}')",
    f"https://testserver@{ELSEWHERE}/",
)


def leads_outside(location: str) -> bool:
    return re.match(r"(?:[a-z][a-z0-9+.-]*:|[/\\]{2})", location, re.IGNORECASE) is not None


@pytest.mark.parametrize("target", OUTSIDE)
def test_signing_in_leads_nowhere_else(admin: User, target: str, plain_static_files: None) -> None:
    """Neither the form nor whoever is signed in already is sent on to another site."""
    words = {"username": "a", "login": "a", "password": "a long enough phrase 7", "next": target}
    for sign_in in (reverse("admin:login"), reverse(console.LOGIN_URL)):
        for name in ("next", "back", "url", "redirect", "return_to"):
            page = Client().get(sign_in, {name: target}, secure=True)
            assert page.status_code in {200, 302}
            assert not leads_outside(page.headers.get("Location", ""))
        for client in (Client(), enter(admin)):
            path = f"{sign_in}?{urlencode({'next': target})}"
            for answer in (client.post(path, words, secure=True), client.get(path, secure=True)):
                assert answer.status_code in {200, 302}
                assert not leads_outside(answer.headers.get("Location", ""))


@pytest.mark.parametrize("path", ["//evil.example", "//evil.example/..", "/%5Cevil.example/x"])
def test_an_address_with_two_slashes_leads_nowhere_else(
    client: Client, path: str, plain_static_files: None
) -> None:
    for one in (client, Client()):
        answer = one.get(path, secure=True)
        assert not leads_outside(answer.headers.get("Location", ""))
        answer = one.get(path, secure=False)
        # To the same host by HTTPS.
        assert answer.headers["Location"].startswith("https://testserver/")


def test_no_change_goes_back_to_where_the_browser_says_it_came_from(
    client: Client, plain_static_files: None
) -> None:
    for path in paths():
        answer = client.post(
            path,
            {"next": OUTSIDE[0], "back": OUTSIDE[0]},
            secure=True,
            headers={"referer": OUTSIDE[0]},
        )
        assert not leads_outside(answer.headers.get("Location", "")), path


# --- Forms of other sites ------------------------------------------------------------------------


def patterns(resolver: URLResolver | None = None, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each address of the console, with something in each of its places, and its view."""
    for one in (resolver or get_resolver()).url_patterns:
        written = f"{before}{re.sub(r'<(?:int:)?pk>|<int:[a-z_]+>', '1', str(one.pattern))}"
        if isinstance(one, URLResolver):
            yield from patterns(one, written)
        elif isinstance(one, URLPattern):
            path = re.sub(r"\(\?P<[^)]*\)|<[^>]+>", "x", written)
            yield f"/{re.sub(r'[$^]|' + re.escape(chr(92)) + 'Z', '', path)}", one.callback


def paths() -> list[str]:
    return sorted({path for path, _view in patterns()})


def test_the_addresses_that_are_tried_are_the_consoles() -> None:
    found = dict(patterns())
    lost = [path for path, view in found.items() if resolve(path).func != view]
    # One asks for the name of an app, and another falls to the first of two alike.
    assert [path for path in lost if resolve(path).func not in found.values()] == []
    assert len(lost) < 5, lost


def test_no_change_is_taken_without_the_token(admin: User, plain_static_files: None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin, backend=console.AUTHENTICATION_BACKENDS[0])
    prove(client, admin)
    assert len(paths()) > 90
    for path in paths():
        answer = client.post(path, secure=True)
        assert answer.status_code == 403, path
        assert STALE_FORM.what in answer.content.decode(), path
        for verb in (client.put, client.patch, client.delete):
            assert verb(path, secure=True).status_code == 405, path


def test_no_page_leaves_the_token_out() -> None:
    exempt = [path for path, view in patterns() if getattr(view, "csrf_exempt", False)]
    assert exempt == []
