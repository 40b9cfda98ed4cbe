"""`manage.py restore FILE [--replace]`: puts a backup in the place of the console's database."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from promotion.commands import BadInputError, attempt, print_outcome
from tracardi_console.backup.archive import BackupError
from tracardi_console.backup.restoring import Restored, restore


class Command(BaseCommand):
    help = (
        "Restore a backup. The web server and the worker have to be stopped. Exits with 0 when it "
        "is done, 1 when it is done and the audit trail is not sound, 2 when nothing was changed."
    )
    # The database may be empty, of another version, or damaged.
    requires_system_checks: tuple[str, ...] = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="what `backup` made")
        parser.add_argument(
            "--replace", action="store_true", help="put a database that is not empty aside"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        def act() -> dict[str, Any]:
            try:
                done = restore(options["file"].absolute(), replace=options["replace"])
            except BackupError as error:
                raise BadInputError(str(error)) from error
            return _outcome(done)

        outcome, code = attempt(act)
        print_outcome(self, outcome, code, as_json=options["json"])


def _outcome(done: Restored) -> dict[str, Any]:
    facts = done.manifest.facts
    held = ", ".join(f"{words}: {count}" for words, count in facts.counts.items())
    sound = (
        f"The audit trail is sound: {done.trail.events} events."
        if done.trail.is_sound
        else f"The audit trail is NOT sound: {' '.join(done.trail.problems[:5])}"
    )
    stopped = ", ".join(f"{words}: {count}" for words, count in done.stopped.items())
    lines = [
        f"The database is as it was on {done.manifest.made_at}: {held}.",
        f"What was there before is kept: {done.aside}." if done.aside else "",
        sound,
        f"Not begun any more, because it waited at the backup: {stopped}." if stopped else "",
        "Next:",
        "1. What was taken from people since then is theirs again: who was switched off is active, "
        "a former administrator is one, and links and recovery codes that were used count. Take "
        "it from them again before you let others in.",
        *(f"   {words}" for words in done.given_back),
        "2. Where AUDIT_ANCHOR is a file, name a new one: the old one knows of later events.",
        "3. Start the web server and the worker. Everybody signs in anew.",
        "4. What the clusters did since is not in here. Home says where they differ; record it:"
        if done.productions
        else "",
        *(f"   manage.py reconcile {slug} --as USER" for slug in done.productions),
    ]
    return {
        "status": "done" if done.trail.is_sound else "unsound",
        "message": "\n".join(line for line in lines if line),
        "made_at": done.manifest.made_at,
        "counts": facts.counts,
        "aside": done.aside,
        "audit": {"events": done.trail.events, "problems": list(done.trail.problems)},
        "productions": list(done.productions),
        "stopped": done.stopped,
        "given_back": list(done.given_back),
    }
