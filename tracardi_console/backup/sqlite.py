"""Copies SQLite's database while it is used, and puts a copy in its place."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.db import connection, connections

from tracardi_console.backup.archive import BackupError, Facts, new_file
from tracardi_console.backup.facts import LEFT_OUT, facts_of
from tracardi_console.private import ONLY_OWNER, beside


def _file() -> Path:
    return Path(str(connection.settings_dict["NAME"]))


def dump(target: Path) -> Facts:
    """Copy the database as it is at one moment, without what was deleted; nobody waits for it.

    Raises:
        BackupError: it cannot be copied, or the copy is not sound.
    """
    try:
        source = f"file:{quote(str(_file()))}?mode=ro"
        with closing(sqlite3.connect(source, uri=True, isolation_level=None)) as own:
            # Row by row and not page by page: free pages hold what was deleted before.
            own.execute("VACUUM INTO ?", [str(target)])
        with closing(sqlite3.connect(target)) as copy:
            copy.execute("PRAGMA journal_mode=DELETE")
            # What is deleted is overwritten too.
            copy.execute("PRAGMA secure_delete=ON")
            for table in LEFT_OUT:
                copy.execute(f"DELETE FROM {table}")  # noqa: S608
            copy.commit()
            _check(copy)
            return facts_of(lambda query: copy.execute(query).fetchall())
    except sqlite3.Error as error:
        raise BackupError(f"The database cannot be copied: {error}.") from error


def _check(copy: sqlite3.Connection) -> None:
    problems = [str(row[0]) for row in copy.execute("PRAGMA integrity_check")]
    if problems != ["ok"]:
        raise BackupError(f"The database is damaged: {problems[0]}.")
    if copy.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise BackupError("The database is damaged: a row refers to one that is not there.")


def is_empty() -> bool:
    """Answer whether there is nothing in the database that a restore would put aside."""
    file = _file()
    if not file.is_file() or not file.stat().st_size:
        return True
    tables = set(connection.introspection.table_names())
    return not tables or ("accounts_user" in tables and not _has_rows())


def _has_rows() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM accounts_user)")
        return bool(cursor.fetchone()[0])


def place_of_copy(backup: Path) -> Path:
    """Return where a backup is unpacked: on the database's own disk, because it is renamed."""
    file = _file()
    return file.with_name(f"{file.name}.restored")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the database within the block, with its log folded into it; who opens it is refused.

    An idle web server has it not open, and would open it at the next request.

    Raises:
        BackupError: somebody has it open.
    """
    connection.close()
    file = _file()
    if not file.is_file():
        yield
        return
    with closing(sqlite3.connect(file, timeout=1, isolation_level=None)) as own:
        _hold(own)
        yield


def _hold(own: sqlite3.Connection) -> None:
    try:
        # Only who is alone may leave the write-ahead log.
        (mode,) = own.execute("PRAGMA journal_mode=DELETE").fetchone()
        own.execute("BEGIN EXCLUSIVE")
        # Somebody may have come in between, and taken it up again.
        (now,) = own.execute("PRAGMA journal_mode").fetchone()
    except sqlite3.OperationalError as error:
        raise _used() from error
    except sqlite3.DatabaseError:
        # Damaged beyond reading: nobody can use it, and it is put aside as it is.
        return
    if "wal" in {mode, now}:
        raise _used()


def _used() -> BackupError:
    return BackupError(
        "The database is in use. Nothing was changed. Stop the web server and the worker first."
    )


@contextlib.contextmanager
def loaded(copy: Path, now: datetime, *, was_empty: bool) -> Iterator[dict[str, Any]]:
    """Let the console work on a copy within the block, and put it in place after it.

    What was there is kept aside, and said in `aside`. An error within the block leaves all as it
    was.
    """
    file, outcome = _file(), dict[str, Any]()
    fresh = new_file(file)
    copy.replace(fresh)
    name = connection.settings_dict["NAME"]
    connections.close_all()
    connection.settings_dict["NAME"] = str(fresh)
    try:
        with closing(sqlite3.connect(fresh)) as own:
            _check(own)
        yield outcome
        connection.close()
        with closing(sqlite3.connect(fresh)) as own:
            # All of it in the one file that is renamed.
            own.execute("PRAGMA journal_mode=DELETE")
    except BaseException:
        connection.close()
        for path in beside(fresh):
            path.unlink(missing_ok=True)
        raise
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
    if file.exists() and not was_empty:
        aside = _free(file.with_name(f"{file.name}.before-{now:%Y%m%dT%H%M%SZ}"))
        _keep(file, aside, fresh)
        outcome["aside"] = str(aside)
    for path in beside(file)[1:]:
        # Of the file that was there; to the new one they would be poison.
        path.unlink(missing_ok=True)
    fresh.replace(file)
    _write_down(file.parent)


def _free(wanted: Path) -> Path:
    """Return the name, or one with a number where two restores were made within a second."""
    names = (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))
    return next(name for name in chain([wanted], names) if not name.exists())


def _keep(file: Path, aside: Path, fresh: Path) -> None:
    """Give the file a second name, so that there is a database whenever the machine dies.

    Raises:
        BackupError: it cannot be given one.
    """
    try:
        os.link(file, aside)
    except OSError as error:
        for path in beside(fresh):
            path.unlink(missing_ok=True)
        raise BackupError(
            f"The database cannot be kept as {aside}: {error.strerror}. Nothing was changed."
        ) from error
    aside.chmod(ONLY_OWNER)
    _write_down(file.parent)


def _write_down(folder: Path) -> None:
    """Have the names in a folder outlive the machine."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(held)
    finally:
        os.close(held)
