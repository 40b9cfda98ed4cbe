"""Keys that are made for one purpose each, of one secret that outlasts the keys of ENCRYPTION_KEYS.

Bundles are signed with one, and the tags of masked secrets are made with others: with another
secret the console would not know its own files any more.
"""

import hashlib
import hmac
import secrets
import time
from typing import Final

from django.conf import settings
from django.db import transaction

from accounts.models import DerivationSecret

# How long a process believes what it read: a comparison asks for each document.
_BELIEVED_SECONDS: Final = 10.0
_known: Final[dict[tuple[str, ...], tuple[float, str]]] = {}


def derived_key(purpose: str, *, now: bool = False) -> bytes:
    """Return a key of its own for one purpose: 32 bytes.

    `now` asks the database, where another secret of a moment ago would do harm.

    Raises:
        UndecryptableError: the kept secret is under a key that is not there any more.
    """
    return hmac.new(_secret(now).encode(), purpose.encode(), hashlib.sha256).digest()


def is_kept() -> bool:
    """Answer whether the secret is in the database, and not the oldest key itself."""
    return DerivationSecret.objects.exists()


def keep_secret() -> None:
    """Keep the oldest key, which it was until now, so that this key may be dropped; again too."""
    made = DerivationSecret(pk=1, value=_oldest())
    # Not read: one that no key opens is reported as any other value is.
    DerivationSecret.objects.bulk_create([made], ignore_conflicts=True)
    _known.clear()


def renew_secret() -> None:
    """Make another secret: what was signed until now is as another console's from here on."""
    with transaction.atomic():
        keep_secret()
        DerivationSecret.objects.update(value=secrets.token_urlsafe(32))
    _known.clear()


def _oldest() -> str:
    return str(settings.ENCRYPTION_KEYS[-1])


def _secret(now: bool) -> str:
    keys = tuple(settings.ENCRYPTION_KEYS)
    at, value = _known.get(keys, (0.0, ""))
    if now or not value or time.monotonic() - at > _BELIEVED_SECONDS:
        kept = DerivationSecret.objects.values_list("value", flat=True).first()
        # Before keys were rotated for the first time it is the oldest, which stays while others
        # are added in front.
        value = kept or _oldest()
        _known.clear()
        _known[keys] = (time.monotonic(), value)
    return value
