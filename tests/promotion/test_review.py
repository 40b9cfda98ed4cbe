"""QA's verdict on a build, by the services and by the commands."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from accounts.audit import command_actor, system_actor
from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.services import create_user, grant
from environments.models import Environment
from promotion.checklists import change_checklist
from promotion.engine.errors import RuleBroken
from promotion.models import Build, Review
from promotion.promotions import promote_problem
from promotion.services import capture, review

pytestmark = pytest.mark.django_db
APPROVED, REJECTED = Review.Verdict.APPROVED, Review.Verdict.REJECTED
CHANGES = Review.Verdict.CHANGES


@pytest.fixture
def qa(staging: Environment) -> User:
    password = "a long enough one 81"
    user = create_user(system_actor(), username="qa", role=Role.QA, password=password)
    grant(system_actor(), user, staging)
    return user


@pytest.fixture
def build(staging: Environment) -> Build:
    return capture(system_actor(), staging)


def test_an_approval_holds_for_every_build_of_equal_content(build: Build, qa: User) -> None:
    made = review(command_actor(qa), build, APPROVED, content=build.content, comment="Tested.")
    again = capture(system_actor(), build.environment)
    assert again.review == made
    event = AuditEvent.objects.get(action="build.approved")
    assert (event.actor, event.outcome, event.reason) == (qa, "done", "Tested.")


def test_a_second_verdict_is_refused_and_says_whose_the_first_was(build: Build, qa: User) -> None:
    review(command_actor(qa), build, APPROVED, content=build.content)
    with pytest.raises(RuleBroken, match="was approved by qa already"):
        review(command_actor(qa), build, REJECTED, content=build.content, comment="No.")
    assert Review.objects.count() == 1


def test_a_stale_page_is_refused(build: Build, qa: User) -> None:
    with pytest.raises(RuleBroken, match="Open the build again"):
        review(command_actor(qa), build, APPROVED, content="0" * 64)
    assert not Review.objects.exists()


def test_a_rejection_needs_a_comment(build: Build, qa: User) -> None:
    with pytest.raises(RuleBroken, match="needs a comment"):
        review(command_actor(qa), build, REJECTED, content=build.content, comment="  ")


def test_requested_changes_are_no_approval_and_not_the_end(build: Build, qa: User) -> None:
    actor = command_actor(qa)
    with pytest.raises(RuleBroken, match="what to change"):
        review(actor, build, CHANGES, content=build.content, comment=" ")
    review(actor, build, CHANGES, content=build.content, comment="Rename the rule.")
    assert "needs changes. Only an approved build" in promote_problem(actor, build, target(build))
    review(actor, build, CHANGES, content=build.content, comment="Still.")
    last = review(actor, build, APPROVED, content=build.content)
    assert build.review == last
    with pytest.raises(RuleBroken, match="was approved by qa already"):
        review(actor, build, CHANGES, content=build.content, comment="Yet.")


def test_the_database_keeps_one_final_verdict_a_content(build: Build, qa: User) -> None:
    review(command_actor(qa), build, APPROVED, content=build.content)
    facts = {"build": build, "environment": build.environment, "content": build.content}
    with pytest.raises(IntegrityError), transaction.atomic():
        Review.objects.create(verdict=REJECTED, reviewed_by=qa, **facts)


def target(build: Build) -> Environment:
    """What the build's environment promotes to."""
    made = Environment.objects.create(
        name="P", slug="p", kind="production", cluster=build.environment.cluster, version="0.8.1"
    )
    Environment.objects.filter(pk=build.environment_id).update(promotes_to=made)
    return made


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.MARKETING])
def test_no_other_role_approves(build: Build, role: Role) -> None:
    password = "a long enough one 81"
    user = create_user(system_actor(), username="other", role=role, password=password)
    if role is not Role.ADMINISTRATOR:
        grant(system_actor(), user, build.environment)
    with pytest.raises(NotAllowedError, match="may not approve"):
        review(command_actor(user), build, APPROVED, content=build.content)
    assert AuditEvent.objects.get(outcome="refused").actor == user


def run(*words: str) -> tuple[int, dict[str, Any]]:
    out = StringIO()
    code: Any = 0
    try:
        call_command(*words, "--json", stdout=out)
    except SystemExit as end:
        code = end.code
    answer: dict[str, Any] = json.loads(out.getvalue())
    return code, answer


def test_the_commands_capture_and_review(staging: Environment, qa: User) -> None:
    code, answer = run("capture", "staging", "--as", "qa")
    assert (code, answer["build"]) == (0, "staging:1")
    code, answer = run("review", "staging:1", "--approve", "--as", "qa")
    assert (code, answer["verdict"]) == (0, "approved")
    code, answer = run("review", "staging:1", "--reject", "--comment", "No.", "--as", "qa")
    assert (code, answer["status"]) == (3, "refused")


def test_environments_lists_the_latest_build_and_its_verdict(build: Build, qa: User) -> None:
    review(command_actor(qa), build, APPROVED, content=build.content)
    code, answer = run("environments", "--as", "qa")
    assert code == 0
    [row] = answer["environments"]
    assert (row["environment"], row["latest_build"], row["verdict"]) == ("staging", 1, "approved")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["capture", "nowhere", "--as", "qa"], 2, "There are: staging"),
        (["capture", "staging", "--as", "nobody"], 2, "no active user"),
        (["review", "staging:7", "--approve", "--as", "qa"], 2, "has no build 7"),
        (["review", "staging", "--approve", "--as", "qa"], 2, "ENVIRONMENT:NUMBER"),
        (["review", "staging:٣", "--approve", "--as", "qa"], 2, "ENVIRONMENT:NUMBER"),
    ],
)
@pytest.mark.usefixtures("qa")
def test_bad_input_is_said_so(words: list[str], code: int, message: str) -> None:
    got, answer = run(*words)
    assert got == code
    assert message in answer["message"]


def test_a_command_on_an_unreachable_cluster_exits_with_one(
    staging: Environment, qa: User, rename: Callable[[Environment], None]
) -> None:
    rename(staging)
    code, answer = run("capture", "staging", "--as", "qa")
    assert (code, answer["status"]) == (1, "errored")
    assert "cannot be reached" in answer["message"]
    assert not Build.objects.exists()


@pytest.fixture
def rename() -> Callable[[Environment], None]:
    """Point an environment's cluster to where nothing listens."""

    def apply(environment: Environment) -> None:
        type(environment.cluster).objects.update(url="http://127.0.0.1:1")

    return apply


def test_the_command_requests_changes_and_ticks_the_checklist(build: Build, qa: User) -> None:
    password = "a long enough one 81"
    admin = create_user(system_actor(), username="boss", role=Role.ADMINISTRATOR, password=password)
    lines = "Bought something\n?Told marketing"
    change_checklist(command_actor(admin), build.environment, lines, version=0)
    asked = ["review", "staging:1", "--as", "qa"]
    code, answer = run(*asked, "--request-changes")
    assert (code, answer["status"]) == (3, "refused")
    code, answer = run(*asked, "--request-changes", "--comment", "Rename the rule.")
    assert (code, answer["verdict"]) == (0, "changes")
    code, answer = run(*asked, "--approve", "--tick", "2")
    assert code == 3
    assert "Not ticked yet: Bought something" in answer["message"]
    for wrong in ("0", "3", "-1"):
        code, answer = run(*asked, "--approve", "--tick", wrong)
        assert code == 2
        assert "It has items 1 to 2." in answer["message"]
    code, answer = run(*asked, "--approve", "--tick", "1")
    assert code == 0
    assert [one["ticked"] for one in answer["answers"]] == [True, False]


def test_a_tick_without_a_checklist_is_a_mistake(build: Build, qa: User) -> None:
    code, answer = run("review", "staging:1", "--approve", "--tick", "1", "--as", "qa")
    assert code == 2
    assert "There is none." in answer["message"]
    assert not Review.objects.exists()
