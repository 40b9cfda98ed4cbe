"""`manage.py bundle BUILD FILE`: a build as one complete, signed file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from accounts.models import User
from promotion.bundling import bundle, own_fingerprint
from promotion.commands import ActingCommand, BadInputError, command_actor, find_build
from promotion.passphrases import add_passphrase, passphrase_of


class Command(ActingCommand):
    help = (
        "Write a build to one signed file, complete. Where it holds secrets, a passphrase is "
        "needed, and the file is encrypted. `import` reads it, here or in another console."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("build", help="ENVIRONMENT:NUMBER")
        parser.add_argument("file", type=Path, help="a new file")
        add_passphrase(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        file: Path = options["file"]
        build = find_build(user, options["build"])
        if file.exists():
            raise BadInputError(f"{file} is there already. Nothing was written. Name a new file.")
        raw = bundle(command_actor(user), build, passphrase_of(options))
        part = file.with_name(f"{file.name}.part")
        try:
            part.touch(mode=0o600)
            part.write_bytes(raw)
            part.replace(file)
        except OSError as error:
            raise BadInputError(f"{file} cannot be written: {error.strerror}.") from error
        return {
            "message": f"{build} is in {file}, {len(raw):,} bytes, signed by this console, "
            f"{own_fingerprint()}.",
            "signer": own_fingerprint(),
            "content": build.content,
            "bytes": len(raw),
        }
