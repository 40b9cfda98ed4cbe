"""`manage.py promote BUILD TARGET --as USER`."""

from argparse import ArgumentParser
from typing import Any

from accounts.models import User
from promotion.beginning import refuse
from promotion.commands import (
    ActingCommand,
    command_actor,
    find_build,
    find_environment,
    outcome_of,
)
from promotion.live import finish
from promotion.models import StoredGeneration
from promotion.preparing import current_preparation, is_live_already, prepare
from promotion.promotions import promote, promote_problem


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
        build, target = find_build(options["build"]), find_environment(options["target"])
        actor = command_actor(user)
        ready = current_preparation(target)
        fits = (
            ready is not None and ready.build is not None and ready.build.content == build.content
        )
        if not fits or ready is None:
            self.judge(user, target, "promote.requested")
            if problem := promote_problem(actor, build, target):
                words = f"{problem} Nothing was changed."
                raise refuse(actor, "promote.requested", target, words)
            live = StoredGeneration.live_in(target)
            edited = live is not None and live.may_be_edited
            if is_live_already(build, target) and not edited:
                words = f"{target} serves what {build} holds already. Nothing was changed."
                raise refuse(actor, "promote.requested", target, words)
            ready = prepare(build, target)
        promotion = promote(
            actor,
            build,
            target,
            plan_digest=options["plan"] or ready.plan_digest,
            consents=options["consent"],
            comment=options["comment"],
        )
        return outcome_of(finish(promotion))
