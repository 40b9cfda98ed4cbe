"""`manage.py test-workflows PIPELINE [--suite S] --as USER [--json | --junit FILE]`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from accounts.models import User
from promotion.commands import ActingCommand, BadInputError, command_actor, find_environment
from promotion.junit import report
from promotion.models import Suite, SuiteRun
from promotion.suite_running import run_suite
from promotion.suite_runs import request_run


class Command(ActingCommand):
    help = "Run suites of workflow tests on staging; never on production."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("pipeline", help="the staging environment's slug")
        parser.add_argument("--suite", help="run this one alone, by its name")
        parser.add_argument(
            "--junit", metavar="FILE", type=Path, help="write a report as JUnit XML"
        )
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        environment = find_environment(user, options["pipeline"])
        suites = list(
            Suite.objects.in_use().filter(environment=environment).select_related("environment")
        )
        if options["suite"] is not None:
            suites = [one for one in suites if one.name == options["suite"]]
        if not suites:
            raise BadInputError(f"{environment} has no such suite of workflow tests.")
        actor = command_actor(user)
        runs = [run_suite(request_run(actor, suite, here=True)) for suite in suites]
        if options["junit"] is not None:
            try:
                options["junit"].write_bytes(report(runs))
            except OSError as error:
                raise BadInputError(
                    f"The report could not be written: {error.strerror}."
                ) from error
        green = all(run.status == SuiteRun.Status.PASSED for run in runs)
        return {
            "status": "done" if green else "failed",
            "message": "\n".join(f"{run.suite.name}: {run.message}" for run in runs),
            "runs": [_told(run) for run in runs],
        }


def _told(run: SuiteRun) -> dict[str, Any]:
    return {
        "run": run.pk,
        "suite": run.suite.name,
        "suite_version": run.suite_version,
        "status": run.status,
        "content": run.content,
        "message": run.message,
        "tests": [
            {
                "name": result.test.name,
                "status": result.status,
                "seconds": result.seconds,
                "message": result.message,
                "expectations": result.outcomes,
            }
            for result in run.results.select_related("test")
        ],
    }
