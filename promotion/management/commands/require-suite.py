"""`manage.py require-suite ENVIRONMENT SUITE nothing|reason|run --as USER`."""

from argparse import ArgumentParser
from typing import Any

from accounts.models import User
from promotion.commands import ActingCommand, BadInputError, command_actor, find_environment
from promotion.models import Suite
from promotion.suites import require_suite


class Command(ActingCommand):
    help = (
        "Say what an approval needs of a suite: nothing, a reason where it is not green, or a run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the staging environment's slug")
        parser.add_argument("suite", help="the suite's name")
        parser.add_argument("requirement", choices=Suite.Requirement.values)
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        environment = find_environment(user, options["environment"])
        suite = (
            Suite.objects.in_use().filter(environment=environment, name=options["suite"]).first()
        )
        if suite is None:
            raise BadInputError(f"{environment} has no suite {options['suite']}.")
        wanted = Suite.Requirement(options["requirement"])
        require_suite(command_actor(user), suite, wanted)
        return {
            "message": f"An approval needs {wanted.value} of {suite}.",
            "suite": suite.name,
            "requirement": wanted.value,
        }
