"""`manage.py rollback TARGET --as USER`."""

from argparse import ArgumentParser
from typing import Any

from accounts.models import User
from promotion.commands import ActingCommand, command_actor, find_environment, outcome_of
from promotion.live import finish
from promotion.models import StoredGeneration
from promotion.rollback import rollback


class Command(ActingCommand):
    help = "Return an environment to the generation before the live one, and verify it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("target", help="the target's slug")
        parser.add_argument("--comment", default="", help="why; kept with the rollback")
        parser.add_argument(
            "--consent",
            action="append",
            default=[],
            metavar="CODE",
            help="agree to overwriting an edit by hand, as drift:RESOURCE",
        )
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        target = find_environment(user, options["target"])
        live = StoredGeneration.live_in(target)
        promotion = rollback(
            command_actor(user),
            target,
            marker=live.marker if live is not None else "",
            consents=options["consent"],
            comment=options["comment"],
        )
        return outcome_of(finish(promotion))
