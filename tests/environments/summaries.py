"""What the tests of weekly summaries share."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any, Final, TypeAlias

import pytest
from django.utils import timezone

# The first minutes in which a summary of the week before is due.
MONDAY: Final = datetime(2026, 11, 23, 7, 5, tzinfo=UTC)
SITE: Final = "https://console.example.com"
Clock: TypeAlias = Callable[[datetime], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    def tell(moment: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: moment)

    tell(MONDAY - timedelta(days=2))
    return tell


def parts_of(message: Any) -> dict[str, Message]:
    return {part.get_content_type(): part for part in message.message().walk()}
