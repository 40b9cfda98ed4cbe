"""`manage.py environments --as USER`: what there is, and each one's latest build."""

from typing import Any

from accounts.authorising import authorise
from accounts.models import User
from accounts.policy import may, may_anywhere
from accounts.roles import Verb
from environments.models import Environment
from promotion.commands import ActingCommand, command_actor
from promotion.models import Build


class Command(ActingCommand):
    help = "List the environments, where they promote to, and their latest builds."

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        if not may_anywhere(user, Verb.VIEW_CONFIGURATION):
            authorise(command_actor(user), Verb.VIEW_CONFIGURATION, "environments.list", None)
        seen = Environment.objects.visible_to(user, Verb.VIEW_CONFIGURATION)
        rows = [_row(user, e) for e in seen.select_related("promotes_to", "cluster")]
        words = f"{len(rows)} environments." if rows else "There are no environments yet."
        return {"message": words, "environments": rows}

    def tell(self, outcome: dict[str, Any], options: dict[str, Any]) -> None:
        if not outcome["environments"]:
            self.stdout.write(outcome["message"])
        for row in outcome["environments"]:
            target = f" -> {row['promotes_to']}" if row["promotes_to"] else ""
            # None where there is none, and where it is not to be seen.
            build = f", build {row['latest_build']}" if row["latest_build"] else ""
            verdict = f" ({row['verdict']})" if row["verdict"] else ""
            self.stdout.write(f"{row['environment']} [{row['kind']}]{target}{build}{verdict}")


def _row(user: User, environment: Environment) -> dict[str, Any]:
    build = None
    if may(user, Verb.VIEW_BUILD, environment):
        build = Build.objects.filter(environment=environment).order_by("-number").first()
    review = build.review if build is not None else None
    target = environment.promotes_to
    return {
        "environment": environment.slug,
        "name": environment.name,
        "kind": environment.kind,
        "version": environment.version,
        "tenant": environment.tenant,
        "cluster": environment.cluster.name,
        "promotes_to": target.slug if target is not None else None,
        "latest_build": build.number if build is not None else None,
        "verdict": review.verdict if review is not None else None,
    }
