"""`manage.py export BUILD DIR`: a build as readable files, fit for git."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from promotion.commands import attempt, find_build, print_outcome
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
        outcome, code = attempt(lambda: _exported(options["build"], options["folder"]))
        print_outcome(self, outcome, code, as_json=options["json"])


def _exported(words: str, folder: Path) -> dict[str, Any]:
    build = find_build(words)
    done = export(build, folder)
    return {
        "message": f"{build} is in {folder}: {done.written} files written, "
        f"{done.unchanged} as they were, {done.removed} removed.",
        "content": build.content,
        "written": done.written,
        "unchanged": done.unchanged,
        "removed": done.removed,
    }
