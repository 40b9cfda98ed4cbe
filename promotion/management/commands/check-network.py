"""`manage.py check-network ENV --as USER`: are staging and production apart, and closed?"""

from argparse import ArgumentParser
from typing import Any

from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from environments.models import NetworkRun
from environments.network.running import ACTION, NetworkRefused, request_check, run_check
from promotion.commands import ActingCommand, BadInputError, command_actor, find_environment
from promotion.engine.errors import RuleBroken


class Command(ActingCommand):
    help = (
        "Check the network of a production and its stagings: what is private, what is open, and "
        "what each server says that it is. Only addresses that were allowed are probed. Exits with "
        "0 where nothing is wrong, else 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the production environment's slug")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        environment, actor = find_environment(user, options["environment"]), command_actor(user)
        authorise(actor, Verb.MANAGE, ACTION, environment)
        if not environment.is_production:
            raise BadInputError(
                f"{environment} is no production. Nothing was asked. Name the one that it feeds."
            )
        try:
            run = run_check(request_check(actor, environment))
        except NetworkRefused as error:
            raise RuleBroken(str(error)) from error
        return _told(run)


def _told(run: NetworkRun) -> dict[str, Any]:
    lines = []
    for check in run.checks:
        lines.append(f"{check['state']:<11} {check['title']}. {check['words']}")
        lines += [
            f"{'':<11} {one['severity']}: {one['message']} {one['remedy']}"
            for one in check["findings"]
        ]
    if run.status != NetworkRun.Status.DONE:
        status, words = "errored", "Another worker ended the check. Check again."
    elif run.errors or run.warnings:
        status, words = "found", f"{run.errors} errors, {run.warnings} warnings."
    elif run.is_partial:
        status, words = "partial", "Nothing wrong was found, and not all could be told."
    else:
        status, words = "done", "Nothing wrong was found."
        if run.told < len(run.checks):
            words = f"Nothing wrong was found in the {run.told} of {len(run.checks)} checks that "
            words += "could be told."
    return {
        "status": status,
        "message": "\n".join([*lines, words]),
        "run": run.pk,
        "errors": run.errors,
        "warnings": run.warnings,
        "partial": run.is_partial,
        "checks": run.checks,
        "new": run.new,
        "mended": run.mended,
    }
