"""`manage.py unlock ENV --reason WHY --as USER`."""

from argparse import ArgumentParser
from typing import Any

from django.utils.timezone import localtime

from accounts.models import User
from promotion.commands import ActingCommand, command_actor, find_environment
from promotion.locking import DEFAULT_MINUTES, unlock


class Command(ActingCommand):
    help = "Open an environment for edits by hand, for a time. The worker locks it again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the environment's slug")
        parser.add_argument("--reason", required=True, help="why; everybody sees it")
        parser.add_argument("--minutes", type=int, default=DEFAULT_MINUTES, help="for how long")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        environment = find_environment(user, options["environment"])
        made = unlock(command_actor(user), environment, options["reason"], options["minutes"])
        until = localtime(made.until).isoformat(timespec="seconds") if made.until else None
        return {"message": f"{environment} is unlocked until {until}.", "until": until}
