"""`manage.py smoke-check ENV --as USER`: is what went live sound? It reads alone."""

from argparse import ArgumentParser
from typing import Any

from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from promotion.commands import ActingCommand, BadInputError, command_actor, find_environment
from promotion.models import SmokeCheck, StoredGeneration
from promotion.smoke import ACTION, request_smoke_check, run_smoke_check

WORDS = {True: "ok ", False: "BAD", None: "-- "}


class Command(ActingCommand):
    help = (
        "Look at what is live: names, content, and whether Tracardi answers. No visit is sent. "
        "Exits with 0 where all is sound, else 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the production environment's slug")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        environment, actor = find_environment(user, options["environment"]), command_actor(user)
        authorise(actor, Verb.PROMOTE, ACTION, environment)
        live = StoredGeneration.live_in(environment)
        if live is None:
            raise BadInputError(f"{environment} is not adopted: nothing of the console is live.")
        smoke = run_smoke_check(request_smoke_check(actor, live.promotion))
        lines = [f"{WORDS[one['ok']]} {one['what']}: {one['words']}" for one in smoke.results]
        return {
            "status": "done" if smoke.status == SmokeCheck.Status.PASSED else "failed",
            "message": "\n".join(lines),
            "results": smoke.results,
        }
