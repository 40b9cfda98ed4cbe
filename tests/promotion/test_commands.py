"""The main job on the command line."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import AuditEvent
from environments.elastic import connect
from environments.models import Environment
from promotion.locking import unlock
from promotion.models import Build, StoredGeneration
from promotion.preparing import prepare
from tests.calling import call_json
from tests.factories import People
from tests.factories import put as put_document
from tests.promotion.conftest import Put

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(people: People) -> Run:
    """What runs a command with --json, while there is somebody to run it as."""
    return call_json


def test_the_main_job_on_the_command_line(
    run: Run, staging: Environment, production: Environment, put: Put
) -> None:
    code, adopted = run("adopt", "production", "--as", "administrator")
    assert (code, adopted["promotion_status"]) == (0, "succeeded")
    put("segment", "new", '{"name": "New"}')
    assert run("capture", "staging", "--as", "qa")[0] == 0
    assert run("promote", "staging:1", "production", "--as", "administrator")[0] == 3
    assert run("review", "staging:1", "--approve", "--as", "qa")[0] == 0
    code, plan = run("plan", "staging:1", "production", "--as", "qa")
    assert code == 0
    assert plan["resources"] == [{"resource": "segment", "added": 1, "changed": 0, "removed": 0}]
    code, promoted = run("promote", "staging:1", "production", "--as", "administrator")
    assert code == 0
    assert {step["status"] for step in promoted["steps"]} == {"succeeded"}
    code, again = run("promote", "staging:1", "production", "--as", "administrator")
    assert (code, again["status"]) == (3, "refused")
    assert "already" in again["message"]
    code, back = run("rollback", "production", "--as", "administrator")
    assert (code, back["kind"]) == (0, "rollback")
    code, released = run("release", "production", "--as", "administrator")
    assert (code, released["promotion_status"]) == (0, "succeeded")
    assert StoredGeneration.live_in(production) is None


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("promote", "staging:9", "production", "--as", "administrator"), 2),
        (("promote", "staging:x", "production", "--as", "administrator"), 2),
        (("rollback", "nowhere", "--as", "administrator"), 2),
        (("rollback", "production", "--as", "nobody"), 2),
        (("plan", "staging:9", "production", "--as", "qa"), 2),
        (("adopt", "production", "--as", "qa"), 3),
        (("adopt", "staging", "--as", "administrator"), 3),
        (("release", "production", "--as", "administrator"), 3),
        (("rollback", "production", "--as", "administrator"), 3),
    ],
)
def test_what_is_wrong_or_refused_has_its_exit_code_and_a_message(
    run: Run, staging: Environment, production: Environment, words: tuple[str, ...], code: int
) -> None:
    ended, facts = run(*words)
    assert ended == code
    assert facts["message"]
    refused = AuditEvent.objects.filter(outcome="refused").exists()
    assert refused == (code == 3)


def test_a_promotion_that_began_and_failed_exits_with_one(
    run: Run, people: People, staging: Environment, production: Environment, put: Put
) -> None:
    assert run("adopt", "production", "--as", "administrator")[0] == 0
    put("segment", "new", '{"name": "New"}')
    assert run("capture", "staging", "--as", "qa")[0] == 0
    assert run("review", "staging:1", "--approve", "--as", "qa")[0] == 0
    prepare(Build.objects.get(environment=staging), production)
    unlock(people.admin, production, "An edit by hand")
    index, engine = production.naming.concrete("rule"), connect(production.cluster)
    engine.request("PUT", f"/{index}/_doc/by-hand", body={"name": "By hand"})
    code, facts = run("promote", "staging:1", "production", "--as", "administrator")
    assert (code, facts["status"], facts["code"]) == (1, "failed", "stale-plan")
    assert "Nothing was overwritten" in facts["message"]


def test_drift_on_the_command_line(run: Run, staging: Environment, production: Environment) -> None:
    admin = ("--as", "administrator")
    assert run("drift", "production", *admin)[0] == 2
    assert run("adopt", "production", *admin)[0] == 0
    assert run("drift", "production", *admin)[0] == 0
    assert run("unlock", "production", "--reason", "x", "--minutes", "0", *admin)[0] == 3
    assert run("unlock", "production", "--reason", "x", "--as", "qa")[0] == 3
    assert run("unlock", "production", "--reason", "x", *admin)[0] == 0
    put_document(production, "rule", "by-hand", '{"name": "By hand"}')
    assert run("lock", "production", *admin)[0] == 0
    code, found = run("drift", "production", *admin)
    assert (code, found["status"]) == (1, "drift")
    assert found["documents"] == [
        {"resource": "rule", "id": "by-hand", "title": "By hand", "change": "added"}
    ]
    assert run("settle-drift", "production", "keep", "--as", "qa")[0] == 3
    stale = run("settle-drift", "production", "keep", "--content", "0" * 64, *admin)
    assert stale[0] == 3
    assert run("settle-drift", "production", "keep", *admin)[0] == 0
    code, carried = run("settle-drift", "production", "carry", *admin)
    assert (code, carried["written"]) == (0, ["Rules: By hand"])
    code, discarded = run("settle-drift", "production", "discard", *admin)
    assert (code, discarded["kind"]) == (0, "rollback")
    assert run("drift", "production", *admin)[0] == 0
