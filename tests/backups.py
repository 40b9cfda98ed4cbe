"""Backups of the tests' database, and what a console that is started on one has in memory."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, connections

from promotion import claim, recovery, store


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


class Backups:
    """Copies the file of the database away, and back. Each copy is a console's whole memory."""

    def __init__(self, folder: Path) -> None:
        if connection.vendor != "sqlite":
            pytest.skip("A backup is a copy of SQLite's file: it is tested on SQLite.")
        self._folder = folder
        self._taken = 0

    @property
    def _file(self) -> Path:
        return Path(str(connection.settings_dict["NAME"]))

    def take(self) -> Path:
        """Return a copy of the database as it is now."""
        self._taken += 1
        copy = self._folder / f"backup-{self._taken}.sqlite3"
        _copy(self._file, copy)
        return copy

    def restore(self, copy: Path) -> None:
        """Put a copy back, and start anew: what was in memory is gone too."""
        connections.close_all()
        _copy(copy, self._file)
        self._forget()

    def lose(self) -> None:
        """Empty the database."""
        call_command("flush", interactive=False, verbosity=0)
        self._forget()

    @staticmethod
    def _forget() -> None:
        ContentType.objects.clear_cache()
        store._recent.clear()
        store._recent_chunks.clear()
        claim._seen.clear()
        recovery._sightings.clear()
