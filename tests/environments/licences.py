"""Keys of Tracardi's licence as Tracardi makes them, and a clock that can be set."""

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

Clock = Callable[[datetime], None]


def tracardi_key(facts: Any, number: int = 1234567, *, packed: bool = True) -> str:
    """Return the key of a licence that says these facts: `u` the owner, `e` the end, `s` services.

    The letters of a checksum and the first of the content in turns, after the rest of the content.
    """
    raw = json.dumps(facts).encode()
    content = base64.b64encode(gzip.compress(raw) if packed else raw).decode()
    checksum = hashlib.md5(f"{number}:{content}".encode(), usedforsecurity=False).hexdigest()
    mesh = "".join(a + b for a, b in zip(checksum, content[:32], strict=True))
    return f"{content[32:]}{mesh}{number}"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set what time it is, for all that asks Django."""

    def is_now(moment: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: moment)

    return is_now
