"""`manage.py release ENV --as USER`."""

from argparse import ArgumentParser
from typing import Any

from accounts.models import User
from promotion.commands import ActingCommand, command_actor, find_environment, outcome_of
from promotion.releasing import request_release, run_release


class Command(ActingCommand):
    help = "Turn an adopted environment back into Tracardi's plain indices."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the environment's slug")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        actor = command_actor(user)
        environment = find_environment(user, options["environment"])
        return outcome_of(run_release(request_release(actor, environment), actor))
