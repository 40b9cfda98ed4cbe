"""Suites of workflow tests: make one, change what is in it. Each change is a new version."""

from collections.abc import Sequence
from typing import Final

from django.db import transaction

from accounts.audit import Actor, record
from accounts.models import AuditEvent, User
from accounts.roles import Verb
from environments.models import Environment
from promotion.engine.errors import RuleBroken
from promotion.engine.workflow import WorkflowTest
from promotion.models import Suite, SuiteTest
from promotion.services import NotAllowedError, authorise

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
    problem = ""
    if environment.is_production:
        problem = f"{environment} is production, where no visit is ever sent."
    elif not name or len(name) > LONGEST_NAME:
        problem = f"A suite's name has 1 to {LONGEST_NAME} characters."
    with transaction.atomic():
        # Locks the row where the database can, so that two do not take one name.
        Environment.objects.select_for_update().get(pk=environment.pk)
        if not problem and Suite.objects.filter(environment=environment, name=name).exists():
            problem = f"There is a suite {name} of {environment} already."
        if not problem:
            made = Suite.objects.create(environment=environment, name=name, made_by=user)
            record(actor, ACTION, made, detail={"made": name})
            return made
    raise _refused(actor, environment, problem)


def keep_test(actor: Actor, suite: Suite, test: WorkflowTest, *, version: int) -> SuiteTest:
    """Add a test to a suite, or replace the one of its name, and return it.

    `version` is the suite's that the actor was shown. A test that changes nothing makes no version.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: the suite was changed meanwhile, or has too many tests.
    """
    user = _user(actor, suite.environment)
    with transaction.atomic():
        held, problem = _locked(suite, version)
        before = held.tests.filter(name=test.name).first()
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
            record(actor, ACTION, held, detail={"kept": test.name, "version": number})
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
    # What is refused inside is undone with it, the record of the refusal too.
    _user(actor, environment)
    try:
        with transaction.atomic():
            return _taken(actor, environment, name, tests)
    except RuleBroken as error:
        failed = AuditEvent.Outcome.FAILED
        record(actor, ACTION, environment, outcome=failed, reason=str(error))
        raise


def _taken(
    actor: Actor, environment: Environment, name: str, tests: Sequence[WorkflowTest]
) -> tuple[Suite, int]:
    suite = Suite.objects.filter(environment=environment, name=name).first()
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


def _user(actor: Actor, environment: Environment) -> User:
    authorise(actor, Verb.CAPTURE, ACTION, environment)
    if actor.user is None:
        raise NotAllowedError("Only a person changes a suite. Nothing was changed.")
    return actor.user


def _locked(suite: Suite, version: int) -> tuple[Suite, str]:
    held = Suite.objects.select_for_update().select_related("environment").get(pk=suite.pk)
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
