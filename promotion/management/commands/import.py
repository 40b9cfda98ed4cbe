"""`manage.py import FILE ENVIRONMENT`: what `bundle` wrote, as the environment's next build."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from accounts.models import User
from promotion.bundling import import_bundle
from promotion.commands import ActingCommand, BadInputError, command_actor, find_environment
from promotion.engine.bundle import MOST_BYTES
from promotion.passphrases import add_passphrase, passphrase_of


class Command(ActingCommand):
    help = (
        "Keep what a bundle holds as the next build of an environment. QA reviews it like any "
        "other: verdicts of another console count for nothing here."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)
        parser.add_argument("environment", help="the environment's slug")
        parser.add_argument(
            "--trust",
            default="",
            metavar="FINGERPRINT",
            help="believe files of the console with this fingerprint",
        )
        add_passphrase(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        file: Path = options["file"]
        environment = find_environment(user, options["environment"])
        try:
            if file.stat().st_size > MOST_BYTES:
                raise BadInputError(f"{file} has more than {MOST_BYTES:,} bytes.")
            raw = file.read_bytes()
        except OSError as error:
            raise BadInputError(f"{file} cannot be read: {error.strerror}.") from error
        build = import_bundle(
            command_actor(user),
            environment,
            raw,
            passphrase=passphrase_of(options),
            trusted=options["trust"],
        )
        return {
            "message": f"Imported {build} with content {build.content[:12]}.{build.same_words()}",
            "build": f"{environment.slug}:{build.number}",
            "content": build.content,
        }
