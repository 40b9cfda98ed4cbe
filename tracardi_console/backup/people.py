"""What a restore gives back to people that was taken from them since the backup."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db import DatabaseError

from accounts.models import User


@dataclass(frozen=True)
class Account:
    """What an account may, as one database has it."""

    role: str
    is_active: bool


def accounts() -> dict[str, Account]:
    """Return all accounts by name; none where the database is too damaged or too old to tell."""
    try:
        rows = User.objects.values_list("username", "role", "is_active")
        return {name: Account(role, is_active) for name, role, is_active in rows}
    except DatabaseError:
        return {}


def given_back(before: Mapping[str, Account]) -> Iterator[str]:
    """Yield in words who may more than in the database put aside, or something else.

    `before` is what that had; where it had nothing there is nothing to say.
    """
    for name, now in sorted(accounts().items()) if before else ():
        then = before.get(name)
        if not now.is_active:
            continue
        if then is None:
            yield f"{name}: {now.role}; the database put aside has no such account"
        elif not then.is_active:
            yield f"{name}: {now.role}; it was switched off"
        elif then.role != now.role:
            yield f"{name}: {now.role}; it was {then.role}"
