"""`manage.py rehearse BUILD TARGET --as USER`, or `rehearse --rollback TARGET --as USER`."""

from argparse import ArgumentParser
from typing import Any

from accounts.models import User
from promotion.commands import (
    ActingCommand,
    BadInputError,
    command_actor,
    find_build,
    find_environment,
    outcome_of,
)
from promotion.rehearsing import request_rehearsal, request_rollback_rehearsal, run_rehearsal


class Command(ActingCommand):
    help = "Do everything of a promotion or a rollback but the switch, and remove it again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("build", nargs="?", help="ENVIRONMENT:NUMBER, approved or not")
        parser.add_argument("target", nargs="?", help="the target's slug")
        parser.add_argument(
            "--rollback", metavar="TARGET", help="rehearse this environment's rollback instead"
        )
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        actor, back = command_actor(user), options["rollback"]
        if back is not None:
            if options["build"] is not None:
                raise BadInputError("Give a build and a target, or --rollback TARGET, not both.")
            asked = request_rollback_rehearsal(actor, find_environment(user, back))
        elif options["target"] is None:
            raise BadInputError("Give a build and a target, or --rollback TARGET.")
        else:
            build, target = (
                find_build(user, options["build"]),
                find_environment(user, options["target"]),
            )
            asked = request_rehearsal(actor, build, target)
        promotion = run_rehearsal(asked)
        facts, due = outcome_of(promotion), promotion.consents_due
        asks = [f"  Needs consent: {finding['message']} [{finding['code']}]" for finding in due]
        return {
            **facts,
            "message": "\n".join([facts["message"], *asks]),
            "report": promotion.report,
            "consents": due,
        }
