"""How content is kept at rest: compressed, then encrypted."""

import zlib

from accounts.crypto import decrypt, encrypt


def seal(plain: bytes) -> bytes:
    """Return what may be kept in the database."""
    return encrypt(zlib.compress(plain, 1))


def open_sealed(body: bytes | memoryview) -> bytes:
    """Return what `seal` was given.

    Raises:
        UndecryptableError: no configured key fits.
    """
    return zlib.decompress(decrypt(bytes(body)))
