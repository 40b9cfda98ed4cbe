"""`manage.py import-suite ENVIRONMENT SUITE DIR --as USER`: a suite out of YAML files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from accounts.models import User
from promotion.commands import ActingCommand, BadInputError, command_actor, find_environment
from promotion.engine.workflow import BadWorkflowError
from promotion.suite_files import read_folder
from promotion.suites import take_tests


class Command(ActingCommand):
    help = "Let a suite hold just the workflow tests of a folder's YAML files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the staging environment's slug")
        parser.add_argument("suite", help="the suite's name; one that is not there is made")
        parser.add_argument("folder", metavar="DIR", type=Path)
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        environment = find_environment(user, options["environment"])
        try:
            tests = read_folder(options["folder"])
        except BadWorkflowError as error:
            raise BadInputError(f"{error}\nNothing was changed.") from error
        except OSError as error:
            words = f"{error.filename} cannot be read: {error.strerror}. Nothing was changed."
            raise BadInputError(words) from error
        suite, changes = take_tests(command_actor(user), environment, options["suite"], tests)
        return {
            "message": f"{suite} holds {len(tests)} tests, in version {suite.version}; "
            f"{changes} changed.",
            "suite": suite.name,
            "version": suite.version,
            "tests": [one.name for one in tests],
            "changes": changes,
        }
