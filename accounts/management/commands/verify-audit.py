"""`manage.py verify-audit [--anchor FILE] [--json]`: was the audit trail tampered with?"""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from accounts.anchors import SYSLOG, Anchor, AnchorError, read_anchors
from accounts.verification import Verified, verify

UNSOUND, BAD_INPUT = 1, 2
# So many are printed; the count is of all.
MOST_PRINTED = 50


class Command(BaseCommand):
    help = (
        "Read the audit trail from end to end: find what was edited, is missing, was put in, or, "
        "against an anchor, cut off. Exits with 0 where it is sound, 1 where it is not, 2 for an "
        "anchor that cannot be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--anchor",
            metavar="FILE",
            help="a file of anchors, or a system log with some; AUDIT_ANCHOR's file otherwise",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            anchors = _anchors(options["anchor"])
        except AnchorError as error:
            self.stderr.write(f"{error} Nothing was verified.")
            sys.exit(BAD_INPUT)
        found = verify(anchors)
        stream = self.stdout if found.is_sound or options["json"] else self.stderr
        stream.write(json.dumps(_facts(found)) if options["json"] else _words(found))
        if not found.is_sound:
            sys.exit(UNSOUND)


def _anchors(given: str | None) -> list[Anchor]:
    if given is not None:
        return read_anchors(Path(given))
    where = settings.AUDIT_ANCHOR
    if not where or where == SYSLOG or not Path(where).exists():
        return []
    return read_anchors(Path(where))


def _facts(found: Verified) -> dict[str, Any]:
    return {
        "status": "sound" if found.is_sound else "unsound",
        "events": found.events,
        "head": found.head,
        "anchors": found.anchors,
        "problems": list(found.problems),
    }


def _words(found: Verified) -> str:
    count = f"{found.events} event{'s' if found.events != 1 else ''}"
    against = (
        f"and {found.anchors} anchor{'s' if found.anchors != 1 else ''} agree"
        if found.anchors
        else "agree with each other; without an anchor nobody can say whether the end was cut off"
    )
    if found.is_sound:
        return f"The audit trail is sound: {count} {against}. Its head is {found.head}."
    more = len(found.problems) - MOST_PRINTED
    lines = [*found.problems[:MOST_PRINTED], *([f"and {more} more"] if more > 0 else [])]
    return "\n".join([f"The audit trail is NOT sound, of {count}:", *lines])
