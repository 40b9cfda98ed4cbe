"""What the console's commands share: who acts, how the outcome is printed, the exit codes."""

import json
import sys
from abc import abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand

from accounts.audit import command_actor
from accounts.authorising import NotAllowedError, authorise
from accounts.models import User
from accounts.roles import Verb
from environments.models import Environment
from promotion.engine.errors import LeaseLost, MachineryError, PromotionError, RuleBroken
from promotion.models import Build, Promotion
from promotion.sides import seen_with

DONE, FAILED, BAD_INPUT, REFUSED = 0, 1, 2, 3


class BadInputError(Exception):
    """An argument names something that is not there."""


class ActingCommand(BaseCommand):
    """A command that is judged by the rights of the user it runs as, like a page.

    Exits with 0 done, 1 failed or errored, 2 bad input, 3 refused by a rule before it began.
    """

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--as", dest="username", required=True, help="the user who acts")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    @abstractmethod
    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        """Do it, and return what to print: `message` for people, the rest for programs.

        A `status` other than `done` says that it did not succeed as a whole.
        """

    def tell(self, outcome: dict[str, Any], options: dict[str, Any]) -> None:
        """Print for people what came of it, where it succeeded."""
        self.stdout.write(outcome["message"])

    def handle(self, *_args: Any, **options: Any) -> None:
        def act() -> dict[str, Any]:
            user = User.objects.filter(username=options["username"], is_active=True).first()
            if user is None:
                raise BadInputError(f"There is no active user called {options['username']}.")
            return self.act(user, options)

        outcome, code = attempt(act)
        if code or options["json"]:
            print_outcome(self, outcome, code, as_json=options["json"])
        else:
            self.tell(outcome, options)


def attempt(act: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], int]:
    """Return what a command prints about what it did, or about why not, and its exit code."""
    try:
        outcome = {"status": "done", **act()}
    except BadInputError as error:
        return {"status": "bad-input", "message": str(error)}, BAD_INPUT
    except NotAllowedError as error:
        return {"status": "refused", "message": str(error)}, REFUSED
    except PromotionError as error:
        return problem(error)
    return outcome, DONE if outcome["status"] == "done" else FAILED


def print_outcome(
    command: BaseCommand, outcome: dict[str, Any], code: int, *, as_json: bool
) -> None:
    """Print what came of a command, its `message` for people, and exit where `code` is not 0."""
    stream = command.stderr if code and not as_json else command.stdout
    stream.write(json.dumps(outcome) if as_json else outcome["message"])
    if code:
        sys.exit(code)


def problem(error: PromotionError) -> tuple[dict[str, Any], int]:
    """Return what a command prints about an error, and its exit code."""
    status, code = "refused", REFUSED
    if isinstance(error, MachineryError | LeaseLost):
        status, code = "errored", FAILED
    elif error.ended_promotion:
        status, code = "failed", FAILED
    findings = [finding.to_dict() for finding in error.findings]
    facts = {"status": status, "code": error.code, "message": str(error), "findings": findings}
    return facts, code


def outcome_of(promotion: Promotion) -> dict[str, Any]:
    """Return what a command prints about a promotion that succeeded.

    Raises:
        RuleBroken: it ended otherwise.
    """
    promotion.refresh_from_db()
    if promotion.status != Promotion.Status.SUCCEEDED:
        words = promotion.message or f"{promotion} is {promotion.status}."
        error = RuleBroken(words)
        error.ended_promotion = True
        raise error
    return {
        "message": promotion.message,
        "promotion": promotion.pk,
        "kind": promotion.kind,
        "promotion_status": promotion.status,
        "steps": [
            {
                "name": s.name,
                "status": s.status,
                "seconds": round(s.duration, 3),
                "detail": s.detail,
            }
            for s in promotion.steps.all()
        ],
    }


def find_environment(user: User | None, slug: str) -> Environment:
    """Return the environment with that slug; one that the user may not see is not there.

    Raises:
        BadInputError: there is none; the message lists those that are.
    """
    seen = Environment.objects.all() if user is None else Environment.objects.visible_to(user)
    found = seen.filter(slug=slug).first()
    if found is None:
        known = ", ".join(seen.values_list("slug", flat=True)) or "none"
        raise BadInputError(f"There is no environment {slug!r}. There are: {known}.")
    return found


def find_build(user: User, words: str) -> Build:
    """Return the build called `ENVIRONMENT:NUMBER`, such as `shop-staging:12`.

    Raises:
        BadInputError: it is not of that form, or there is none.
    """
    slug, _, number = words.partition(":")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise BadInputError(f"{words!r} is no build; name it as ENVIRONMENT:NUMBER.")
    environment = find_environment(user, slug)
    found = Build.objects.filter(environment=environment, number=int(number)).first()
    if found is None:
        raise BadInputError(f"{environment} has no build {number}.")
    return found


def show_build(user: User, action: str, build: Build) -> None:
    """Let a user see what a build holds, as its page does, or refuse and record it.

    Raises:
        NotAllowedError: with the reason in words.
    """
    for environment in seen_with(build):
        authorise(command_actor(user), Verb.VIEW_BUILD, action, environment)


__all__ = [
    "ActingCommand",
    "BadInputError",
    "attempt",
    "command_actor",
    "find_build",
    "find_environment",
    "outcome_of",
    "print_outcome",
    "problem",
    "show_build",
]
