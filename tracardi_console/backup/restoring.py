"""Restores a backup of the console's database, and keeps what was there aside."""

import getpass
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Final

from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from accounts.audit import Actor, record
from accounts.crypto import UndecryptableError, decrypt
from accounts.verification import Verified, verify
from environments.models import Cluster, Environment
from promotion.models import Blob, StoredTree, WorkerSign
from promotion.signs import LATE
from tracardi_console.backup.archive import (
    BackupError,
    Manifest,
    extract,
    fingerprints,
    new_file,
    read_manifest,
)
from tracardi_console.backup.making import engine
from tracardi_console.backup.people import accounts, given_back
from tracardi_console.backup.stopping import stop_what_waited

ACTION: Final = "console.restored"
# So many stored values are decrypted, of each kind, to see that the keys fit.
_TRIED: Final = 25


@dataclass(frozen=True)
class Restored:
    """What was restored, where the earlier database is now, and what there is to do."""

    manifest: Manifest
    aside: str
    trail: Verified
    productions: tuple[str, ...]
    had_more_keys: bool
    # How much was ended that had not begun at the backup, by what it is.
    stopped: dict[str, int]
    # Whom the restore gives back what was taken since, in words.
    given_back: tuple[str, ...]


def restore(path: Path, *, replace: bool) -> Restored:
    """Put a backup in the place of the console's database, once all about it was checked.

    Raises:
        BackupError: it may not or cannot be; all is as it was.
    """
    actor = Actor(user=None, channel="cli", system_user=getpass.getuser())
    manifest = read_manifest(path)
    _check_fit(manifest)
    was_empty = _is_empty()
    if not was_empty and not replace:
        raise BackupError(
            "The database is not empty. Nothing was changed. With --replace it is put aside, and "
            "the backup takes its place."
        )
    _check_no_worker(was_empty=was_empty)
    before = {} if was_empty else accounts()
    now = datetime.now(UTC)
    copy = new_file(engine().place_of_copy(path))
    try:
        extract(path, manifest, copy)
        with engine().alone(), engine().loaded(copy, now, was_empty=was_empty) as outcome:
            trail = _settle(manifest)
            stopped = stop_what_waited(actor)
            detail = {
                "made_at": manifest.made_at,
                "sha256": manifest.sha256,
                "replaced": not was_empty,
                "stopped": stopped,
            }
            record(actor, ACTION, detail=detail)
            productions = tuple(Environment.objects.production().values_list("slug", flat=True))
            back = tuple(given_back(before))
    finally:
        copy.unlink(missing_ok=True)
    ContentType.objects.clear_cache()
    more = set(fingerprints()) - set(manifest.keys)
    aside = outcome.get("aside", "")
    return Restored(manifest, aside, trail, productions, bool(more), stopped, back)


def _check_fit(manifest: Manifest) -> None:
    if manifest.vendor != connection.vendor:
        names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
        raise BackupError(
            f"The backup is of {names.get(manifest.vendor, manifest.vendor)}, and DATABASE_URL is "
            f"of {names.get(connection.vendor, connection.vendor)}. Nothing was changed."
        )
    known = set(MigrationLoader(None).disk_migrations)
    unknown = [
        f"{app} {name}" for app, name in manifest.facts.migrations if (app, name) not in known
    ]
    if unknown:
        raise BackupError(
            f"The backup is of a later version of the console ({manifest.console}): this one does "
            f"not know {', '.join(unknown[:3])}. Nothing was changed. Restore it with that version."
        )


def _is_empty() -> bool:
    try:
        return bool(engine().is_empty())
    except DatabaseError as error:
        raise BackupError(
            f"The database cannot be looked at: {' '.join(str(error).split())}. Nothing was "
            "changed. Move what is damaged aside, and try again."
        ) from error


def _check_no_worker(*, was_empty: bool) -> None:
    if was_empty or WorkerSign._meta.db_table not in connection.introspection.table_names():
        return
    seen = WorkerSign.objects.filter(seen_at__gt=timezone.now() - LATE).first()
    if seen is not None:
        raise BackupError(
            f"A worker is running, or was a moment ago: {seen}. Nothing was changed. Stop the web "
            "server and the worker; where one was killed, wait for a minute."
        )


def _settle(manifest: Manifest) -> Verified:
    """Bring the restored tables up to this version, and look whether all fits."""
    call_command("migrate", interactive=False, verbosity=0)
    _check_keys()
    trail = verify()
    known = manifest.facts
    if (trail.events, trail.head) != (known.counts["audit events"], known.audit_head or trail.head):
        raise BackupError(
            "The restored audit trail is not the one that was backed up. Nothing was changed."
        )
    # Workers of then are none of now.
    WorkerSign.objects.all().delete()
    return trail


def _check_keys() -> None:
    try:
        # A field that is encrypted is decrypted as it is read.
        list(Cluster.objects.values_list("secret"))
        bodies = chain(
            StoredTree.objects.order_by("digest").values_list("body", flat=True)[:_TRIED],
            Blob.objects.order_by("oid").values_list("body", flat=True)[:_TRIED],
        )
        for body in bodies:
            decrypt(bytes(body))
    except UndecryptableError as error:
        raise BackupError(
            "A value in the backup was encrypted with a key that ENCRYPTION_KEYS does not hold. "
            "Nothing was changed. Put the keys of then behind those of now, and try again."
        ) from error
