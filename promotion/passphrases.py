"""Where a command's passphrase comes from: never from its arguments, which others can list."""

import getpass
import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from promotion.commands import BadInputError

VARIABLE: Final = "BUNDLE_PASSPHRASE"


def add_passphrase(parser: ArgumentParser) -> None:
    """Let a command take a passphrase."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--passphrase-file", type=Path, help=f"its first line; otherwise {VARIABLE} is used"
    )
    group.add_argument("--ask-passphrase", action="store_true", help="ask for it")


def passphrase_of(options: dict[str, Any]) -> str | None:
    """Return the passphrase, or None where none was given.

    Raises:
        BadInputError: the file cannot be read or is empty, or there is nobody to ask.
    """
    file: Path | None = options["passphrase_file"]
    if file is not None:
        try:
            lines = file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"The passphrase cannot be read from {file}.") from error
        if not lines or not lines[0]:
            raise BadInputError(f"{file} holds no passphrase in its first line.")
        return lines[0]
    if options["ask_passphrase"]:
        if not sys.stdin.isatty():
            raise BadInputError("There is nobody to ask for a passphrase. Use --passphrase-file.")
        return getpass.getpass("Passphrase: ")
    return os.environ.get(VARIABLE) or None
