"""`manage.py health ENV --as USER`: looks at an environment, and says how it is."""

import contextlib
from argparse import ArgumentParser
from typing import Any

from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from environments.health.looks import TooSoonError, look_now
from environments.health.summaries import State, Summary, summaries
from environments.models import HealthLook
from promotion.commands import ActingCommand, command_actor, find_environment

FIGURES = (
    "latency_ms",
    "engine",
    "status",
    "documents",
    "size",
    "events",
    "events_size",
    "day",
    "failed",
    "logged",
)


class Command(ActingCommand):
    help = (
        "Look at an environment's health, keep what is found, and print it. It reads alone. Exits "
        "with 0 where nothing is to look at, else 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the environment's slug")
        parser.add_argument(
            "--kept",
            action="store_true",
            help="print what the last look found, and ask no cluster",
        )
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        environment, actor = find_environment(user, options["environment"]), command_actor(user)
        if options["kept"]:
            authorise(actor, Verb.VIEW_DASHBOARD, "health.shown", environment)
        else:
            # Where somebody looked a moment ago, that is what is printed.
            with contextlib.suppress(TooSoonError):
                look_now(actor, environment)
        found = summaries([environment], user)[environment.pk]
        looks = HealthLook.objects.filter(environment=environment, is_reachable=True)
        latest = looks.first()
        return {
            "status": "done" if found.state is State.OK else "failed",
            "message": _message(found),
            "environment": environment.slug,
            "state": found.state.value,
            "looked_at": found.looked_at.isoformat() if found.looked_at is not None else None,
            "findings": [one.to_dict() for one in found.findings],
            "hidden": found.hidden,
            "figures": _figures(latest),
        }


def _figures(latest: HealthLook | None) -> dict[str, Any] | None:
    if latest is None:
        return None
    last = latest.last_event
    return {
        **{name: getattr(latest, name) for name in FIGURES},
        "last_event": last.isoformat() if last is not None else None,
        "resources": latest.resources,
    }


def _message(found: Summary) -> str:
    lines = [f"{found.environment}: {found.words}."]
    if found.problem:
        lines.append(found.problem)
    lines += [f"{one.severity.upper():7} {one.message} {one.remedy}" for one in found.findings]
    if found.hidden:
        lines.append(f"{found.hidden} more about the cluster, for the administrator.")
    return "\n".join(lines)
