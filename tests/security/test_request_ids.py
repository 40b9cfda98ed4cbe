"""One click has one number: in the answer, the logs, the audit trail, and in the worker."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django_tasks_db.models import DBTaskResult
from pytest_django import Settings

from accounts import tracing
from accounts.models import AuditEvent
from environments.models import Environment
from promotion.models import Promotion
from tests.factories import People, enter
from tests.promotion.conftest import engine, people, production, staging
from tracardi_console.logs import logging_at

__all__ = ["engine", "people", "production", "staging"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
THEIRS = "their-number-8d21"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the console logs at INFO, as the lines that it writes in production."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    wanted = dict(logging_at("INFO", "json")["formatters"]["plain"])
    handler.setFormatter(wanted.pop("()")(**wanted))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def parsed(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines, each of which has to be one JSON object with what every line has."""
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    for line in found:
        assert list(line)[:4] == ["timestamp", "level", "logger", "event"], line
    return found


# The worker closes the connections of what came before.
@pytest.mark.django_db(transaction=True)
def test_all_that_comes_of_one_click_carries_its_number_in_the_worker_too(
    people: People, production: Environment, lines: io.StringIO
) -> None:
    client = enter(people.admin.user)
    address = reverse("promotion:adopt", args=[production.slug])
    answer = client.post(address, {"agree": "on"}, secure=True)
    assert answer.status_code == 302, answer.content.decode()[-2000:]
    number = answer["X-Request-ID"]
    task = DBTaskResult.objects.get(task_path__endswith="run_adoption")
    assert task.args_kwargs["request_id"] == number
    # Another click, whose number is none of this one's.
    other = client.get(reverse("promotion:builds"), secure=True)["X-Request-ID"]
    assert other != number
    tracing.end()
    call_command("db_worker", batch=True, interval=0, startup_delay=False)
    adoption = Promotion.objects.get(kind="adopt")
    assert adoption.status == "succeeded", adoption.message
    told = AuditEvent.objects.filter(object_type="promotion", object_id=str(adoption.pk))
    channels = {(event.channel, event.request_id) for event in told}
    assert channels == {("web", number), ("system", number)}
    found = parsed(lines)
    ours = [line for line in found if line.get("request_id") == number]
    assert [line["route"] for line in ours if line["event"] == "request"] == ["promotion:adopt"]
    ended = [line for line in ours if line["logger"] == "django_tasks"]
    assert any(task.task_path in line["event"] for line in ended)
    assert all("task" in line for line in ended)
    assert [line["route"] for line in found if line.get("request_id") == other] == [
        "promotion:builds"
    ]
    # What the worker does for nobody carries none.
    assert tracing.current() == ""


@pytest.mark.parametrize(
    ("trusted", "sent", "is_taken"),
    [
        (False, THEIRS, False),
        (True, THEIRS, True),
        (True, "4f6c2b0e9d8a47e1b5c3a2918d7e6f50", True),
        (True, "", False),
        (True, "short", False),
        (True, "x" * 41, False),
        (True, "two words-8d21", False),
        (True, "-begins-8d21", False),
        (True, 'a"} {"level": 1', False),
        (True, "<script>8d21", False),
    ],
)
def test_a_number_is_taken_from_a_proxy_that_is_trusted_to_set_it_alone(
    settings: Settings, trusted: bool, sent: str, is_taken: bool
) -> None:
    settings.TRUST_REQUEST_ID = trusted
    settings.ROOT_URLCONF = "tests.security.failing_urls"
    client = Client(headers={"x-request-id": sent})
    client.raise_request_exception = False
    answer = client.get("/broken/", secure=True)
    number = answer["X-Request-ID"]
    assert (number == sent) is is_taken
    assert tracing.is_number(number)
    # The page of an error shows it, for whoever reads the log.
    assert (answer.status_code, number in answer.content.decode()) == (500, True)


def test_no_line_of_a_request_holds_its_address(lines: io.StringIO) -> None:
    link = reverse("account_reset_password_from_key", args=["1", "canary-key"])
    Client().get(f"{link}?q=canary-search", secure=True)
    (line,) = [one for one in parsed(lines) if one["event"] == "request"]
    assert (line["method"], line["route"]) == ("GET", "account_reset_password_from_key")
    assert "canary" not in lines.getvalue()


def test_a_line_is_one_line_whatever_it_is_told(lines: io.StringIO) -> None:
    logging.getLogger("x").warning("a\nb%s\x1b[31m\u202e", object())
    logging.getLogger("x").error("broken %s")
    first, _second = parsed(lines)
    assert first["event"].startswith("a\nb<object")
    assert "\u202e" not in lines.getvalue()
    assert "\x1b" not in lines.getvalue()
