"""A second console: processes of its own, on a database of its own, on the same cluster."""

import json
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from django.db import connection, connections

from environments.models import Environment
from tests.races.at_once import database_url, ended, process

# As a person sets a console up; the rows are those of the admin site's own pages.
SET_UP: Final = """
from accounts.audit import system_actor
from accounts.roles import Role
from accounts.services import create_user
from environments.models import Cluster, Environment
cluster = Cluster.objects.create(name="Same", url={url!r})
facts = dict(cluster=cluster, version="0.8.1", tenant={tenant!r})
production = Environment.objects.create(
    name="Production", slug="production", kind="production", **facts
)
Environment.objects.create(
    name="Staging", slug="staging", kind="staging", promotes_to=production, **facts
)
create_user(
    system_actor(), username="administrator", role=Role.ADMINISTRATOR, password="a long phrase 77"
)
"""


class Console:
    """Runs the commands of a console, as the administrator."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return process(*words, "--as=administrator", "--json", url=self.url)

    def run(self, *words: str) -> dict[str, Any]:
        return outcome(self.start(*words))

    def manage(self, *words: str) -> None:
        """Run any other of Django's commands."""
        code, _out, err = ended(process(*words, url=self.url))
        assert code == 0, err


def outcome(started: "subprocess.Popen[str]") -> dict[str, Any]:
    """Return what a command printed as JSON, once it has ended."""
    _code, out, err = ended(started)
    assert out.strip(), err
    found: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return found


def fresh(folder: Path, environment: Environment) -> Console:
    """Set up a console that knows the same environments, and nothing of their history."""
    console = Console(_new_database(folder, template=""))
    console.manage("migrate", "--verbosity=0")
    facts = {"url": environment.cluster.url, "tenant": environment.tenant}
    console.manage("shell", "--command", SET_UP.format(**facts))
    return console


def copied(folder: Path) -> Console:
    """Return a console on a copy of the tests' database, as one restored from a backup."""
    # A database is copied by PostgreSQL only while nobody uses it.
    name = str(connections["default"].settings_dict["NAME"])
    connections.close_all()
    return Console(_new_database(folder, template=name))


def _new_database(folder: Path, template: str) -> str:
    if connection.vendor == "sqlite":
        path = folder / "other.sqlite3"
        if template:
            with sqlite3.connect(template) as source, sqlite3.connect(path) as copy:
                source.backup(copy)
        return database_url(str(path))
    name = f"other_{os.urandom(6).hex()}"
    root = urlsplit(os.environ["DATABASE_URL"])._replace(scheme="postgresql").geturl()
    with psycopg.connect(root, autocommit=True) as asked:
        asked.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template0"}"')
    return database_url(name)
