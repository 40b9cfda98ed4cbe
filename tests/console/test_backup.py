"""Backups of the console's database, made while it runs and restored, on SQLite and PostgreSQL."""

import contextlib
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.signals import pre_migrate
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.audit import record, system_actor
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.services import create_user
from accounts.verification import verify
from environments.models import Cluster, Environment
from promotion.models import Build, StoredTree, WorkerSign
from tests.backups import Backups
from tests.calling import call_json
from tests.factories import People, enter
from tests.promotion.conftest import (
    Put,
    Ship,
    adopted,
    engine,
    people,
    production,
    put,
    ship,
    staging,
)
from tests.promotion.lost import live_in
from tracardi_console.backup import archive
from tracardi_console.backup.archive import read_manifest

__all__ = ["adopted", "engine", "people", "production", "put", "ship", "staging"]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("plain_static_files"),
]
ROOT = Path(__file__).resolve().parents[2]


def elsewhere(url: str, *words: str) -> tuple[int, dict[str, Any]]:
    """Run a command as a console with another database, in a process of its own."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "manage.py", *words, "--json"],
        cwd=ROOT,
        env={**os.environ, "ENV_FILE": "devtools/test.env", "DATABASE_URL": url},
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[str]:
    """The address of a database that nobody has made tables in."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path / 'fresh.sqlite3'}"
        return
    name, facts = f"fresh_{secrets.token_hex(4)}", connection.settings_dict
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    password = quote(str(facts["PASSWORD"]))
    yield f"postgres://{facts['USER']}:{password}@{facts['HOST']}:{facts['PORT']}/{name}"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def admin(db: None) -> User:
    return create_user(
        system_actor(), username="admin", role=Role.ADMINISTRATOR, password="a long phrase 7"
    )


@pytest.fixture
def made(admin: User, tmp_path: Path) -> Path:
    """A backup of a console with one administrator, and a cluster whose password is kept."""
    Cluster.objects.create(
        name="C", url="http://127.0.0.1:9", authentication="basic", username="u", secret="canary-1"
    )
    enter(admin)
    file = tmp_path / "console.backup"
    assert call_json("backup", str(file), "--as", "admin")[0] == 0
    return file


@pytest.fixture
def cleared() -> Iterator[None]:
    """Take what a restore put aside off the tests' database."""
    yield
    if connection.vendor == "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before\\_%'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP SCHEMA {name} CASCADE")


def everything() -> dict[str, int]:
    """Return how many rows there are of what people made."""
    models = (User, Cluster, Environment, Build, AuditEvent, StoredTree)
    return {model.__name__: model._default_manager.count() for model in models}


# --- The whole way -------------------------------------------------------------------------------


def test_a_restored_console_works_and_finds_what_the_cluster_did_since(
    people: People, adopted: Environment, ship: Ship, put: Put, fresh: str, tmp_path: Path
) -> None:
    put("segment", "seg-one", '{"name": "One"}')
    ship()
    file, before = tmp_path / "console.backup", live_in(adopted).number
    code, facts = call_json("backup", str(file), "--as", people.admin.user.username)  # type: ignore[union-attr]
    assert code == 0
    builds = Build.objects.count()
    assert facts["counts"]["builds"] == builds
    # What the backup does not know.
    put("segment", "seg-two", '{"name": "Two"}')
    ship()
    after = live_in(adopted)
    assert after.number > before
    # The console of before is gone: who has the file and the keys starts in an empty database.
    code, facts = elsewhere(fresh, "restore", str(file))
    assert (code, facts["aside"]) == (0, ""), facts
    assert facts["audit"]["problems"] == []
    assert facts["productions"] == [adopted.slug]
    assert f"manage.py reconcile {adopted.slug}" in facts["message"]
    code, facts = elsewhere(fresh, "verify-audit")
    assert (code, facts["status"]) == (0, "sound")
    name = people.admin.user.username  # type: ignore[union-attr]
    code, facts = elsewhere(fresh, "environments", "--as", name)
    assert {row["environment"] for row in facts["environments"]} == {"staging", "production"}
    code, facts = elsewhere(fresh, "reconcile", adopted.slug, "--as", name)
    assert code == 0, facts
    assert f"Generation {after.number} is recorded as live" in facts["message"]
    # It is recorded: there is nothing more to do.
    code, facts = elsewhere(fresh, "reconcile", adopted.slug, "--as", name)
    assert code == 0, facts
    assert facts["promotion"] is None, facts


def test_a_backup_takes_the_place_of_a_database_that_is_kept_aside(
    made: Path, admin: User, cleared: None
) -> None:
    held = everything()
    create_user(system_actor(), username="later", role=Role.QA, password="a long phrase 7")
    events = AuditEvent.objects.count()
    code, facts = call_json("restore", str(made))
    assert (code, "not empty" in facts["message"]) == (2, True)
    assert User.objects.filter(username="later").exists()
    code, facts = call_json("restore", str(made), "--replace")
    Backups._forget()
    assert code == 0, facts
    # That it was made came after it; instead it has that it was restored.
    assert everything() == held
    assert Cluster.objects.get().secret == "canary-1"
    assert verify().is_sound
    event = AuditEvent.objects.latest("number")
    assert (event.action, event.channel, event.detail["replaced"]) == (
        "console.restored",
        "cli",
        True,
    )
    assert event.system_user
    # No session of then goes on, and who signs in finds the pages.
    assert not Session.objects.exists()
    page = enter(User.objects.get(username="admin")).get(reverse("promotion:builds"), secure=True)
    assert page.status_code == 200
    _check_aside(facts["aside"], events)


def _check_aside(words: str, events: int) -> None:
    """The database of before is there, whole, and its owner's alone."""
    if connection.vendor == "sqlite":
        assert Path(words).stat().st_mode & 0o777 == 0o600
        file = Path(str(connection.settings_dict["NAME"]))
        assert file.stat().st_mode & 0o777 == 0o600
        code, facts = elsewhere(f"sqlite:///{words}", "verify-audit")
        assert (code, facts["events"]) == (0, events)
        return
    schema = words.removeprefix("schema ")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT username FROM {schema}.accounts_user ORDER BY 1")
        assert [row[0] for row in cursor.fetchall()] == ["admin", "later"]


def test_a_backup_of_a_console_that_is_written_to_is_of_one_moment(
    admin: User, tmp_path: Path, fresh: str
) -> None:
    stop, wrote = threading.Event(), threading.Event()

    def write() -> None:
        while not stop.is_set():
            record(system_actor(), "test.written")
            wrote.set()
        connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert wrote.wait(20)
        file = tmp_path / "console.backup"
        assert call_json("backup", str(file), "--as", "admin")[0] == 0
    finally:
        stop.set()
        writer.join()
    facts = read_manifest(file).facts
    head = AuditEvent.objects.get(number=facts.counts["audit events"])
    assert facts.audit_head == head.digest
    code, said = elsewhere(fresh, "restore", str(file))
    assert (code, said["audit"]["events"]) == (0, head.number)


def test_what_an_earlier_restore_put_aside_is_not_overwritten(made: Path, cleared: None) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has no two schemas of one name: it refuses the second.")
    file = Path(str(connection.settings_dict["NAME"]))
    # As of a restore within the same second, whichever that will be.
    moments = [timezone.now() + timedelta(seconds=seconds) for seconds in range(90)]
    taken = [file.with_name(f"{file.name}.before-{at:%Y%m%dT%H%M%SZ}") for at in moments]
    for one in taken:
        one.write_text("earlier")
    try:
        code, facts = call_json("restore", str(made), "--replace")
        Backups._forget()
        assert code == 0, facts
        assert [one for one in taken if one.read_text() != "earlier"] == []
        assert facts["aside"].endswith("Z-2")
        assert Path(facts["aside"]).is_file()
    finally:
        for one in taken:
            one.unlink()


def test_there_is_a_database_at_each_moment_of_a_restore(made: Path, cleared: None) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL renames its schemas in one transaction.")
    file = Path(str(connection.settings_dict["NAME"]))
    seen: list[tuple[str, bool]] = []

    def look(event: str, _arguments: object) -> None:
        # Python tells of each before it is done. One that listens listens until the end.
        if file is not None and event in {"os.link", "os.rename", "os.remove"}:
            seen.append((event, file.exists()))

    sys.addaudithook(look)
    try:
        code, facts = call_json("restore", str(made), "--replace")
    finally:
        there, file = file, None  # type: ignore[assignment]
    Backups._forget()
    assert code == 0, facts
    assert there.exists()
    assert "os.rename" in {event for event, _ in seen}
    assert [event for event, found in seen if not found] == []


# --- What a file holds ---------------------------------------------------------------------------


def test_a_file_is_its_owners_alone_and_holds_no_secret_and_no_session(
    made: Path, admin: User
) -> None:
    assert made.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in made.parent.iterdir() if "backup" in path.name] == [made.name]
    raw = made.read_bytes()
    assert b"canary-1" not in raw
    for session in Session.objects.all():
        assert session.session_key.encode() not in raw
    for name in ("ENCRYPTION_KEYS", "SECRET_KEY"):
        held = os.environ.get(name) or "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
        assert held.encode() not in raw
    event = AuditEvent.objects.latest("number")
    assert (event.action, event.actor) == ("console.backed-up", admin)
    # It overwrites nothing.
    code, facts = call_json("backup", str(made), "--as", "admin")
    assert (code, "already" in facts["message"]) == (2, True)
    assert made.read_bytes() == raw


def test_what_was_deleted_before_a_backup_is_not_in_its_free_pages(
    admin: User, tmp_path: Path
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("pg_dump copies rows, and no page.")
    keys = [f"gone{number:04}{secrets.token_hex(8)}" for number in range(300)]
    later = timezone.now() + timedelta(hours=1)
    with connection.cursor() as cursor:
        # Some builds of SQLite overwrite what is deleted; not each does.
        cursor.execute("PRAGMA secure_delete=OFF")
    Session.objects.bulk_create(
        [Session(session_key=key, session_data="d" * 500, expire_date=later) for key in keys]
    )
    Session.objects.all().delete()
    connection.close()
    held = Path(str(connection.settings_dict["NAME"])).read_bytes()
    assert any(key.encode() in held for key in keys)
    file = tmp_path / "console.backup"
    assert call_json("backup", str(file), "--as", "admin")[0] == 0
    raw = file.read_bytes()
    assert [key for key in keys if key.encode() in raw] == []


def test_a_folder_that_is_not_there_makes_no_backup(admin: User, tmp_path: Path) -> None:
    code, facts = call_json("backup", str(tmp_path / "none" / "b"), "--as", "admin")
    assert code == 2
    assert "No backup was made." in facts["message"]
    assert list(tmp_path.iterdir()) == []


# --- What is refused -----------------------------------------------------------------------------


def refused(file: Path, words: str) -> None:
    """A restore is refused with those words, and all is as it was."""
    before = everything()
    code, facts = call_json("restore", str(file), "--replace")
    assert code == 2, facts
    assert words in facts["message"]
    assert "Nothing was changed." in facts["message"]
    assert everything() == before
    assert [path.name for path in file.parent.iterdir() if path.name.startswith(".")] == []
    database = Path(str(connection.settings_dict["NAME"]))
    if connection.vendor == "sqlite":
        assert [one.name for one in database.parent.iterdir() if ".partial" in one.name] == []


def test_a_restore_under_other_keys_is_refused(made: Path, settings: Settings) -> None:
    kept = settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    refused(made, "Put the keys of then behind those of now")
    # Behind the new one they are enough.
    settings.ENCRYPTION_KEYS = [*settings.ENCRYPTION_KEYS, *kept]
    assert read_manifest(made).keys == archive.fingerprints()[1:]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("text", "is no backup"),
        ("empty", "is no backup"),
        ("manifest", "was altered"),
        ("database", "was damaged"),
        ("half", "cut off"),
        ("none", "cannot be read"),
    ],
)
def test_a_file_that_is_not_as_it_was_made_is_refused(
    made: Path, tmp_path: Path, what: str, words: str
) -> None:
    raw, bad = made.read_bytes(), tmp_path / "bad"
    place = len(raw) // 2
    changed = {
        "text": b"no backup" * 1000,
        "empty": b"",
        "manifest": raw.replace(b'"people": 1', b'"people": 2', 1),
        "database": raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :],
        "half": raw[:place],
    }
    if what != "none":
        assert changed[what] != raw
        bad.write_bytes(changed[what])
    refused(bad, words)


def test_a_backup_of_a_later_version_or_of_the_other_database_is_refused(
    admin: User, tmp_path: Path
) -> None:
    MigrationRecorder(connection).record_applied("promotion", "9999_later")
    later = tmp_path / "later"
    assert call_json("backup", str(later), "--as", "admin")[0] == 0
    MigrationRecorder(connection).record_unapplied("promotion", "9999_later")
    refused(later, "of a later version")
    other, held = tmp_path / "other", tmp_path / "held"
    with tarfile.open(later) as tar:
        stream = tar.extractfile("database")
        assert stream is not None
        held.write_bytes(stream.read())
    names = {"sqlite": "postgresql", "postgresql": "sqlite"}
    archive.write(other, replace(read_manifest(later), vendor=names[connection.vendor]), held)
    refused(other, "and DATABASE_URL is of")


def test_a_restore_beside_a_running_worker_is_refused(made: Path) -> None:
    WorkerSign.objects.create(name="shop:1:2", parts=["queue"], seen_at=timezone.now())
    refused(made, "A worker is running, or was a moment ago: shop:1:2")


def test_a_restore_of_a_database_that_somebody_uses_is_refused(made: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    def use() -> None:
        User.objects.count()
        entered.set()
        leave.wait(60)
        connections.close_all()

    user = threading.Thread(target=use)
    user.start()
    try:
        assert entered.wait(20)
        refused(made, "The database is in use")
    finally:
        leave.set()
        user.join()


@contextlib.contextmanager
def midway(act: Callable[[], object]) -> Iterator[None]:
    """Do something while a restore brings the tables up to this version."""

    def once(**_facts: object) -> None:
        pre_migrate.disconnect(dispatch_uid="midway")
        act()

    pre_migrate.connect(once, dispatch_uid="midway", weak=False)
    try:
        yield
    finally:
        pre_migrate.disconnect(dispatch_uid="midway")


# Opens the database as the web server does at a request: at once, and then once more with patience.
VISITOR = """
import sqlite3, sys
for seconds in (0, 20):
    own = sqlite3.connect(sys.argv[1], timeout=seconds, isolation_level=None)
    try:
        own.execute("PRAGMA journal_mode=WAL")
        own.execute("CREATE TABLE visited (at TEXT)")
        print("written", flush=True)
    except sqlite3.Error as error:
        print(error, flush=True)
    own.close()
"""


def test_a_request_in_the_middle_of_a_restore_writes_to_neither_database(
    made: Path, cleared: None
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL refuses the restore: the next test.")
    file = Path(str(connection.settings_dict["NAME"]))
    visitors: list[subprocess.Popen[str]] = []
    said: list[str] = []

    def visit() -> None:
        words = [sys.executable, "-c", VISITOR, str(file)]
        visitors.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))  # noqa: S603
        assert visitors[0].stdout is not None
        said.append(visitors[0].stdout.readline())

    with midway(visit):
        code, facts = call_json("restore", str(made), "--replace")
    Backups._forget()
    assert code == 0, facts
    said.append(visitors[0].communicate()[0])
    assert said[0].strip() == "database is locked"
    # The second came before the new file or after it: either way it did not reach the old one.
    with closing(sqlite3.connect(facts["aside"])) as aside:
        assert aside.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert not aside.execute("SELECT 1 FROM sqlite_master WHERE name = 'visited'").fetchall()
    with closing(sqlite3.connect(file)) as own:
        assert own.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        own.execute("DROP TABLE IF EXISTS visited")
    assert User.objects.get().username == "admin"


def test_a_connection_in_the_middle_of_a_restore_undoes_it(made: Path) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite keeps others out: the test before.")
    came, leave = threading.Event(), threading.Event()

    def use() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        came.set()
        leave.wait(60)
        connections.close_all()

    user = threading.Thread(target=use)

    def visit() -> None:
        user.start()
        assert came.wait(20)

    try:
        with midway(visit):
            refused(made, "The database is in use")
    finally:
        leave.set()
        user.join()


def test_a_value_under_a_key_that_is_gone_is_found_before_anything_is_replaced(
    admin: User, tmp_path: Path
) -> None:
    lost = Fernet(Fernet.generate_key()).encrypt(b"tree")
    tree = StoredTree.objects.create(
        digest="d" * 64, resource="flow", exact="e", content="c", count=1, size=1, body=lost
    )
    file = tmp_path / "console.backup"
    assert call_json("backup", str(file), "--as", "admin")[0] == 0
    refused(file, "encrypted with a key that ENCRYPTION_KEYS does not hold")
    tree.delete()
