"""No log line, e-mail or page of an error holds a secret, whatever a request came to."""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings as console
from django.core import mail
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.audit import system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user
from environments.models import Cluster, Environment
from tests.factories import prove
from tests.security.listening import listening
from tracardi_console.logs import logging_at

pytestmark = pytest.mark.django_db
PASSWORD = "canary-signin 8d21"
STORED, POSTED, HEADER = "canary-stored-8d21", "canary-posted-8d21", "canary-header-8d21"


@dataclass
class Logged:
    """All that is logged at DEBUG, as the console writes it, and as records."""

    stream: io.StringIO
    records: list[logging.LogRecord]

    def holds(self, secret: str) -> bool:
        """Answer whether a line, or what came along with one, holds a text."""
        known = (str(part) for record in self.records for part in (record.msg, record.args))
        return secret in self.stream.getvalue() or any(secret in one for one in known)


@pytest.fixture(params=["json", "text"])
def logged(request: pytest.FixtureRequest) -> Iterator[Logged]:
    kept = Logged(io.StringIO(), [])
    handler = logging.StreamHandler(kept.stream)
    # The console's own ways to write, exceptions included.
    wanted = dict(logging_at("DEBUG", request.param)["formatters"]["plain"])
    handler.setFormatter(wanted.pop("()")(**wanted))

    def keep(record: logging.LogRecord) -> bool:
        kept.records.append(record)
        return True

    handler.addFilter(keep)
    loggers = [logging.getLogger(), logging.getLogger("django")]
    levels = [one.level for one in loggers]
    loggers[0].addHandler(handler)
    for one in loggers:
        one.setLevel(logging.DEBUG)
    yield kept
    loggers[0].removeHandler(handler)
    for one, level in zip(loggers, levels, strict=True):
        one.setLevel(level)


@dataclass(frozen=True)
class Visit:
    """What came back of one request, and the secrets that went with it."""

    status: int
    body: str
    cookies: tuple[str, ...]


def visits(client: Client, admin: User) -> Iterator[Visit]:
    """Send secrets along through success, refusal, absence and failure."""
    client.raise_request_exception = False
    head = {"authorization": f"Bearer {HEADER}", "referer": "https://testserver/login/"}
    sign_in = reverse(console.LOGIN_URL)

    def get(path: str, **more: str) -> Any:
        return client.get(path, secure=True, headers=head | more)

    def post(path: str, token: str = "", **form: str) -> Any:
        mark = token or client.cookies[console.CSRF_COOKIE_NAME].value
        return client.post(path, form | {"csrfmiddlewaretoken": mark}, secure=True, headers=head)

    get(sign_in)
    answers = [post(sign_in, username="administrator", login="administrator", password=POSTED)]
    client.force_login(admin, backend=console.AUTHENTICATION_BACKENDS[0])
    prove(client, admin)
    add = reverse("admin:environments_cluster_add")
    with listening() as target:
        target.status, target.body = 500, POSTED.encode()
        cluster = {"name": "New", "url": target.url, "authentication": "basic", "username": "u"}
        answers += [
            get("/"),
            post(add, **cluster, new_secret=POSTED),
            # A form of another site, with what belongs to this one.
            post(add, token="x" * 32, **cluster, new_secret=POSTED),
        ]
    answers += [
        get("/denied/"),
        get("/nowhere/"),
        get(f"{reverse('environments:dashboard', args=['production'])}?whole"),
        post("/broken/", password=POSTED),
        get("/login/", host="elsewhere.example"),
    ]
    for answer in answers:
        held = tuple(cookie.value for cookie in client.cookies.values() if len(cookie.value) > 8)
        yield Visit(answer.status_code, answer.content.decode(), held)


def test_no_log_line_holds_a_secret_of_a_request(
    settings: Settings, logged: Logged, plain_static_files: None
) -> None:
    settings.ROOT_URLCONF = "tests.security.failing_urls"
    settings.ADMINS = [("Somebody", "somebody@example.com")]
    admin = create_user(
        system_actor(), username="administrator", role=Role.ADMINISTRATOR, password=PASSWORD
    )
    cluster = Cluster.objects.create(
        name="C", url="http://127.0.0.1:9", authentication="basic", username="u", secret=STORED
    )
    Environment.objects.create(
        name="P", slug="production", cluster=cluster, version="0.8.1", tenant="t", kind="production"
    )
    came = list(visits(Client(enforce_csrf_checks=True), admin))
    assert [one.status for one in came] == [200, 200, 200, 403, 403, 404, 503, 500, 400]
    tokens = {token for one in came for token in one.cookies}
    assert len(tokens) >= 2
    secrets = {STORED, POSTED, HEADER, PASSWORD, *tokens}
    found = [secret for secret in secrets if logged.holds(secret)]
    assert found == []
    # It was listened to: the failure is there, with where it was.
    assert "ZeroDivisionError" in logged.stream.getvalue()
    assert "failing_urls.py" in logged.stream.getvalue()
    assert "request_id" in logged.stream.getvalue()
    for visit in came:
        assert not any(one in visit.body for one in (STORED, POSTED, HEADER, PASSWORD))
    sent: list[EmailMessage] = mail.outbox
    assert sent == []
