"""The audit trail: append-only, chained, guarded by the database, and verified from end to end."""

import csv
import io
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, connections, transaction
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts import anchors, triggers
from accounts.anchors import Anchor, AnchorError, anchor, read_anchors
from accounts.audit import Actor, record, system_actor
from accounts.chain import digest
from accounts.models import AuditEvent, AuditImmutableError, User
from accounts.roles import Role
from accounts.services import create_user
from accounts.verification import verify
from tests.factories import enter

PASSWORD = "a long enough phrase 7"
TABLE = "accounts_auditevent"


@pytest.fixture
def trail(db: None) -> list[AuditEvent]:
    """Five events, of which some say all that an event can."""
    actor = Actor(None, "web", address="2001:DB8:0::1", request_id="r1")
    return [
        record(actor, "a.first", reason='Été "quoted" \N{SNOWMAN}', detail={"b": [1, 2.5, None]}),
        *(record(system_actor(), f"a.{n}", detail={"n": n}) for n in range(2, 6)),
    ]


def past_the_guard(sql: str, *values: str | int) -> None:
    """Do what somebody with the database's own rights could."""
    triggers.drop(connection)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
    triggers.create(connection)


def test_each_event_stands_on_the_one_before(trail: list[AuditEvent]) -> None:
    first, *rest = AuditEvent.objects.order_by("number")
    assert (first.number, first.previous) == (1, "0" * 64)
    for before, after in zip([first, *rest], rest, strict=False):
        assert (after.number, after.previous) == (before.number + 1, before.digest)
    # Read back from the database it says the same.
    assert all(digest(one.facts) == one.digest for one in (first, *rest))
    found = verify()
    assert (found.is_sound, found.events, found.head) == (True, 5, rest[-1].digest)


def test_nobody_changes_or_deletes_an_event_through_the_models(trail: list[AuditEvent]) -> None:
    event = AuditEvent.objects.get(number=2)
    event.reason = "Another"
    acts: list[Callable[[], object]] = [
        event.save,
        event.delete,
        lambda: AuditEvent.objects.update(reason="x"),
        lambda: AuditEvent.objects.all().delete(),
        lambda: AuditEvent.objects.bulk_create([AuditEvent(action="a")]),
    ]
    for act in acts:
        with pytest.raises(AuditImmutableError):
            act()
    assert verify().is_sound


@pytest.mark.parametrize(
    "sql",
    [
        f"UPDATE {TABLE} SET reason = 'x'",
        f"UPDATE {TABLE} SET number = number + 100",
        f"DELETE FROM {TABLE} WHERE number = 5",
        f"DELETE FROM {TABLE}",
    ],
)
def test_the_database_refuses_it_too(trail: list[AuditEvent], sql: str) -> None:
    with (
        pytest.raises(DatabaseError, match=triggers.WORDS),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
    assert verify().is_sound


@pytest.mark.parametrize(
    ("sql", "values", "words"),
    [
        ("UPDATE {} SET reason = %s WHERE number = 2", ["Another"], "Event 2 (a.2, "),
        ("UPDATE {} SET actor_name = %s WHERE number = 5", ["Eve"], "Event 5 (a.5, "),
        ("UPDATE {} SET outcome = %s WHERE number = 3", ["refused"], "Event 3 (a.3, "),
        ("UPDATE {} SET detail = %s WHERE number = 4", ['{"n": 5}'], "Event 4 (a.4, "),
        ("UPDATE {} SET digest = %s WHERE number = 2", ["0" * 64], "Event 2 (a.2, "),
        ("UPDATE {} SET previous = %s WHERE number = 3", ["0" * 64], "Event 3 does not stand"),
        ("DELETE FROM {} WHERE number = 1", [], "Event 1 of the chain is missing before 2."),
        ("DELETE FROM {} WHERE number IN (2, 3)", [], "Events 2 to 3 of the chain is missing"),
    ],
)
def test_what_was_done_past_the_guard_is_found(
    trail: list[AuditEvent], sql: str, values: list[str], words: str
) -> None:
    past_the_guard(sql.format(TABLE), *values)
    problems = verify().problems
    assert any(one.startswith(words) for one in problems), problems


def test_an_event_that_was_edited_with_its_digest_breaks_the_chain(
    trail: list[AuditEvent],
) -> None:
    event = AuditEvent.objects.get(number=2)
    event.reason = "Another"
    forged = digest(event.facts)
    past_the_guard(
        f"UPDATE {TABLE} SET reason = %s, digest = %s WHERE number = 2", "Another", forged
    )
    assert verify().problems == ("Event 3 does not stand on the one before it.",)


def test_what_was_put_in_is_found(trail: list[AuditEvent]) -> None:
    columns = [one.column for one in AuditEvent._meta.concrete_fields if one.column != "id"]
    listed = ", ".join(f'"{one}"' for one in columns)
    chosen = listed.replace('"number"', "6").replace('"action"', "'forged'")
    past_the_guard(f"INSERT INTO {TABLE} ({listed}) SELECT {chosen} FROM {TABLE} WHERE number = 4")
    problems = verify().problems
    assert problems[0] == "Event 6 does not stand on the one before it."
    assert problems[1].startswith("Event 6 (forged, ")


def test_a_guard_that_is_gone_is_told(trail: list[AuditEvent]) -> None:
    triggers.drop(connection)
    assert len(triggers.missing(connection)) == len(verify().problems) >= 2
    triggers.create(connection)
    triggers.create(connection)
    assert verify().is_sound


# --- Anchors -------------------------------------------------------------------------------------


@pytest.fixture
def anchored(trail: list[AuditEvent], settings: Settings, tmp_path: Path) -> Path:
    file = tmp_path / "anchors"
    settings.AUDIT_ANCHOR = str(file)
    anchors._written.clear()
    made = anchor()
    assert made is not None
    assert (made.number, made.digest) == (5, AuditEvent.objects.get(number=5).digest)
    return file


def test_an_end_that_was_cut_off_is_found_against_an_anchor(anchored: Path) -> None:
    # The same end is not written down again, another one is.
    assert anchor() is None
    record(system_actor(), "a.6")
    assert anchor() is not None
    assert [one.number for one in read_anchors(anchored)] == [5, 6]
    assert anchored.stat().st_mode & 0o777 == 0o600
    assert verify(read_anchors(anchored)).is_sound
    past_the_guard(f"DELETE FROM {TABLE} WHERE number > 4")
    assert verify().is_sound
    [problem] = verify(read_anchors(anchored)).problems
    assert problem.startswith("The end is cut off: event 6 was anchored on ")
    assert problem.endswith("and the last one there is 4.")


def test_a_trail_that_was_written_anew_is_found_against_an_anchor(anchored: Path) -> None:
    past_the_guard(f"DELETE FROM {TABLE}")
    for n in range(5):
        record(system_actor(), f"forged.{n}")
    assert verify().is_sound
    found = verify(read_anchors(anchored))
    assert found.problems == ("Event 5 is not the one that was anchored.",)


def test_anchors_are_read_from_a_system_log_too(tmp_path: Path) -> None:
    line = json.dumps({"number": 3, "digest": "d", "at": "2026-11-03"})
    file = tmp_path / "syslog"
    file.write_text(
        f"Nov 3 host cron: something\nNov 3 host: tracardi-console audit anchor {line}\n"
    )
    assert read_anchors(file) == [Anchor(3, "d", "2026-11-03")]
    file.write_text("Nov 3 host cron: something\n")
    with pytest.raises(AnchorError, match="holds no anchor"):
        read_anchors(file)
    file.write_text('{"number": "many"}\n')
    with pytest.raises(AnchorError, match="line 1: that is no anchor"):
        read_anchors(file)


def test_an_anchor_that_cannot_be_written_is_told(
    trail: list[AuditEvent], settings: Settings, tmp_path: Path
) -> None:
    anchors._written.clear()
    settings.AUDIT_ANCHOR = str(tmp_path / "no" / "such" / "folder")
    with pytest.raises(AnchorError, match="Correct AUDIT_ANCHOR"):
        anchor()
    settings.AUDIT_ANCHOR = ""
    assert anchor() is None


def test_the_command_says_it_by_its_exit_code(
    anchored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("verify-audit")
    assert "The audit trail is sound: 5 events and 1 anchor agree." in capsys.readouterr().out
    past_the_guard(f"UPDATE {TABLE} SET reason = 'x' WHERE number = 2")
    with pytest.raises(SystemExit) as unsound:
        call_command("verify-audit", "--json")
    assert unsound.value.code == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["status"], answer["events"], len(answer["problems"])) == ("unsound", 5, 1)
    with pytest.raises(SystemExit) as bad:
        call_command("verify-audit", "--anchor", str(anchored.parent / "none"))
    assert bad.value.code == 2
    assert "Nothing was verified." in capsys.readouterr().err


# --- The act and its event -----------------------------------------------------------------------


@pytest.mark.django_db
def test_without_its_event_the_act_does_not_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: AuditEvent, *args: Any, **kwargs: Any) -> None:
        raise DatabaseError("no room")

    monkeypatch.setattr(AuditEvent, "save", full)
    with pytest.raises(DatabaseError, match="no room"):
        create_user(system_actor(), username="eve", role=Role.QA, password=PASSWORD)
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_at_once_make_one_chain() -> None:
    def append(name: str) -> None:
        try:
            for n in range(10):
                record(system_actor(), f"{name}.{n}")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=append, args=(f"t{n}",)) for n in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    found = verify()
    assert (found.events, found.problems) == (40, ())


# --- The page and its files ----------------------------------------------------------------------


@pytest.fixture
def browse(plain_static_files: None, db: None) -> Callable[[Role], Client]:
    def as_role(role: Role) -> Client:
        user = create_user(system_actor(), username=role.value, role=role, password=PASSWORD)
        return enter(user)

    return as_role


def export(client: Client, form: str, **query: str) -> str:
    answer = client.get(reverse("export-audit", args=[form]), query, secure=True)
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]


def test_the_trail_is_filtered_and_each_click_is_one_group(
    browse: Callable[[Role], Client],
) -> None:
    admin = browse(Role.ADMINISTRATOR)
    click = Actor(None, "web")
    record(click, "part.one", reason="needle")
    record(click, "part.two")
    old = record(system_actor(), "old.act")
    past_the_guard(f"UPDATE {TABLE} SET at = %s WHERE id = %s", "2026-11-03 12:00:00", old.pk)

    def page(**query: str) -> str:
        answer = admin.get(reverse("audit"), query, secure=True)
        return answer.content.decode().partition("<tbody>")[2]

    assert "part.two" not in page(q="needle")
    assert "part.one" in page(q="needle")
    both = page(group=str(click.group))
    assert "part.one" in both
    assert "part.two" in both
    assert "account.created" not in both
    assert "old.act" in page(since="2026-11-03", until="2026-11-03")
    assert "part.one" not in page(until="2026-11-03")
    assert "old.act" not in page(since="2026-11-04")
    for wrong in ({"since": "rubbish"}, {"group": "rubbish"}, {"outcome": "rubbish"}):
        assert "part.one" in page(**wrong)


def test_the_trail_is_given_as_files_that_no_spreadsheet_runs(
    browse: Callable[[Role], Client],
) -> None:
    admin = browse(Role.ADMINISTRATOR)
    record(system_actor(), "a.one", reason='=HYPERLINK("http://evil","x")', detail={"k": "v,\n1"})
    record(system_actor(), "a.two", reason="-1+2")
    rows = list(csv.DictReader(io.StringIO(export(admin, "csv", q="a."))))
    assert [row["action"] for row in rows] == ["a.one", "a.two"]
    assert [row["reason"] for row in rows] == ['\'=HYPERLINK("http://evil","x")', "'-1+2"]
    assert json.loads(rows[0]["detail"]) == {"k": "v,\n1"}
    lines = [json.loads(line) for line in export(admin, "jsonl", q="a.").splitlines()]
    assert [line["action"] for line in lines] == ["a.one", "a.two"]
    assert lines[1]["previous"] == lines[0]["digest"]
    # With what a line says, anybody can work out its digest.
    assert len(export(admin, "csv", q="nothing of that").splitlines()) == 1
    answer = admin.get(reverse("export-audit", args=["exe"]), secure=True)
    assert answer.status_code == 404


def test_who_sees_only_their_own_acts_gets_only_those_as_a_file(
    browse: Callable[[Role], Client],
) -> None:
    record(system_actor(), "secret.act")
    marketing = browse(Role.MARKETING)
    answer = marketing.get(reverse("export-audit", args=["csv"]), secure=True)
    assert answer.status_code == 403
    assert AuditEvent.objects.filter(outcome="refused", action="audit.list").exists()
