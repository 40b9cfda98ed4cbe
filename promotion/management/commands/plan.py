"""`manage.py plan BUILD TARGET --as USER`: what a promotion would change. Changes nothing."""

from argparse import ArgumentParser
from typing import Any

from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from environments.models import Environment
from promotion.commands import (
    ActingCommand,
    command_actor,
    find_build,
    find_environment,
    show_build,
)
from promotion.engine.preflight import consents
from promotion.models import Build
from promotion.planning import check_build, look, plan_for, writer_for
from promotion.preparing import current_preparation

ACTION = "build.plan"


class Command(ActingCommand):
    help = "Print what promoting a build to a target would change. Changes nothing in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("build", help="ENVIRONMENT:NUMBER")
        parser.add_argument("target", help="the target's slug")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        build, target = (
            find_build(user, options["build"]),
            find_environment(user, options["target"]),
        )
        show_build(user, ACTION, build)
        authorise(command_actor(user), Verb.VIEW_BUILD, ACTION, target)
        return _plan(build, target)

    def tell(self, outcome: dict[str, Any], options: dict[str, Any]) -> None:
        self.stdout.write(outcome["message"])
        for row in outcome["resources"]:
            self.stdout.write(
                f"  {row['resource']:<26} +{row['added']} ~{row['changed']} -{row['removed']}"
            )
        if outcome["prepared_plan"]:
            self.stdout.write(f"  Prepared as plan {outcome['prepared_plan']}")
        for finding in outcome["consents"]:
            self.stdout.write(f"  Needs consent: {finding['message']} [{finding['code']}]")


def _plan(build: Build, target: Environment) -> dict[str, Any]:
    writer = writer_for(target)
    live = look(writer, target)
    check_build(build, live, target)
    plan = plan_for(
        writer,
        target,
        live,
        {name: part.tree for name, part in build.resources().items()},
        content=build.content,
        # A number is taken only by what writes; this one is never used.
        number=live.generation.number + 1,
        attempt="plan",
    )
    rows = [
        {"resource": name, "added": c.added, "changed": c.changed, "removed": c.removed}
        for name, c in plan.counts.items()
    ]
    words = f"{len(rows)} of {len(plan.resources)} resources would change in {target}."
    ready = current_preparation(target)
    if ready is not None and (ready.build is None or ready.build.content != build.content):
        ready = None
    due = [finding.to_dict() for finding in consents(plan.counts, plan.overwritten(live.drifted))]
    return {
        "status": "done",
        "message": words if rows else f"{build} is what {target} serves already.",
        "base_generation": plan.base,
        "prepared_plan": ready.plan_digest if ready is not None else None,
        "drifted": list(live.drifted),
        "resources": rows,
        "consents": due,
    }
