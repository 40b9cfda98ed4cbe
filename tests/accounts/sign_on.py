"""People of a real provider, and what a refused sign-in must look like."""

from collections.abc import Iterator
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from guardian.models import UserObjectPermission
from pytest_django import Settings

from accounts.models import AuditEvent, User
from tests.oidc import use
from tests.oidc.provider import Provider
from tests.oidc.server import running

PASSWORD = "a long enough one 81"
QA = {
    "roles": ["console-qa"],
    "preferred_username": "quinn",
    "given_name": "Quinn",
    "family_name": "Ash",
    "email": "Quinn@shop.example",
    "email_verified": True,
    "birthdate": "1990-01-01",
}


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    people: dict[str, dict[str, Any]] = {
        "1": QA,
        "2": {"roles": ["console-marketing"], "name": "Mary Lane"},
        "3": {"roles": ["other"]},
    }
    with running(**people) as provider:
        use(settings, provider)
        yield provider


@pytest.fixture
def browser() -> Client:
    return Client()


def said(answer: Any) -> str:
    return str(answer.content.decode())


def who(browser: Client) -> str:
    """Return the id of who is signed in; empty where it is nobody."""
    return str(browser.session.get("_auth_user_id", ""))


def facts() -> list[dict[str, Any]]:
    """Return all that is kept of accounts and of what they may, to compare."""
    users = [dict(one) for one in User.objects.order_by("pk").values()]
    connected = SocialAccount.objects.order_by("pk").values("user", "uid", "extra_data")
    grants = UserObjectPermission.objects.order_by("pk").values()
    return [*users, *map(dict, connected), *map(dict, grants)]


def is_refused(answer: Any, browser: Client, words: str) -> None:
    """Assert that nobody was signed in, that a page says why, and that it is in the audit trail."""
    assert answer.status_code == 403
    assert "Not signed in" in said(answer)
    assert words in said(answer)
    assert who(browser) == ""
    event = AuditEvent.objects.first()
    assert event is not None
    assert (event.action, event.outcome) == ("account.single-sign-on", "refused")
    assert words.replace("&#x27;", "'") in event.reason
