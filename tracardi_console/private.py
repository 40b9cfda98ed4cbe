"""Keeps SQLite's files for their owner alone: the database, its log and its index.

No Django: the settings name the class.
"""

import contextlib
import os
import sqlite3
import stat
from pathlib import Path
from typing import Any, Final

ONLY_OWNER: Final = 0o600
# SQLite gives these the mode of the database itself, where it makes them.
_BESIDE: Final = ("", "-wal", "-shm", "-journal")


def beside(file: Path) -> list[Path]:
    """Return the file of an SQLite database, and those that SQLite makes beside it."""
    return [file.with_name(f"{file.name}{end}") for end in _BESIDE]


def keep_private(file: Path) -> None:
    """Make the file for its owner alone, or take from others what an earlier version gave them.

    SQLite itself would make it as the process makes any file, for all to read.
    """
    # Never by opening it: to close it again would end all locks that this process has on it,
    # whatever connection holds them, and another process would take its log away. Where it may not
    # be made here, opening the database says why.
    with contextlib.suppress(OSError):
        os.mknod(file, stat.S_IFREG | ONLY_OWNER)
    for path in beside(file):
        with contextlib.suppress(OSError):
            if path.stat().st_mode & 0o077:
                path.chmod(ONLY_OWNER)


class PrivateConnection(sqlite3.Connection):
    """A connection that makes its file for its owner alone, at the moment when it is opened."""

    def __init__(self, database: str, *args: Any, **more: Any) -> None:
        if database != ":memory:" and not database.startswith("file:"):
            keep_private(Path(database))
        super().__init__(database, *args, **more)
