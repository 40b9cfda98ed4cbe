"""`manage.py backup FILE --as USER`: copies the console's database, while the console runs."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from accounts.models import User
from promotion.commands import ActingCommand, BadInputError, command_actor
from tracardi_console.backup.archive import BackupError
from tracardi_console.backup.making import back_up


class Command(ActingCommand):
    help = (
        "Write the console's database to a new file, for its owner alone, as it is at one moment. "
        "ENCRYPTION_KEYS and SECRET_KEY are not in it: keep them elsewhere."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the file to make")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        path = options["file"].absolute()
        try:
            made = back_up(command_actor(user), path)
        except BackupError as error:
            raise BadInputError(f"{error} No backup was made.") from error
        held = ", ".join(f"{words}: {count}" for words, count in made.facts.counts.items())
        return {
            "message": (
                f"{path} holds {held}. Keep it apart from ENCRYPTION_KEYS, without which nothing "
                "in it can be read; they are not in it."
            ),
            "file": str(path),
            "bytes": path.stat().st_size,
            "sha256": made.sha256,
            "made_at": made.made_at,
            "counts": made.facts.counts,
        }
