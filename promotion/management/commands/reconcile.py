"""`manage.py reconcile ENV --as USER`."""

from argparse import ArgumentParser
from typing import Any

from accounts.models import User
from environments.models import Environment
from promotion.commands import ActingCommand, command_actor, find_environment, outcome_of
from promotion.models import StoredGeneration
from promotion.planning import writer_for
from promotion.reconciling import reconcile, run_reconcile, survey


class Command(ActingCommand):
    help = "Record what the cluster holds, where the database was restored or is empty."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the environment's slug")
        parser.add_argument(
            "--clean", action="store_true", help="remove what attempts left behind, too"
        )
        parser.add_argument("--comment", default="", help="why; kept with the record")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        actor = command_actor(user)
        environment = find_environment(user, options["environment"])
        promotion = reconcile(
            actor, environment, clean=options["clean"], comment=options["comment"]
        )
        outcome: dict[str, Any] = {"promotion": None}
        if promotion is None:
            live = StoredGeneration.live_in(environment)
            state = f"generation {live.number} is live" if live else "it is not adopted"
            words = f"The database and the cluster agree about {environment}: {state}."
            outcome["message"] = f"{words} There is nothing to do."
        else:
            outcome = outcome_of(run_reconcile(promotion, actor))
        return _with_leftovers(environment, outcome)


def _with_leftovers(environment: Environment, outcome: dict[str, Any]) -> dict[str, Any]:
    left = survey(writer_for(environment), environment).left
    words = outcome["message"]
    if left.dead:
        words += f" Left behind, and removed with --clean: {', '.join(left.dead)}."
    if left.doubtful:
        words += (
            " Newer than what is live, so perhaps another console's, and never removed: "
            f"{', '.join(left.doubtful)}."
        )
    return {
        **outcome,
        "message": words,
        "leftovers": list(left.dead),
        "doubtful": list(left.doubtful),
    }
