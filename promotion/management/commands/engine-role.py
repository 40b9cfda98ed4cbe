"""`manage.py engine-role [ENVIRONMENT ...] --as USER`: the least role at the search engine."""

import json
from argparse import ArgumentParser
from typing import Any

from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from environments.catalogue import SUPPORTED_VERSIONS, catalogue_for
from environments.engine_role import CLUSTER, role
from environments.models import Environment
from environments.naming import InvalidTenantError, Naming, Side
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
        parser.add_argument(
            "--tenant",
            action="append",
            default=[],
            help="a tenant that is to be connected; with --tracardi, and both sides of it",
        )
        parser.add_argument(
            "--tracardi",
            choices=SUPPORTED_VERSIONS,
            help="the Tracardi version of the tenants",
        )
        parser.add_argument("--engine", choices=list(CLUSTER), default="elasticsearch")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        authorise(command_actor(user), Verb.MANAGE, "engine-role.print", None)
        chosen = _tenants(options["tenant"], options["tracardi"])
        slugs = sorted(set(options["environments"]))
        rows = [find_environment(user, slug) for slug in slugs]
        if not slugs and not chosen:
            rows = list(Environment.objects.order_by("slug"))
        chosen += [one.naming for one in rows]
        if not chosen:
            raise BadInputError(
                "There is no environment yet. Nothing was printed. Name what is to be connected, "
                "as --tenant acme --tracardi 0.8.1."
            )
        made = role(
            list(dict.fromkeys(chosen)), options["engine"], provisioning=options["provision"]
        )
        return {"message": f"The role for {len(chosen)} environments.", "role": made}

    def tell(self, outcome: dict[str, Any], options: dict[str, Any]) -> None:
        # It is sent to the engine as it is.
        self.stdout.write(json.dumps(outcome["role"], indent=2))


def _tenants(tenants: list[str], version: str | None) -> list[Naming]:
    """Return both sides of each tenant.

    Raises:
        BadInputError: there is no version to them, or a tenant's name is not usable.
    """
    if bool(tenants) != (version is not None):
        raise BadInputError("--tenant and --tracardi go together. Nothing was printed. Give both.")
    if version is None:
        return []
    try:
        return [Naming(catalogue_for(version), one, side) for one in tenants for side in Side]
    except InvalidTenantError as error:
        raise BadInputError(f"{error} Nothing was printed.") from error
