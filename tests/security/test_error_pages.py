"""The pages of errors: plain words, the console's look, and nothing that was asked or is inside."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings as console
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from accounts.audit import system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user
from tests.factories import enter
from tracardi_console import errors

CANARY = "canary-5a1f"


@pytest.fixture(autouse=True)
def failing(settings: Settings, plain_static_files: None) -> None:
    settings.ROOT_URLCONF = "tests.security.failing_urls"


@pytest.fixture
def admin(db: None) -> User:
    return create_user(
        system_actor(), username="a", role=Role.ADMINISTRATOR, password="a long enough phrase 7"
    )


def asked(client: Client, path: str, **more: str) -> tuple[int, str]:
    client.raise_request_exception = False
    answer = client.get(path, secure=True, headers=more)
    return answer.status_code, answer.content.decode()


class _Inline(HTMLParser):
    """Collects what a strict policy refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "style"}:
            self.found.append(tag)
        self.found += [name for name, _ in attrs if name == "style" or name.startswith("on")]


def check(text: str, words: errors.Words) -> None:
    plain = text.replace("&#x27;", "'")
    assert words.title in plain
    assert words.what in plain
    assert words.todo in plain
    assert "console/theme.css" in text
    inline = _Inline()
    inline.feed(text)
    assert inline.found == []
    # Nothing else is loaded, and nothing of Django's own pages is left.
    assert set(re.findall(r'(?:src|href)="([^"]+)"', text)) == {
        "/",
        *(f"/static/console/{name}.css" for name in ("theme", "page", "error")),
    }


def test_a_wrong_host_is_told_nothing_of_itself() -> None:
    status, text = asked(Client(), "/login/", host=f"{CANARY}.example")
    assert (status, CANARY in text) == (400, False)
    check(text, errors.BAD)


def test_what_is_not_there_is_not_repeated(admin: User) -> None:
    status, text = asked(enter(admin), f"/{CANARY}/?q={CANARY}")
    assert (status, CANARY in text) == (404, False)
    check(text, errors.MISSING)


def test_what_is_not_allowed_says_who_can_help(admin: User) -> None:
    status, text = asked(enter(admin), "/denied/")
    assert status == 403
    check(text, errors.FORBIDDEN)


def test_a_form_without_its_token_says_what_to_do(admin: User) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post(reverse("account_login"), {"username": CANARY}, secure=True)
    assert answer.status_code == 403
    assert CANARY not in answer.content.decode()
    check(answer.content.decode(), errors.STALE_FORM)


def test_an_error_shows_a_number_that_the_log_has(
    admin: User, caplog: pytest.LogCaptureFixture
) -> None:
    client = enter(admin)
    client.raise_request_exception = False
    answer = client.get("/broken/", {"q": CANARY}, secure=True)
    text = answer.content.decode()
    assert answer.status_code == 500
    check(text, errors.BROKEN)
    assert answer["X-Request-ID"] in text
    assert "/broken/" in caplog.text
    assert "ZeroDivisionError" not in text
    assert CANARY not in text


def test_no_page_of_an_error_asks_the_database(rf: RequestFactory) -> None:
    """Without the mark for it pytest refuses each query."""
    request = rf.get("/")
    for page in (errors.bad_request, errors.permission_denied, errors.page_not_found):
        assert page(request, Exception(CANARY)).status_code in {400, 403, 404}
    assert errors.csrf_failure(request, CANARY).status_code == 403
    assert errors.server_error(request).status_code == 500
    status, text = asked(Client(), "/without-database/")
    assert status == 500
    check(text, errors.BROKEN)


def test_an_error_page_needs_no_collected_files(settings: Settings, rf: RequestFactory) -> None:
    backend = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    settings.STORAGES = {**console.STORAGES, "staticfiles": {"BACKEND": backend}}
    settings.STATIC_ROOT = Path("/nowhere")
    text = errors.server_error(rf.get("/")).content.decode()
    assert errors.BROKEN.title in text
    assert "stylesheet" not in text
