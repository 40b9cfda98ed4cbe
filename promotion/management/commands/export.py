"""`manage.py export BUILD DIR`: a build as readable files, fit for git."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from promotion.commands import BAD_INPUT, BadInputError, find_build, print_outcome, problem
from promotion.engine.errors import PromotionError
from promotion.exporting import export


class Command(BaseCommand):
    help = (
        "Write a build to a folder: one file a document, decoded, sorted, secrets masked. Equal "
        "content gives equal files. Another export to the folder replaces the one before."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("build", help="ENVIRONMENT:NUMBER")
        parser.add_argument("folder", metavar="DIR", type=Path)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        code, folder = 0, options["folder"]
        try:
            build = find_build(options["build"])
            done = export(build, folder)
            outcome: dict[str, Any] = {
                "status": "done",
                "message": f"{build} is in {folder}: {done.written} files written, "
                f"{done.unchanged} as they were, {done.removed} removed.",
                "content": build.content,
                "written": done.written,
                "unchanged": done.unchanged,
                "removed": done.removed,
            }
        except BadInputError as error:
            outcome, code = {"status": "bad-input", "message": str(error)}, BAD_INPUT
        except PromotionError as error:
            outcome, code = problem(error)
        print_outcome(self, outcome, code, as_json=options["json"])
