"""`manage.py export-suite ENVIRONMENT SUITE DIR`: a suite as YAML files, fit for git."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from promotion.commands import BadInputError, attempt, find_environment, print_outcome
from promotion.models import Suite
from promotion.suite_files import write_folder


class Command(BaseCommand):
    help = "Write a suite's workflow tests to a folder, one YAML file each."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the staging environment's slug")
        parser.add_argument("suite", help="the suite's name")
        parser.add_argument("folder", metavar="DIR", type=Path)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        outcome, code = attempt(lambda: _exported(options))
        print_outcome(self, outcome, code, as_json=options["json"])


def _exported(options: dict[str, Any]) -> dict[str, Any]:
    environment, folder = find_environment(options["environment"]), options["folder"]
    suite = Suite.objects.in_use().filter(environment=environment, name=options["suite"]).first()
    if suite is None:
        raise BadInputError(f"{environment} has no suite {options['suite']}. Nothing was written.")
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
