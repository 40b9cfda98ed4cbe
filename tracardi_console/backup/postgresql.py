"""Copies PostgreSQL's database with its own programs, and puts a copy in its place.

The way is by schemas: the console's tables lie in `public`, and whoever owns a database may rename
that, while making another database takes a right that few give.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.db import DatabaseError, connection

from tracardi_console.backup.archive import BackupError, Facts
from tracardi_console.backup.facts import LEFT_OUT, facts_of

DEBIAN: Final = Path("/usr/lib/postgresql")
_SCHEMA: Final = "public"


def _program(name: str) -> str:
    """Return PostgreSQL's own program, the newest of several.

    Raises:
        BackupError: there is none.
    """
    versions = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: _number(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None:
        raise BackupError(
            f"{name} is missing. Install PostgreSQL's client (Debian: postgresql-client), of the "
            "server's version or later. Nothing was changed."
        )
    return found


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _run(name: str, arguments: Sequence[str]) -> None:
    """Run a program of PostgreSQL's on the console's database. The password is no argument of it.

    Raises:
        BackupError: it did not succeed, with its last words.
    """
    facts = connection.get_connection_params()
    told = {
        "PGDATABASE": str(facts.get("dbname", "")),
        "PGHOST": str(facts.get("host", "")),
        "PGPORT": str(facts.get("port", "")),
        "PGUSER": str(facts.get("user", "")),
        "PGPASSWORD": str(facts.get("password", "")),
        "PGSSLMODE": str(facts.get("sslmode", "")),
        "PGSSLROOTCERT": str(facts.get("sslrootcert", "")),
    }
    done = subprocess.run(  # noqa: S603
        [_program(name), "--no-password", *arguments],
        env={**os.environ, **{key: value for key, value in told.items() if value}},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        last = " ".join(done.stderr.split())[-400:]
        raise BackupError(f"{name} did not succeed: {last}")


def dump(target: Path) -> Facts:
    """Copy the database as it is at one moment; nobody waits for it.

    Raises:
        BackupError: it cannot be copied.
    """
    # A connection of its own: the caller's may be within a transaction.
    own: Any = connection.copy()
    try:
        with own.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SELECT pg_export_snapshot()")
            (snapshot,) = cursor.fetchone()
            left_out = [f"--exclude-table-data={_SCHEMA}.{table}" for table in LEFT_OUT]
            how = ["--format=custom", "--no-owner", "--no-privileges", f"--schema={_SCHEMA}"]
            _run("pg_dump", [*how, *left_out, f"--snapshot={snapshot}", f"--file={target}"])

            def fetch(query: str) -> list[Any]:
                cursor.execute(query)
                return list(cursor.fetchall())

            return facts_of(fetch)
    except DatabaseError as error:
        raise BackupError(f"The database cannot be copied: {error}.") from error
    finally:
        own.close()


def is_empty() -> bool:
    """Answer whether there is nothing in the database that a restore would put aside."""
    tables = set(connection.introspection.table_names())
    if "accounts_user" not in tables:
        return not tables
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM accounts_user)")
        return not cursor.fetchone()[0]


def place_of_copy(backup: Path) -> Path:
    """Return where a backup is unpacked: beside it, where there is room for as much again."""
    return backup.with_name(f"{backup.name}.restored")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Begin the block if nobody else has the database open; `loaded` asks again.

    Raises:
        BackupError: somebody has.
    """
    _check_alone()
    yield


def _check_alone() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        others = cursor.fetchone()[0]
    if others:
        raise BackupError(
            f"The database is in use, by {others} more. Nothing was changed. Stop the web server "
            "and the worker first."
        )


@contextlib.contextmanager
def loaded(copy: Path, now: datetime, *, was_empty: bool) -> Iterator[dict[str, Any]]:
    """Put a copy in place, and let the console work on it within the block.

    What was there is kept aside as a schema, and said in `aside`. An error within the block puts it
    back.
    """
    aside, outcome = f"before_{now:%Y%m%dt%H%M%Sz}", dict[str, Any]()
    # Asked again on both sides of the work: an idle web server connects at the next request.
    _check_alone()
    try:
        _execute(f"ALTER SCHEMA {_SCHEMA} RENAME TO {aside}", f"CREATE SCHEMA {_SCHEMA}")
    except DatabaseError as error:
        raise BackupError(
            f"The schema {_SCHEMA} cannot be put aside: {' '.join(str(error).split())}. Nothing "
            "was changed. The console's user has to own the database."
        ) from error
    try:
        how = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
        name = str(connection.settings_dict["NAME"])
        _run("pg_restore", [*how, f"--schema={_SCHEMA}", f"--dbname={name}", str(copy)])
        yield outcome
        _check_alone()
    except BaseException:
        connection.close()
        _execute(f"DROP SCHEMA {_SCHEMA} CASCADE", f"ALTER SCHEMA {aside} RENAME TO {_SCHEMA}")
        raise
    if was_empty:
        _execute(f"DROP SCHEMA {aside} CASCADE")
    else:
        outcome["aside"] = f"schema {aside}"


def _execute(*statements: str) -> None:
    """Run statements in one transaction; PostgreSQL's changes of schemas are part of it."""
    with connection.cursor() as cursor:
        cursor.execute("; ".join(statements))
