"""`manage.py capture ENV --as USER`."""

from argparse import ArgumentParser
from typing import Any

from accounts.models import User
from promotion.commands import ActingCommand, command_actor, find_environment
from promotion.services import capture


class Command(ActingCommand):
    help = "Capture an environment's configuration as a new build."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the environment's slug")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        environment = find_environment(user, options["environment"])
        build = capture(command_actor(user), environment)
        same = build.same_words("Its content")
        return {
            "message": f"Captured {build} with content {build.content[:12]}.{same}",
            "build": f"{environment.slug}:{build.number}",
            "content": build.content,
            "same_as": build.same_as.number if build.same_as is not None else None,
        }
