"""`manage.py drift ENV`: does production serve what was promoted?"""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand

from environments.models import Environment
from promotion.commands import BAD_INPUT, FAILED, BadInputError, find_environment, print_outcome
from promotion.drift import check, documents_of
from promotion.models import Drift, StoredGeneration


class Command(BaseCommand):
    help = (
        "Check an adopted environment for edits by hand. Exits with 0 where there are none, else 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the environment's slug")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            outcome, code = _checked(find_environment(options["environment"]))
        except BadInputError as error:
            outcome, code = {"status": "bad-input", "message": str(error)}, BAD_INPUT
        print_outcome(self, outcome, code, as_json=options["json"])


def _checked(environment: Environment) -> tuple[dict[str, Any], int]:
    if StoredGeneration.live_in(environment) is None:
        raise BadInputError(f"{environment} is not adopted: nothing was promoted to compare with.")
    watch = check(environment, close=True)
    if watch.problem:
        return {"status": "errored", "message": watch.problem}, FAILED
    drift = Drift.open_in(environment)
    facts = {"environment": environment.slug, "checked_at": str(watch.checked_at)}
    if drift is None:
        words = f"{environment} serves what was promoted."
        return {"status": "done", "message": words, "documents": [], **facts}, 0
    documents = list(_documents(drift))
    lines = [f"  {row['change']:<8} {row['resource']}: {row['title']}" for row in documents]
    words = f"{environment} does not serve what was promoted. {drift.words.capitalize()}:"
    return {
        "status": "drift",
        "message": "\n".join([words, *lines]),
        "content": drift.content,
        "documents": documents,
        **facts,
    }, FAILED


def _documents(drift: Drift) -> Iterator[dict[str, str]]:
    for resource, changes in documents_of(drift.resources):
        for change in changes:
            yield {
                "resource": resource,
                "id": change.entry.id,
                "title": change.entry.title,
                "change": change.kind.value,
            }
