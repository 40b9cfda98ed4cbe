"""Keeps files of the console's data for their owner alone."""

import contextlib
import os
from pathlib import Path
from typing import Any, Final

ONLY_OWNER: Final = 0o600
SQLITE: Final = "django.db.backends.sqlite3"
# SQLite gives these the mode of the database itself, where it makes them.
_BESIDE: Final = ("", "-wal", "-shm", "-journal")


def file_of(database: dict[str, Any]) -> Path | None:
    """Return the file of an SQLite database; None where it is none, or lies in memory."""
    name = str(database["NAME"])
    if database["ENGINE"] != SQLITE or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(name)


def beside(file: Path) -> list[Path]:
    """Return the file of an SQLite database, and those that SQLite makes beside it."""
    return [file.with_name(f"{file.name}{end}") for end in _BESIDE]


def keep_private(database: dict[str, Any]) -> None:
    """Make the file for its owner alone, or take from others what an earlier version gave them.

    SQLite itself would make it as the process makes any file, for all to read.
    """
    file = file_of(database)
    if file is None:
        return
    # Where it may not be done here, whoever opens the database says why.
    with contextlib.suppress(OSError):
        os.close(os.open(file, os.O_RDONLY | os.O_CREAT, ONLY_OWNER))
    for path in beside(file):
        with contextlib.suppress(OSError):
            if path.stat().st_mode & 0o077:
                path.chmod(ONLY_OWNER)
