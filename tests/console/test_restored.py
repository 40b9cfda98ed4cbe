"""What a restored console does not take up again, and what it says of people."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from accounts.audit import system_actor
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.services import create_user
from accounts.tasks import deliver, sealed
from accounts.verification import verify
from environments.models import Environment, NetworkRun
from promotion.batch_models import Batch, BatchItem
from promotion.models import Build, Promotion, SmokeCheck, SuiteRun
from promotion.tasks import run_release
from tests.backups import Backups
from tests.calling import call_json
from tests.console.test_backup import admin, cleared
from tests.security.world import _pipeline

__all__ = ["admin", "cleared"]
pytestmark = pytest.mark.django_db(transaction=True)


def statuses(model: type[Promotion] | type[BatchItem] | type[SuiteRun]) -> dict[int, str]:
    """Return the status of each row by its key."""
    return dict(model._default_manager.values_list("pk", "status"))


def test_what_waited_at_the_backup_is_not_begun_by_the_restored_console(
    admin: User, tmp_path: Path, cleared: None
) -> None:
    _pipeline("here", admin)
    other = _pipeline("there", admin)
    goes = Promotion.objects.filter(environment__slug="here-production", status="running").get()
    # One waits for a worker, as its task; beside it one that a worker has.
    asked = Promotion.objects.get(pk=other["goes"][0])
    Promotion.objects.filter(pk=asked.pk).update(kind="release", status="pending", build=None)
    run_release.enqueue(asked.pk)
    build = Build.objects.filter(environment__slug="here-staging")[0]
    begun = Batch.objects.create(parallel=1, channel="web", status="running", run=1)
    taken = BatchItem.objects.create(
        batch=begun, environment=goes.environment, build=build, status="running"
    )
    SuiteRun.objects.filter(environment__slug="there-staging").update(status="waiting")
    NetworkRun.objects.create(environment=goes.environment)
    smoke = SmokeCheck.objects.create(promotion=Promotion.objects.filter(status="succeeded")[0])
    deliver.enqueue(sealed(EmailMessage("A link", "Set a password", None, ["a@example.com"])))
    deliver.enqueue(sealed(None))
    DBTaskResult.objects.filter(task_path__contains="run_release").update(
        status="RUNNING", started_at=timezone.now() - timedelta(minutes=1)
    )
    file = tmp_path / "console.backup"
    assert call_json("backup", str(file), "--as", "admin")[0] == 0
    code, facts = call_json("restore", str(file), "--replace")
    Backups._forget()
    assert code == 0, facts
    assert facts["stopped"] == {
        "promotions and preparations": 1,
        "targets of batches": 3,
        "runs of workflow tests": 2,
        "network checks": 1,
        "smoke checks": 1,
        "tasks and mails": 3,
    }
    assert "targets of batches: 3" in facts["message"]
    # What ran is the worker's: it reads in the cluster what became of it.
    assert statuses(Promotion)[goes.pk] == "running"
    assert statuses(Promotion)[asked.pk] == "aborted"
    assert statuses(BatchItem) == dict.fromkeys(statuses(BatchItem), "untried")
    assert taken.pk in statuses(BatchItem)
    assert not Batch.objects.filter(status__in=Batch.ACTIVE).exists()
    assert sorted(statuses(SuiteRun).values()) == ["cancelled", "errored"]
    assert NetworkRun.objects.get().status == "errored"
    smoke.refresh_from_db()
    assert smoke.status == "failed"
    assert "Run it again." in smoke.results[0]["words"]
    # The worker finds nothing in its queue: no mail goes out a second time.
    call_command("db_worker", batch=True, startup_delay=False)
    assert mail.outbox == []
    assert DBTaskResult.objects.count() == 0
    event = AuditEvent.objects.latest("number")
    assert (event.action, event.detail["stopped"]) == ("console.restored", facts["stopped"])
    assert verify().is_sound


def test_a_restore_says_whom_it_gives_back_what_was_taken_since(
    admin: User, tmp_path: Path, cleared: None
) -> None:
    for name, role in (("off", Role.QA), ("moved", Role.QA), ("same", Role.MARKETING)):
        create_user(system_actor(), username=name, role=role, password="a long phrase 7")
    create_user(system_actor(), username="gone", role=Role.QA, password="a long phrase 7")
    create_user(system_actor(), username="long-off", role=Role.QA, password="a long phrase 7")
    User.objects.filter(username="long-off").update(is_active=False)
    file = tmp_path / "console.backup"
    assert call_json("backup", str(file), "--as", "admin")[0] == 0
    User.objects.filter(username__in=["off", "admin"]).update(is_active=False)
    User.objects.filter(username="moved").update(role=Role.ADMINISTRATOR.value)
    User.objects.filter(username="gone").delete()
    code, facts = call_json("restore", str(file), "--replace")
    Backups._forget()
    assert code == 0, facts
    assert facts["given_back"] == [
        "admin: administrator; it was switched off",
        "gone: qa; the database put aside has no such account",
        "moved: qa; it was administrator",
        "off: qa; it was switched off",
    ]
    for words in facts["given_back"]:
        assert words in facts["message"]
    # It is the first thing to do, and is said where there is nothing to compare with too.
    head = facts["message"].partition("Next:\n")[2]
    assert head.startswith("1. What was taken from people since then is theirs again")


def test_a_database_that_cannot_tell_of_accounts_names_none(
    admin: User, tmp_path: Path, cleared: None
) -> None:
    file = tmp_path / "console.backup"
    assert call_json("backup", str(file), "--as", "admin")[0] == 0
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_user RENAME COLUMN role TO part")
    code, facts = call_json("restore", str(file), "--replace")
    Backups._forget()
    if code:
        # Else all later tests would meet it.
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_user RENAME COLUMN part TO role")
    assert code == 0, facts
    assert facts["given_back"] == []
    assert Environment.objects.count() == 0
