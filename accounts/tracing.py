"""The number of the request that something is done for: in logs, events, tasks and answers."""

import re
import uuid
from typing import Final

import structlog

# What a proxy may send: its own numbers, and nothing that could be mistaken for something else.
_FORM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,39}")


def new_number() -> str:
    """Return a number that no other request has."""
    return uuid.uuid4().hex


def is_number(text: str) -> bool:
    """Answer whether a text has the form of a request's number."""
    return _FORM.fullmatch(text) is not None


def begin(number: str = "", **facts: str) -> None:
    """Let all that this thread logs and records from now on carry a number, and further facts."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**({"request_id": number} if number else {}), **facts)


def end() -> None:
    """Let what follows carry none."""
    structlog.contextvars.clear_contextvars()


def current() -> str:
    """Return the number of the request that this is done for; empty where there is none."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))
