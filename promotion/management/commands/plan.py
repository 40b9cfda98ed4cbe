"""`manage.py plan BUILD TARGET`: what a promotion would change. Changes nothing."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from environments.models import Environment
from promotion.commands import attempt, find_build, find_environment, print_outcome
from promotion.engine.preflight import consents
from promotion.models import Build
from promotion.planning import check_build, look, plan_for, writer_for
from promotion.preparing import current_preparation


class Command(BaseCommand):
    help = "Print what promoting a build to a target would change. Changes nothing in it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("build", help="ENVIRONMENT:NUMBER")
        parser.add_argument("target", help="the target's slug")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        facts, code = attempt(
            lambda: _plan(find_build(options["build"]), find_environment(options["target"]))
        )
        if options["json"] or code:
            print_outcome(self, facts, code, as_json=options["json"])
        else:
            self._table(facts)

    def _table(self, facts: dict[str, Any]) -> None:
        self.stdout.write(facts["message"])
        for row in facts["resources"]:
            self.stdout.write(
                f"  {row['resource']:<26} +{row['added']} ~{row['changed']} -{row['removed']}"
            )
        if facts["prepared_plan"]:
            self.stdout.write(f"  Prepared as plan {facts['prepared_plan']}")
        for finding in facts["consents"]:
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
