"""`manage.py verify-receipt FILE`: is a promotion's receipt whole, ours and consistent?"""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from promotion.commands import BAD_INPUT, DONE, FAILED, print_outcome
from promotion.engine.receipt import problems
from promotion.receipts import is_signed


class Command(BaseCommand):
    help = "Check a receipt that was downloaded from a promotion's page. Asks no cluster."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the receipt; - for standard input")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            receipt = json.loads(_text(options["file"]))
            found = problems(receipt, is_signed)
        except (OSError, ValueError, RecursionError) as error:
            outcome, code = (
                {"status": "bad-input", "message": f"{error} Nothing was checked."},
                BAD_INPUT,
            )
        else:
            outcome, code = _judged(receipt, found), FAILED if found else DONE
        print_outcome(self, outcome, code, as_json=options["json"])


def _text(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text()


def _judged(receipt: dict[str, Any], found: list[str]) -> dict[str, Any]:
    if found:
        return {"status": "failed", "message": "\n".join(found), "problems": found}
    words = (
        f"Promotion {receipt['promotion']} ({receipt['kind']}) of "
        f"{receipt['environment']['name']} {receipt['status']}. The receipt is whole, signed by "
        "this console, and consistent."
    )
    return {"status": "done", "message": words, "problems": []}
