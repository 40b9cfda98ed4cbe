"""The file of a backup: what it is of, signed, and the database behind it.

A tar with two members: `manifest.json`, and `database`, which is SQLite's file or pg_dump's. What
is encrypted in the database stays so; the keys are not in it. Each leaves a fingerprint, so that a
restore without it is refused before anything is touched.
"""

import hashlib
import hmac
import io
import json
import os
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from django.conf import settings

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"
_DATABASE: Final = "database"
_LONGEST_MANIFEST: Final = 1024 * 1024
_CHUNK: Final = 1024 * 1024


class BackupError(Exception):
    """A backup could not be made, read or restored; `str()` is fit for people."""


@dataclass(frozen=True)
class Facts:
    """What a database held when it was copied."""

    migrations: tuple[tuple[str, str], ...]
    # Rows, by what they are.
    counts: dict[str, int]
    audit_head: str


@dataclass(frozen=True)
class Manifest:
    """What a backup is of."""

    format: int
    made_at: str
    console: str
    vendor: str
    keys: tuple[str, ...]
    facts: Facts
    size: int
    sha256: str

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        facts = raw["facts"]
        return cls(
            format=int(raw["format"]),
            made_at=str(raw["made_at"]),
            console=str(raw["console"]),
            vendor=str(raw["vendor"]),
            keys=tuple(str(one) for one in raw["keys"]),
            facts=Facts(
                migrations=tuple((str(app), str(name)) for app, name in facts["migrations"]),
                counts={str(name): int(count) for name, count in facts["counts"].items()},
                audit_head=str(facts["audit_head"]),
            ),
            size=int(raw["size"]),
            sha256=str(raw["sha256"]),
        )

    def signed_by(self, key: str) -> str:
        """Return the signature that a key of the console gives it."""
        text = json.dumps(asdict(self), sort_keys=True).encode()
        return hmac.new(_derived(key, "signature of a backup"), text, hashlib.sha256).hexdigest()


def _derived(key: str, purpose: str) -> bytes:
    return hmac.new(key.encode(), purpose.encode(), hashlib.sha256).digest()


def fingerprints() -> tuple[str, ...]:
    """Return what tells the console's encryption keys apart without telling them."""
    return tuple(fingerprint(key) for key in settings.ENCRYPTION_KEYS)


def fingerprint(key: str) -> str:
    """Return what tells a key from others."""
    return _derived(key, "fingerprint of a key").hex()[:16]


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def new_file(path: Path) -> Path:
    """Make an empty file beside `path`, for its owner alone, to be filled and then renamed.

    Raises:
        BackupError: it cannot be made.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise BackupError(f"{path.parent} cannot be written to: {error.strerror}.") from error
    return partial


def write(path: Path, manifest: Manifest, database: Path) -> None:
    """Write a backup's file: all of it or nothing, and over no other.

    Raises:
        BackupError: there is such a file, or it cannot be written.
    """
    partial = new_file(path)
    signature = manifest.signed_by(_signing_key(manifest.keys))
    text = json.dumps({**asdict(manifest), "signature": signature}, indent=1).encode()
    try:
        with partial.open("wb") as stream:
            with tarfile.open(fileobj=stream, mode="w") as tar:
                _add(tar, _MANIFEST, len(text), io.BytesIO(text))
                with database.open("rb") as held:
                    _add(tar, _DATABASE, manifest.size, held)
            stream.flush()
            os.fsync(stream.fileno())
        # A link, and no rename: it fails where somebody made such a file meanwhile.
        os.link(partial, path)
    except FileExistsError as error:
        raise BackupError(f"There is {path} already. It was left as it is.") from error
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, name: str, size: int, stream: Any) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, stream)


def _signing_key(wanted: Sequence[str]) -> str:
    """Return the key that signs: the oldest of those that a backup was made under.

    Raises:
        BackupError: a key is missing.
    """
    held = {fingerprint(key): key for key in settings.ENCRYPTION_KEYS}
    missing = [one for one in wanted if one not in held]
    if missing or not wanted:
        raise BackupError(
            f"The backup was made under {len(wanted)} encryption keys, of which ENCRYPTION_KEYS "
            f"lacks {len(missing)}: without them nothing in it can be read. Nothing was changed. "
            "Put the keys of then behind those of now, and try again."
        )
    return held[wanted[-1]]


def read_manifest(path: Path) -> Manifest:
    """Return what a backup says of itself, once its keys are there and it is signed by them.

    Raises:
        BackupError: it cannot be read, is no backup, of a later kind, of other keys, or altered.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            member = tar.next()
            if member is None or member.name != _MANIFEST or member.size > _LONGEST_MANIFEST:
                raise BackupError(f"{path} is no backup of the console. Nothing was changed.")
            stream = tar.extractfile(member)
            raw = json.loads(stream.read() if stream is not None else b"")
        if int(raw["format"]) > FORMAT:
            raise BackupError(
                f"{path} was made by a later version of the console. Nothing was changed. Restore "
                "it with that version."
            )
        signature, manifest = str(raw["signature"]), Manifest.from_dict(raw)
    except OSError as error:
        words = error.strerror or "it is cut off"
        raise BackupError(f"{path} cannot be read: {words}. Nothing was changed.") from error
    except (tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{path} is no backup of the console. Nothing was changed.") from error
    if not hmac.compare_digest(signature, manifest.signed_by(_signing_key(manifest.keys))):
        raise BackupError(f"{path} was altered since it was made. Nothing was changed.")
    return manifest


def extract(path: Path, manifest: Manifest, target: Path) -> None:
    """Write the database of a backup to an empty file.

    Raises:
        BackupError: it is not to the byte what was backed up.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with tarfile.open(path, "r:") as tar, target.open("wb") as sink:
            tar.next()
            member = tar.next()
            stream = tar.extractfile(member) if member is not None else None
            if stream is not None:
                read: Callable[[], bytes] = lambda: stream.read(_CHUNK)  # noqa: E731
                for chunk in iter(read, b""):
                    digest.update(chunk)
                    size += len(chunk)
                    sink.write(chunk)
            sink.flush()
            os.fsync(sink.fileno())
    except tarfile.TarError as error:
        raise BackupError(f"{path} is cut off. Nothing was changed.") from error
    except OSError as error:
        words = error.strerror or "it is cut off"
        raise BackupError(f"{path} cannot be unpacked: {words}. Nothing was changed.") from error
    if (size, digest.hexdigest()) != (manifest.size, manifest.sha256):
        raise BackupError(f"{path} was damaged since it was made. Nothing was changed.")
