"""Makes a backup of the console's database, while the console runs."""

from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from django.db import connection

from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.roles import Verb
from tracardi_console import VERSION
from tracardi_console.backup import postgresql, sqlite
from tracardi_console.backup.archive import (
    FORMAT,
    BackupError,
    Manifest,
    digest_of,
    fingerprints,
    new_file,
    write,
)

ACTION = "console.backed-up"


def engine() -> ModuleType:
    """Return how this database is copied and put in place."""
    return {"sqlite": sqlite, "postgresql": postgresql}[connection.vendor]


def back_up(actor: Actor, path: Path) -> Manifest:
    """Write a backup to a new file, for its owner alone, and record it.

    Raises:
        NotAllowedError: the actor may not.
        BackupError: there is such a file, or the database cannot be copied; nothing is left behind.
    """
    authorise(actor, Verb.MANAGE, ACTION, None)
    if path.exists():
        raise BackupError(f"There is {path} already. It was left as it is.")
    copy = new_file(path.with_name(f"{path.name}.database"))
    try:
        facts = engine().dump(copy)
        manifest = Manifest(
            format=FORMAT,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            console=VERSION,
            vendor=connection.vendor,
            keys=fingerprints(),
            facts=facts,
            size=copy.stat().st_size,
            sha256=digest_of(copy),
        )
        write(path, manifest, copy)
    finally:
        copy.unlink(missing_ok=True)
    detail = {"sha256": manifest.sha256, "bytes": manifest.size, "counts": facts.counts}
    record(actor, ACTION, detail=detail)
    return manifest
