"""`manage.py review BUILD --approve|--request-changes|--reject --as USER`."""

from argparse import ArgumentParser
from typing import Any

from accounts.models import User
from promotion.commands import ActingCommand, BadInputError, command_actor, find_build
from promotion.models import Checklist, Review
from promotion.services import review


class Command(ActingCommand):
    help = "Approve or reject a build, or request changes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("build", help="ENVIRONMENT:NUMBER")
        verdict = parser.add_mutually_exclusive_group(required=True)
        for flag, value in (
            ("--approve", Review.Verdict.APPROVED),
            ("--request-changes", Review.Verdict.CHANGES),
            ("--reject", Review.Verdict.REJECTED),
        ):
            verdict.add_argument(flag, dest="verdict", action="store_const", const=value)
        parser.add_argument("--comment", default="", help="why; needed but for an approval")
        parser.add_argument(
            "--acknowledge",
            action="append",
            default=[],
            metavar="CODE",
            help="acknowledge a warning about references, as a refusal with --json names it",
        )
        parser.add_argument(
            "--tick",
            action="append",
            default=[],
            type=int,
            metavar="N",
            help="tick an item of the environment's checklist, by its place from 1",
        )
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        build = find_build(user, options["build"])
        asked = Checklist.of(build.environment)
        made = review(
            command_actor(user),
            build,
            options["verdict"],
            content=build.content,
            comment=options["comment"],
            acknowledged=options["acknowledge"],
            checklist=asked.version if asked is not None else None,
            ticked=[_place(place, asked) for place in options["tick"]],
        )
        return {
            "message": f"{build} {made.said}.",
            "build": options["build"],
            "verdict": made.verdict,
            "content": made.content,
            "acknowledged": made.acknowledged,
            "answers": made.answers,
        }


def _place(number: int, asked: Checklist | None) -> int:
    """Return an item's place from 0; what is not on the checklist is a mistake, not a tick less."""
    items = len(asked.items) if asked is not None else 0
    if not 1 <= number <= items:
        known = f"It has items 1 to {items}." if items else "There is none."
        raise BadInputError(f"{number} is on no checklist of the environment. {known}")
    return number - 1
