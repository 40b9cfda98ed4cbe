"""Says at the start what is wrong in the settings of the project itself."""

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error

_SHORTEST_TOKEN: Final = 20


def check_metrics_token(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """Return what a system check of METRICS_TOKEN finds; nothing where there is none."""
    return list(_metrics_token())


def _metrics_token() -> Iterator[CheckMessage]:
    token = settings.METRICS_TOKEN
    if token and (len(token) < _SHORTEST_TOKEN or not token.isascii() or " " in token):
        yield Error(
            f"METRICS_TOKEN is shorter than {_SHORTEST_TOKEN} characters, or has others than "
            "those of a header.",
            hint="Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
            id="metrics.E001",
        )
