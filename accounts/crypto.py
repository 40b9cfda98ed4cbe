"""Encrypts what is secret before it reaches the database, with the newest of the Fernet keys."""

import hashlib
import hmac
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


def derived_key(purpose: str) -> bytes:
    """Return a key of its own for one purpose, made of the oldest Fernet key: 32 bytes.

    The oldest, so that it stays while keys are added in front.
    """
    keys: list[str] = list(settings.ENCRYPTION_KEYS)
    return hmac.new(keys[-1].encode(), purpose.encode(), hashlib.sha256).digest()


class EncryptedTextField(models.TextField[str, str]):
    """Text that is encrypted in the database and plain in Python."""

    def get_prep_value(self, value: Any) -> Any:
        prepared = super().get_prep_value(value)
        return encrypt(prepared.encode()).decode() if prepared else prepared

    def from_db_value(
        self, value: str | None, _expression: object, _connection: BaseDatabaseWrapper
    ) -> str | None:
        return decrypt(value.encode()).decode() if value else value
