"""`manage.py lock ENV --as USER`."""

from argparse import ArgumentParser
from typing import Any

from accounts.models import User
from promotion.commands import ActingCommand, command_actor, find_environment
from promotion.locking import lock


class Command(ActingCommand):
    help = "Lock an environment again: no edits by hand."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the environment's slug")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        environment = find_environment(user, options["environment"])
        lock(command_actor(user), environment)
        return {"message": f"{environment} is locked."}
