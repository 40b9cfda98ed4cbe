"""A start with wrong settings says so in one line, and never shows a secret or a traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from tracardi_console import variables
from tracardi_console.logs import logging_at
from tracardi_console.private import PrivateConnection
from tracardi_console.variables import Variables

ROOT = Path(__file__).resolve().parents[2]
TEST_ENV = {"PATH": os.environ["PATH"], "ENV_FILE": str(ROOT / "devtools/test.env")}
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def started(*words: str, **variables: str) -> tuple[int, str]:
    """Run Python in the project's folder, and return its exit code and what it said."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, *words],
        cwd=ROOT,
        env={**TEST_ENV, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("manage.py", "migrate"), 2),
        (("-c", "import tracardi_console.wsgi"), 2),
        (("-c", "import tracardi_console.asgi"), 2),
        (("-m", "gunicorn", "tracardi_console.wsgi"), 2),
        # Without the project's own configuration, one process after the other would be started.
        (("-m", "gunicorn", "-c", "python:tests.console", "tracardi_console.wsgi"), 4),
    ],
)
def test_whatever_is_started_without_a_key_says_so_in_one_line(
    words: tuple[str, ...], code: int
) -> None:
    bind = ["--bind", "127.0.0.1:0", "--no-control-socket"] if "gunicorn" in words else []
    ended, said = started(*words[:2], *bind, *words[2:], SECRET_KEY="")
    assert ended == code
    assert said.count("SECRET_KEY is empty. Make one with: python3 -c") == 1
    assert "Traceback" not in said
    if code == 2:
        assert len(said.strip().splitlines()) == 1


def test_a_database_that_does_not_answer_is_said_in_one_line_without_its_password() -> None:
    url = "postgres://console:canary-8d21@127.0.0.1:1/console"
    code, said = started("manage.py", "migrate", DATABASE_URL=url)
    assert code == 2
    assert len(said.strip().splitlines()) == 1
    assert "the database cannot be reached" in said
    assert "canary" not in said


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("SECRET_KEY", "ENCRYPTION_KEYS", "DATABASE_URL", "LEASE_SECONDS", "DEBUG"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SECRET_KEY", "", "SECRET_KEY is empty"),
        ("ENCRYPTION_KEYS", "", "ENCRYPTION_KEYS is empty"),
        ("ENCRYPTION_KEYS", f"{KEY},canary", "no key, at place 2"),
        ("DATABASE_URL", "canary", "DATABASE_URL is no address of a database"),
        ("DATABASE_URL", "mysql://u:canary@h/n", "DATABASE_URL is no address of a database"),
        ("DATABASE_URL", "postgres://u:canary/x@h:y/n", "percent-encoded"),
        ("DATABASE_URL", "postgres://u:canary@h", "DATABASE_URL is no address of a database"),
        ("LEASE_SECONDS", "canary", "LEASE_SECONDS is not a number"),
        ("DEBUG", "canary", "DEBUG is neither yes nor no"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not(
    env: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    env.setenv(name, value)
    read = Variables()
    ask: dict[str, Callable[[], object]] = {
        "SECRET_KEY": lambda: read.secret(name),
        "ENCRYPTION_KEYS": lambda: read.encryption_keys(name),
        "DATABASE_URL": lambda: read.database(name, "sqlite:///x"),
        "LEASE_SECONDS": lambda: read.float(name, default=1.0),
        "DEBUG": lambda: read.bool(name, default=False),
    }
    with pytest.raises(ImproperlyConfigured, match=words) as error:
        ask[name]()
    assert "canary" not in str(error.value)


def test_a_secret_comes_from_a_file_and_stays_out_of_the_environment(
    env: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    env.setenv("ENCRYPTION_KEYS_FILE", str(file))
    assert Variables().encryption_keys("ENCRYPTION_KEYS") == [KEY]
    assert "ENCRYPTION_KEYS" not in os.environ
    env.setenv("ENCRYPTION_KEYS", KEY)
    with pytest.raises(ImproperlyConfigured, match="both set"):
        Variables().encryption_keys("ENCRYPTION_KEYS")


def test_a_file_that_is_not_there_stops_the_start(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env.setenv("SECRET_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FILE cannot be read: No such file"):
        Variables().secret("SECRET_KEY")
    env.setenv("ENV_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match="which is not there"):
        variables.read(tmp_path)
    # The one that nobody named need not be.
    env.delenv("ENV_FILE")
    assert variables.read(tmp_path).str("LEASE_SECONDS", default="30") == "30"


@pytest.mark.parametrize(("level", "form"), [("LOUD", "json"), ("INFO", "xml")])
def test_a_way_to_log_that_there_is_not_stops_the_start(level: str, form: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="is none of"):
        logging_at(level, form)


def test_sqlites_files_are_their_owners_alone_also_where_they_were_not(tmp_path: Path) -> None:
    file = tmp_path / "console.sqlite3"
    url = {"DATABASE_URL": f"sqlite:///{file}"}
    # With a transaction open, the log and its index lie beside it.
    look = (
        "import os, pathlib, django; django.setup()\n"
        "from django.db import connection as c\n"
        "c.cursor().execute('CREATE TABLE t (x)')\n"
        f"found = pathlib.Path({str(tmp_path)!r}).iterdir()\n"
        "print(sorted((p.name, oct(p.stat().st_mode & 0o777)) for p in found))"
    )
    variables = {**url, "DJANGO_SETTINGS_MODULE": "tracardi_console.settings"}
    code, said = started("-c", f"import os; os.umask(0o022)\n{look}", **variables)
    expected = [(f"console.sqlite3{end}", "0o600") for end in ("", "-shm", "-wal")]
    assert (code, said.strip()) == (0, str(expected))
    # As an earlier version left it.
    file.chmod(0o644)
    code, said = started("manage.py", "showmigrations", **url)
    assert code == 0, said
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_needs_no_database_makes_none(tmp_path: Path) -> None:
    # As root collects the static files, and another user owns the database then.
    code, said = started(
        "manage.py", "check", DATABASE_URL=f"sqlite:///{tmp_path / 'console.sqlite3'}"
    )
    assert (code, list(tmp_path.iterdir())) == (0, []), said


def test_a_second_connection_ends_no_lock_of_the_first(tmp_path: Path) -> None:
    """Else another process takes the log away from under it, and the database is damaged."""
    file = tmp_path / "console.sqlite3"
    take = (
        "import sqlite3, sys\n"
        "own = sqlite3.connect(sys.argv[1], timeout=0)\n"
        "try: print(own.execute('PRAGMA journal_mode=DELETE').fetchone()[0])\n"
        "except sqlite3.OperationalError as error: print(error)"
    )
    with closing(PrivateConnection(str(file))) as first:
        first.execute("PRAGMA journal_mode=WAL")
        first.execute("CREATE TABLE t (x)")
        first.commit()
        with closing(PrivateConnection(str(file))) as second:
            second.execute("SELECT * FROM t").fetchall()
        assert started("-c", take, str(file)) == (0, "database is locked\n")
    # Nobody has it any more.
    assert started("-c", take, str(file)) == (0, "delete\n")
