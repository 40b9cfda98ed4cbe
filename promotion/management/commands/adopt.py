"""`manage.py adopt ENV --as USER`."""

from argparse import ArgumentParser
from typing import Any

from accounts.models import User
from promotion.adoption import adopt, run_adopt
from promotion.commands import ActingCommand, command_actor, find_environment, outcome_of


class Command(ActingCommand):
    help = "Replace an environment's plain indices by generations, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the environment's slug")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        actor = command_actor(user)
        environment = find_environment(user, options["environment"])
        return outcome_of(run_adopt(adopt(actor, environment), actor))
