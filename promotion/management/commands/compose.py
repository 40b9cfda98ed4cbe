"""`manage.py compose BUILD --resource R --document R/ID --exclude R/ID --as USER`."""

from argparse import ArgumentParser
from typing import Any

from accounts.models import User
from promotion.commands import ActingCommand, BadInputError, command_actor, find_build
from promotion.composing import compose_build, draft
from promotion.engine.compose import Choice
from promotion.engine.dependencies import Key
from promotion.engine.errors import RuleBroken
from promotion.models import Build


class Command(ActingCommand):
    help = "Compose a build of what production serves and of some of a build's changes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("build", help="ENVIRONMENT:NUMBER, whose documents are chosen")
        for flag, metavar, words in (
            ("--resource", "RESOURCE", "take over all changes of a resource, such as flow"),
            ("--document", "RESOURCE/ID", "take over what became of one document"),
            ("--exclude", "RESOURCE/ID", "leave one out that would be taken over"),
        ):
            parser.add_argument(flag, action="append", default=[], metavar=metavar, help=words)
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        build = find_build(user, options["build"])
        choice = Choice(
            frozenset(options["resource"]),
            frozenset(_key(words) for words in options["document"]),
            frozenset(_key(words) for words in options["exclude"]),
        )
        _check(build, choice)
        made = compose_build(command_actor(user), build, choice)
        facts = made.choice or {}
        message = (
            f"Composed {made} with content {made.content[:12]}: {len(facts['chosen'])} chosen "
            f"and {len(facts['added'])} that they need.{made.same_words('Its content')}"
        )
        return {
            "message": message,
            "build": f"{made.environment.slug}:{made.number}",
            "content": made.content,
            "same_as": made.same_as.number if made.same_as is not None else None,
            "chosen": ["/".join(key) for key in facts["chosen"]],
            "added": [
                {
                    "document": "/".join(one["key"]),
                    "because": [f"{resource}/{doc_id}" for resource, doc_id, _ in one["because"]],
                }
                for one in facts["added"]
            ],
        }


def _key(words: str) -> Key:
    resource, slash, doc_id = words.partition("/")
    if not slash or not doc_id:
        raise BadInputError(f"{words!r} is no document; name it as RESOURCE/ID.")
    return resource, doc_id


def _check(build: Build, choice: Choice) -> None:
    """Refuse names of what does not change; whether anything can be composed, the service says."""
    try:
        held = draft(build)
    except RuleBroken:
        return
    if unknown := choice.unknown(held.changes):
        raise BadInputError(f"{build} changes nothing in production called {', '.join(unknown)}.")
