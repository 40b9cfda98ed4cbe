"""`manage.py export-suite ENVIRONMENT SUITE DIR --as USER`: a suite as YAML files, fit for git."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from environments.models import Environment
from promotion.commands import ActingCommand, BadInputError, command_actor, find_environment
from promotion.models import Suite
from promotion.suite_files import write_folder


class Command(ActingCommand):
    help = "Write a suite's workflow tests to a folder, one YAML file each."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the staging environment's slug")
        parser.add_argument("suite", help="the suite's name")
        parser.add_argument("folder", metavar="DIR", type=Path)
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        environment = find_environment(user, options["environment"])
        authorise(command_actor(user), Verb.VIEW_BUILD, "suite.export", environment)
        return _exported(environment, options["suite"], options["folder"])


def _exported(environment: Environment, name: str, folder: Path) -> dict[str, Any]:
    suite = Suite.objects.in_use().filter(environment=environment, name=name).first()
    if suite is None:
        raise BadInputError(f"{environment} has no suite {name}. Nothing was written.")
    tests = [kept.test for kept in suite.tests]
    try:
        others = write_folder(folder, tests)
    except OSError as error:
        words = f"{error.filename} cannot be written: {error.strerror}."
        raise BadInputError(f"{words} The folder may hold a part of the suite.") from error
    names = [path.name for path in others]
    more = f" Not of the suite: {', '.join(names)}." if names else ""
    return {
        "message": f"{suite}, version {suite.version}: {len(tests)} tests are in {folder}.{more}",
        "version": suite.version,
        "tests": [one.name for one in tests],
        "others": names,
    }
