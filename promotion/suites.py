"""Suites of workflow tests: make one, change what is in it. Each change is a new version."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor, record
from accounts.authorising import NotAllowedError, authorise
from accounts.models import AuditEvent, User
from accounts.roles import Verb
from environments.models import Environment
from promotion.engine.errors import RuleBroken
from promotion.engine.workflow import WorkflowTest
from promotion.models import Suite, SuiteTest

ACTION: Final = "suite.change"
# A suite is run while a person waits.
MOST_TESTS: Final = 200
LONGEST_NAME: Final = 80


def make_suite(actor: Actor, environment: Environment, name: str) -> Suite:
    """Make an empty suite of a staging environment and return it.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: it is production, the name is none, or another suite has it.
    """
    user = _user(actor, environment)
    name = name.strip()
    with transaction.atomic():
        # Locks the row where the database can, so that two do not take one name.
        Environment.objects.select_for_update().get(pk=environment.pk)
        problem = _name_problem(environment, name)
        if environment.is_production:
            problem = f"{environment} is production, where no visit is ever sent."
        if not problem:
            made = Suite.objects.create(environment=environment, name=name, made_by=user)
            record(actor, ACTION, made, detail={"made": name})
            return made
    raise _refused(actor, environment, problem)


def keep_test(
    actor: Actor,
    suite: Suite,
    test: WorkflowTest,
    *,
    version: int,
    was: str = "",
    is_new: bool = False,
) -> SuiteTest:
    """Add a test to a suite, or replace the one of its name, and return it.

    `version` is the suite's that the actor was shown. `was` is the name of the test that this one
    replaces, where it is renamed; one that `is_new` replaces none. A test that changes nothing
    makes no version.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: the suite was changed meanwhile, has too many tests, or another of that name.
    """
    user = _user(actor, suite.environment)
    with transaction.atomic():
        held, problem = _locked(suite, version)
        before = held.tests.filter(name=was or test.name).first()
        if was and before is None:
            problem = problem or f"{held} has no test {was}."
        if is_new and before is not None:
            problem = problem or f"{held} has a test {test.name}. Give this one its own name."
        if was and was != test.name and held.tests.filter(name=test.name).exists():
            problem = problem or f"{held} has another test {test.name}. Give this one its own name."
        if before is None and held.tests.count() >= MOST_TESTS:
            problem = problem or f"{held} has {MOST_TESTS} tests already. Make another suite."
        if not problem:
            if before is not None and before.test == test:
                return before
            number = _next(held)
            if before is not None:
                before.replaced_in = number
                before.save(update_fields=["replaced_in"])
            made = SuiteTest.objects.create(
                suite=held, name=test.name, facts=test.to_dict(), made_in=number, made_by=user
            )
            detail: dict[str, Any] = {"kept": test.name, "version": number}
            if was and was != test.name:
                detail["was"] = was
            record(actor, ACTION, held, detail=detail)
            return made
    raise _refused(actor, suite.environment, problem)


def remove_test(actor: Actor, suite: Suite, name: str, *, version: int) -> None:
    """Take a test out of a suite; its results stay. Raises as `keep_test`, and for no such test."""
    _user(actor, suite.environment)
    with transaction.atomic():
        held, problem = _locked(suite, version)
        before = held.tests.filter(name=name).first()
        if before is None:
            problem = problem or f"{held} has no test {name}."
        if not problem and before is not None:
            before.replaced_in = _next(held)
            before.save(update_fields=["replaced_in"])
            record(actor, ACTION, held, detail={"removed": name, "version": held.version})
            return
    raise _refused(actor, suite.environment, problem)


def take_tests(
    actor: Actor, environment: Environment, name: str, tests: Sequence[WorkflowTest]
) -> tuple[Suite, int]:
    """Let a suite hold just these tests, and return it with how many changes that took.

    One that is not there is made. All of it happens, or nothing.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: as `make_suite` and `keep_test`.
    """
    _user(actor, environment)
    with _all_or_nothing(actor, environment):
        return _taken(actor, environment, name, tests)


def add_tests(actor: Actor, suite: Suite, tests: Sequence[WorkflowTest], *, version: int) -> None:
    """Add tests to a suite, or replace those of their names. All of it happens, or nothing.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: as `keep_test`, or two have one name.
    """
    _user(actor, suite.environment)
    names = [one.name for one in tests]
    with _all_or_nothing(actor, suite.environment):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise RuleBroken(f"Two have the name {twice[0]}. Nothing was changed.")
        for one in tests:
            version = keep_test(actor, suite, one, version=version).suite.version


@contextmanager
def _all_or_nothing(actor: Actor, environment: Environment) -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except RuleBroken as error:
        # What was refused inside was undone with it, the record of the refusal too.
        failed = AuditEvent.Outcome.FAILED
        record(actor, ACTION, environment, outcome=failed, reason=str(error))
        raise


def _taken(
    actor: Actor, environment: Environment, name: str, tests: Sequence[WorkflowTest]
) -> tuple[Suite, int]:
    suite = Suite.objects.in_use().filter(environment=environment, name=name).first()
    if suite is None:
        suite = make_suite(actor, environment, name)
    before = suite.version
    # What goes first makes room for what comes.
    for gone in suite.tests.exclude(name__in=[one.name for one in tests]):
        remove_test(actor, suite, gone.name, version=suite.version)
        suite.refresh_from_db()
    for one in tests:
        keep_test(actor, suite, one, version=suite.version)
        suite.refresh_from_db()
    return suite, suite.version - before


def rename_suite(actor: Actor, suite: Suite, name: str) -> None:
    """Give a suite another name; its tests and runs stay.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: the name is none, or another suite has it.
    """
    _user(actor, suite.environment)
    name = name.strip()
    with transaction.atomic():
        Environment.objects.select_for_update().get(pk=suite.environment_id)
        problem = _name_problem(suite.environment, name)
        if not problem:
            Suite.objects.filter(pk=suite.pk).update(name=name)
            record(actor, ACTION, suite, detail={"renamed": name})
    if problem:
        raise _refused(actor, suite.environment, problem)
    suite.refresh_from_db(fields=["name"])


def retire_suite(actor: Actor, suite: Suite, *, version: int) -> None:
    """Take a suite out of use; its runs stay, and it asks nothing of an approval any more.

    Who may not say what an approval needs may not retire what it needs.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: the suite was changed meanwhile, or is retired already.
    """
    _user(actor, suite.environment)
    suite.refresh_from_db(fields=["requirement"])
    if suite.requirement != Suite.Requirement.NOTHING:
        authorise(actor, Verb.MANAGE, ACTION, suite.environment)
    with transaction.atomic():
        held, problem = _locked(suite, version)
        if held.requirement != suite.requirement:
            problem = problem or f"What {held} asks of an approval was changed meanwhile."
        if not problem:
            held.retired_at = timezone.now()
            held.save(update_fields=["retired_at"])
            record(actor, ACTION, held, detail={"retired": held.name})
    if problem:
        raise _refused(actor, suite.environment, problem)


def require_suite(actor: Actor, suite: Suite, requirement: Suite.Requirement) -> None:
    """Say what an approval needs of a suite; that is the administrator's to say.

    Raises:
        NotAllowedError: the actor may not.
    """
    authorise(actor, Verb.MANAGE, ACTION, suite.environment)
    with transaction.atomic():
        Suite.objects.filter(pk=suite.pk).update(requirement=requirement.value)
        record(actor, ACTION, suite, detail={"requirement": requirement.value})
    suite.refresh_from_db(fields=["requirement"])


def _name_problem(environment: Environment, name: str) -> str:
    if not name or len(name) > LONGEST_NAME:
        return f"A suite's name has 1 to {LONGEST_NAME} characters."
    if Suite.objects.in_use().filter(environment=environment, name=name).exists():
        return f"There is a suite {name} of {environment} already."
    return ""


def _user(actor: Actor, environment: Environment) -> User:
    authorise(actor, Verb.CAPTURE, ACTION, environment)
    if actor.user is None:
        raise NotAllowedError("Only a person changes a suite. Nothing was changed.")
    return actor.user


def _locked(suite: Suite, version: int) -> tuple[Suite, str]:
    # The suite alone: who renames one holds its environment first.
    rows = Suite.objects.select_for_update(of=("self",)).select_related("environment")
    held = rows.get(pk=suite.pk)
    if held.retired_at is not None:
        return held, f"{held} was retired."
    if held.version != version:
        return held, (
            f"{held} is version {held.version} now, and you were shown {version}. Look at it again."
        )
    return held, ""


def _next(held: Suite) -> int:
    held.version += 1
    held.save(update_fields=["version"])
    return held.version


def _refused(actor: Actor, environment: Environment, problem: str) -> RuleBroken:
    failed = AuditEvent.Outcome.FAILED
    record(actor, ACTION, environment, outcome=failed, reason=problem)
    return RuleBroken(f"{problem} Nothing was changed.")
