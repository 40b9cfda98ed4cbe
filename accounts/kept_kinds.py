"""What `accounts` keeps encrypted in fields of other packages: second factors, and queued mail."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import models

from accounts.encrypted import Kind, Replace, register, whole_text

# Of an authenticator app, and of recovery codes, which a library kept one by one earlier.
_ONE: Final = ("secret", "seed")
_SEVERAL: Final = "migrated_codes"


def _factor_tokens(data: Any) -> Sequence[bytes]:
    if not isinstance(data, dict):
        return []
    held = [data[name] for name in _ONE if name in data]
    several = data.get(_SEVERAL)
    return [str(one).encode() for one in [*held, *(several if isinstance(several, list) else [])]]


def _factor_replaced(data: Any, replace: Replace) -> Any:
    def anew(token: Any) -> str:
        return replace(str(token).encode()).decode()

    changed: dict[str, Any] = {name: anew(data[name]) for name in _ONE if name in data}
    if isinstance(data.get(_SEVERAL), list):
        changed[_SEVERAL] = [anew(one) for one in data[_SEVERAL]]
    return {**data, **changed}


def _mail_tokens(given: Any) -> Sequence[bytes]:
    args = given.get("args") if isinstance(given, dict) else None
    return [str(one).encode() for one in args or ()]


def _mail_replaced(given: Any, replace: Replace) -> Any:
    return {**given, "args": [replace(str(one).encode()).decode() for one in given["args"]]}


def connect() -> None:
    """Register them."""
    from accounts.tasks import deliver

    register(whole_text("Signing secret", "accounts.DerivationSecret", "value"))
    register(Kind("Second factors", "mfa.Authenticator", "data", _factor_tokens, _factor_replaced))
    register(
        Kind(
            "Mail in the queue",
            "django_tasks_database.DBTaskResult",
            "args_kwargs",
            _mail_tokens,
            _mail_replaced,
            # Those that were sent, too: nothing stays under an old key.
            models.Q(task_path=deliver.module_path),
        )
    )
