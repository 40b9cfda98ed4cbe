"""`manage.py drift ENV --as USER`: does production serve what was promoted?"""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from environments.models import Environment
from promotion.commands import ActingCommand, BadInputError, command_actor, find_environment
from promotion.drift import check, documents_of
from promotion.models import Drift, StoredGeneration


class Command(ActingCommand):
    help = (
        "Check an adopted environment for edits by hand. Exits with 0 where there are none, else 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the environment's slug")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        environment = find_environment(user, options["environment"])
        # What it finds is recorded, as by the page's "Check now".
        authorise(command_actor(user), Verb.PROMOTE, "drift.check", environment)
        return _checked(environment)


def _checked(environment: Environment) -> dict[str, Any]:
    if StoredGeneration.live_in(environment) is None:
        raise BadInputError(f"{environment} is not adopted: nothing was promoted to compare with.")
    watch = check(environment, close=True)
    if watch.problem:
        return {"status": "errored", "message": watch.problem}
    drift = Drift.open_in(environment)
    facts = {"environment": environment.slug, "checked_at": str(watch.checked_at)}
    if drift is None:
        words = f"{environment} serves what was promoted."
        return {"status": "done", "message": words, "documents": [], **facts}
    documents = list(_documents(drift))
    lines = [f"  {row['change']:<8} {row['resource']}: {row['title']}" for row in documents]
    words = f"{environment} does not serve what was promoted. {drift.words.capitalize()}:"
    return {
        "status": "drift",
        "message": "\n".join([words, *lines]),
        "content": drift.content,
        "documents": documents,
        **facts,
    }


def _documents(drift: Drift) -> Iterator[dict[str, str]]:
    for resource, changes in documents_of(drift.resources):
        for change in changes:
            yield {
                "resource": resource,
                "id": change.entry.id,
                "title": change.entry.title,
                "change": change.kind.value,
            }
