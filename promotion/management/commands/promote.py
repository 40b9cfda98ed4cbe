"""`manage.py promote BUILD TARGET --as USER`."""

from argparse import ArgumentParser
from typing import Any

from accounts.models import User
from promotion.commands import (
    ActingCommand,
    command_actor,
    find_build,
    find_environment,
    outcome_of,
)
from promotion.live import finish
from promotion.promotions import prepared_for, promote


class Command(ActingCommand):
    help = "Prepare where needed, cut over to an approved build, and verify it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("build", help="ENVIRONMENT:NUMBER")
        parser.add_argument("target", help="the target's slug")
        parser.add_argument("--comment", default="", help="kept with the promotion")
        parser.add_argument(
            "--plan",
            help="the digest of the plan that you confirmed, as `plan` prints it for a prepared "
            "build; without it, the present one",
        )
        parser.add_argument(
            "--consent",
            action="append",
            default=[],
            metavar="CODE",
            help="agree to a large deletion or to overwriting drift, as `plan` names it",
        )
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        build, target = (
            find_build(user, options["build"]),
            find_environment(user, options["target"]),
        )
        actor = command_actor(user)
        ready = prepared_for(actor, build, target)
        promotion = promote(
            actor,
            build,
            target,
            plan_digest=options["plan"] or ready.plan_digest,
            consents=options["consent"],
            comment=options["comment"],
        )
        return outcome_of(finish(promotion))
