"""What a backup says of the database: asked of the copy itself, whatever reads it."""

from collections.abc import Callable
from typing import Any, Final

from tracardi_console.backup.archive import Facts

Fetch = Callable[[str], list[Any]]
# What is not in a backup: who holds one could go on in an open session, and counts of attempts to
# sign in are of that moment.
LEFT_OUT: Final = ("django_session", "usersessions_usersession", "console_cache")
_COUNTED: Final = {
    "people": "accounts_user",
    "environments": "environments_environment",
    "builds": "promotion_build",
    "promotions": "promotion_promotion",
    "audit events": "accounts_auditevent",
}


def facts_of(fetch: Fetch) -> Facts:
    """Return what a database holds, by a function that runs a query."""
    head = fetch("SELECT digest FROM accounts_auditevent ORDER BY number DESC LIMIT 1")
    return Facts(
        migrations=tuple(
            (str(app), str(name))
            for app, name in fetch("SELECT app, name FROM django_migrations ORDER BY app, name")
        ),
        counts={
            words: int(fetch(f"SELECT COUNT(*) FROM {table}")[0][0])  # noqa: S608
            for words, table in _COUNTED.items()
        },
        audit_head=str(head[0][0]) if head else "",
    )
