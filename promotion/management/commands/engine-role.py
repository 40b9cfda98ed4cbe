"""`manage.py engine-role [ENVIRONMENT ...] --as USER`: the least role at the search engine."""

import json
from argparse import ArgumentParser
from typing import Any

from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from environments.engine_role import CLUSTER, role
from environments.models import Environment
from promotion.commands import ActingCommand, BadInputError, command_actor, find_environment


class Command(ActingCommand):
    help = (
        "Print the least role that the console needs at the search engine, for all environments or "
        "for some, as the engine's security takes it. Nothing is sent to any engine."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environments", nargs="*", help="slugs; all environments otherwise")
        parser.add_argument(
            "--provision",
            action="store_true",
            help="what `provision --like` needs too: leave it out when the sets are there",
        )
        parser.add_argument("--engine", choices=list(CLUSTER), default="elasticsearch")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        authorise(command_actor(user), Verb.MANAGE, "engine-role.print", None)
        slugs = options["environments"]
        chosen = [find_environment(user, slug) for slug in sorted(set(slugs))]
        if not slugs:
            chosen = list(Environment.objects.order_by("slug"))
        if not chosen:
            raise BadInputError("There is no environment yet. Nothing was printed. Add one first.")
        made = role(
            [one.naming for one in chosen], options["engine"], provisioning=options["provision"]
        )
        return {"message": f"The role for {len(chosen)} environments.", "role": made}

    def tell(self, outcome: dict[str, Any], options: dict[str, Any]) -> None:
        # It is sent to the engine as it is.
        self.stdout.write(json.dumps(outcome["role"], indent=2))
