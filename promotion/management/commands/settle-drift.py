"""`manage.py settle-drift ENV keep|discard|carry --as USER`."""

from argparse import ArgumentParser
from typing import Any

from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from environments.models import Environment
from promotion.carrying import carry
from promotion.commands import ActingCommand, command_actor, find_environment, outcome_of
from promotion.drift import check
from promotion.engine.errors import RuleBroken
from promotion.live import finish
from promotion.models import Drift
from promotion.settling import discard, keep


class Command(ActingCommand):
    help = "Keep an edit by hand as a build for review, discard it, or carry it back to staging."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the environment's slug")
        parser.add_argument("way", choices=["keep", "discard", "carry"])
        parser.add_argument(
            "--content", help="only if this is what is served: the digest that `drift` prints"
        )
        parser.add_argument("--comment", default="", help="why; kept with a discard")
        parser.add_argument(
            "--overwrite",
            action="append",
            default=[],
            metavar="RESOURCE/ID",
            help="carry this document although staging changed it too",
        )
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        environment, actor = find_environment(user, options["environment"]), command_actor(user)
        way = options["way"]
        authorise(actor, Verb.PROMOTE, f"drift.{way}", environment)
        content = options["content"] or _content(environment)
        if way == "keep":
            build = keep(actor, environment, content)
            return {"message": f"Kept as {build}, for QA to review.", "build": build.number}
        if way == "discard":
            made = discard(actor, environment, content, comment=options["comment"])
            return outcome_of(finish(made))
        done = carry(actor, environment, content, options["overwrite"])
        return {
            "message": f"Carried back to staging: {done.words}.",
            "written": done.written,
            "deleted": done.deleted,
            "same": done.same,
            "left": done.left,
        }


def _content(environment: Environment) -> str:
    check(environment, close=True)
    drift = Drift.open_in(environment)
    if drift is None:
        raise RuleBroken(f"{environment} serves what was promoted. Nothing was changed.")
    return drift.content
