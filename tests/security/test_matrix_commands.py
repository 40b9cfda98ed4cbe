"""Every management command as every kind of person: what tests/security/commands.py says."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.core.management.color import no_style
from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from pytest_django import Settings

from accounts.models import AuditEvent, User
from promotion.workflow_files import dump
from tests.calling import call_json
from tests.promotion.test_workflows import purchase
from tests.security.commands import OTHERS, ROWS, UNASKED
from tests.security.tally import COMMANDS, HOLES
from tests.security.world import AUDIT, HERE, PASSWORD, PERSONS, World, ask, watched

pytestmark = pytest.mark.django_db
OURS = {"accounts", "environments", "promotion", "tracardi_console"}


@pytest.fixture(autouse=True)
def impatient(settings: Settings) -> None:
    """Wait for no engine: there is none."""
    settings.RETRY_SECONDS = 0


def outcome(code: int, facts: dict[str, Any]) -> str:
    """Return how a command ended, in a word of the table."""
    if code == 3:
        return "rule" if "code" in facts else "role"
    if code == 2:
        there_is_no = ("There is no active user", "There is no environment")
        return "gone" if facts["message"].startswith(there_is_no) else "bad"
    return {0: "done", 1: "broke"}[code]


def test_every_command_has_a_row_or_a_reason() -> None:
    found = get_commands()
    ours = {name for name, app in found.items() if app in OURS}
    assert ours == set(ROWS) | set(UNASKED)
    assert set(found) - ours == set().union(*OTHERS.values())


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_command_that_shows_or_changes_anything_needs_a_person(name: str) -> None:
    arguments = re.sub(r"\{\w+\}", "x", ROWS[name][1])
    with pytest.raises(CommandError, match="required: --as"):
        call_command(name, *arguments.split())


@pytest.mark.parametrize("person", PERSONS)
@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_person_may_run_just_what_the_table_says(
    name: str, person: str, world: World, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    expected, arguments = ROWS[name]
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "one.yaml").write_text(dump(purchase()))
    (tmp_path / "file").write_text("no bundle")
    places = {
        "staging": f"{HERE}-staging",
        "production": f"{HERE}-production",
        "suite": f"{HERE.capitalize()} suite",
        "new": str(tmp_path / "new"),
        "tests": str(tmp_path / "tests"),
        "file": str(tmp_path / "file"),
    }
    words = [one.format(**places) for one in arguments.split()]
    with watched() as written:
        code, facts = call_json(name, *words, "--as", person)
    ended = outcome(code, facts)
    request.node.user_properties += [(COMMANDS, 1), (HOLES, int(ended != expected[person]))]
    assert ended == expected[person], facts
    assert facts["message"]
    refused = AuditEvent.objects.filter(outcome="refused", channel="cli")
    if ended in {"role", "gone"}:
        assert refused.exists() == (ended == "role")
        assert written <= {AUDIT}
        assert not (tmp_path / "new").exists()
        if person.endswith("elsewhere"):
            assert HERE not in facts["message"].casefold().partition("there are:")[2]


def test_a_list_of_environments_names_only_those_that_were_granted(world: World) -> None:
    for person, words in (("qa", HERE), ("qa-elsewhere", "zebu"), ("marketing", HERE)):
        _, facts = call_json("environments", "--as", person)
        assert [row["environment"] for row in facts["environments"]] == [
            f"{words}-production",
            f"{words}-staging",
        ]
        latest = {row["latest_build"] for row in facts["environments"]}
        assert latest == ({None} if person == "marketing" else {None, 2})
    assert len(call_json("environments", "--as", "administrator")[1]["environments"]) == 4


def test_a_password_that_is_set_from_a_shell_is_told_and_ends_the_sessions(
    world: World, monkeypatch: pytest.MonkeyPatch, plain_static_files: None
) -> None:
    address = reverse("promotion:builds")
    assert ask(world.browser("qa"), "GET", address).status == 200
    monkeypatch.setattr("sys.stdin", io.StringIO("another long phrase 8\n"))
    call_command("changepassword", "qa", stdout=io.StringIO())
    assert User.objects.get(username="qa").check_password("another long phrase 8")
    assert ask(world.browser("qa"), "GET", address).status == 302
    event = AuditEvent.objects.get(action="account.password-set")
    assert (event.object_label, event.channel, event.system_user != "") == ("qa", "cli", True)


@pytest.mark.parametrize(("name", "password"), [("qa", "short"), ("who", PASSWORD)])
def test_a_weak_password_and_an_unknown_account_change_nothing(
    name: str, password: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    errors = io.StringIO()
    with watched() as written, pytest.raises(SystemExit) as end:
        call_command("changepassword", name, stderr=errors)
    assert (end.value.code, set(written)) == (2, set())
    assert "Nothing was changed." in errors.getvalue()


def test_no_superuser_and_no_second_administrator_come_in_by_a_file(
    world: World, tmp_path: Path
) -> None:
    bad: tuple[dict[str, Any], ...] = ({"is_superuser": True}, {"role": "administrator"})
    for number, facts in enumerate(bad):
        file = tmp_path / f"{number}.json"
        fields = {"username": "eve", "password": "x", "role": "qa", **facts}
        file.write_text(json.dumps([{"model": "accounts.user", "pk": 999, "fields": fields}]))
        with pytest.raises(DatabaseError), transaction.atomic():
            call_command("loaddata", str(file), verbosity=0)
    assert not User.objects.filter(username="eve").exists()


def test_the_audit_trail_is_not_emptied_by_the_command_that_empties_everything(
    world: World,
) -> None:
    statements = connection.ops.sql_flush(no_style(), [AUDIT])
    assert statements
    # What is checked at the end of a transaction would keep PostgreSQL from it for another reason.
    connection.check_constraints()
    with (
        pytest.raises(DatabaseError, match="never changed or deleted"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)
    assert AuditEvent.objects.exists()
