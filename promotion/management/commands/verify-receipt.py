"""`manage.py verify-receipt FILE`: is a promotion's receipt whole, ours and consistent?"""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from promotion.commands import BAD_INPUT, FAILED
from promotion.engine.receipt import problems
from promotion.receipts import is_signed


class Command(BaseCommand):
    help = "Check a receipt that was downloaded from a promotion's page. Asks no cluster."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the receipt; - for standard input")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            name = options["file"]
            text = sys.stdin.read() if name == "-" else Path(name).read_text()
            receipt = json.loads(text)
            found = problems(receipt, is_signed)
        except (OSError, ValueError) as error:
            self._end(options, BAD_INPUT, "bad-input", [f"{error} Nothing was checked."])
            return
        if found:
            self._end(options, FAILED, "failed", found)
            return
        words = (
            f"Promotion {receipt['promotion']} ({receipt['kind']}) of "
            f"{receipt['environment']['name']} {receipt['status']}. The receipt is whole, signed "
            "by this console, and consistent."
        )
        self._end(options, 0, "succeeded", [words])

    def _end(self, options: dict[str, Any], code: int, status: str, words: list[str]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps({"status": status, "messages": words}))
        else:
            (self.stderr if code else self.stdout).write("\n".join(words))
        if code:
            sys.exit(code)
