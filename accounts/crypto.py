"""Encrypts what is secret before it reaches the database, with the newest of the Fernet keys."""

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class UndecryptableError(RuntimeError):
    """No configured key decrypts a stored value."""


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise ImproperlyConfigured(
            "ENCRYPTION_KEYS is empty. Make a key with `manage.py make_key` and set it."
        )
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured(
            "ENCRYPTION_KEYS holds something that is no Fernet key. "
            "Make one with `manage.py make_key`."
        ) from error


@lru_cache(maxsize=4)
def _each(keys: tuple[str, ...]) -> tuple[Fernet, ...]:
    return tuple(Fernet(key) for key in keys)


def encrypt(value: bytes) -> bytes:
    """Return `value` encrypted with the newest key."""
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(value)


def decrypt(token: bytes) -> bytes:
    """Return what `encrypt` was given.

    Raises:
        UndecryptableError: no configured key fits.
    """
    try:
        return _fernet(tuple(settings.ENCRYPTION_KEYS)).decrypt(token)
    except InvalidToken as error:
        raise UndecryptableError(
            "A stored value was encrypted with a key that ENCRYPTION_KEYS no longer holds. "
            "Nothing was changed. Put the old key back, behind the new one."
        ) from error


def key_count() -> int:
    """Return how many keys ENCRYPTION_KEYS holds."""
    return len(settings.ENCRYPTION_KEYS)


def key_number(token: bytes) -> int | None:
    """Return which key a value is under: 1 is the newest. None: no key opens it."""
    for number, fernet in enumerate(_each(tuple(settings.ENCRYPTION_KEYS)), 1):
        try:
            fernet.decrypt(token)
        except InvalidToken:
            continue
        return number
    return None


def renewed(token: bytes) -> bytes:
    """Return a value that a key opens, encrypted with the newest key."""
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).rotate(token)


class EncryptedTextField(models.TextField[str, str]):
    """Text that is encrypted in the database and plain in Python."""

    def get_prep_value(self, value: Any) -> Any:
        prepared = super().get_prep_value(value)
        return encrypt(prepared.encode()).decode() if prepared else prepared

    def from_db_value(
        self, value: str | None, _expression: object, _connection: BaseDatabaseWrapper
    ) -> str | None:
        return decrypt(value.encode()).decode() if value else value
