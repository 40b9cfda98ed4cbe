"""`manage.py export BUILD DIR --as USER`: a build as readable files, fit for git."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from accounts.models import User
from promotion.commands import ActingCommand, find_build, show_build
from promotion.exporting import export


class Command(ActingCommand):
    help = (
        "Write a build to a folder: one file a document, decoded, sorted, secrets masked. Equal "
        "content gives equal files. Another export to the folder replaces the one before."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("build", help="ENVIRONMENT:NUMBER")
        parser.add_argument("folder", metavar="DIR", type=Path)
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        build, folder = find_build(user, options["build"]), options["folder"]
        show_build(user, "build.export", build)
        done = export(build, folder)
        return {
            "message": f"{build} is in {folder}: {done.written} files written, "
            f"{done.unchanged} as they were, {done.removed} removed.",
            "content": build.content,
            "written": done.written,
            "unchanged": done.unchanged,
            "removed": done.removed,
        }
