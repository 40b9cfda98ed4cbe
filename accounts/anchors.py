"""Anchors of the audit trail: its last event's digest, written where the database's owner is not.

A chain alone does not tell that its end was cut off, nor that all of it was written anew. A line in
a file that only grows, on another machine or in the system's log, does.
"""

import json
import logging
import logging.handlers
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings
from django.utils import timezone

from accounts.models import AuditEvent

SYSLOG: Final = "syslog"
_PREFIX: Final = "tracardi-console audit anchor"


class AnchorError(Exception):
    """An anchor cannot be written or read; `str()` is fit for people."""


@dataclass(frozen=True)
class Anchor:
    """That the event of a number had a digest, and when that was written down."""

    number: int
    digest: str
    at: str


def anchor() -> Anchor | None:
    """Write down the last event's digest as the settings say, and return it.

    None where no anchor is set, there is no event, or nothing was recorded since the last one.

    Raises:
        AnchorError: it could not be written.
    """
    where = settings.AUDIT_ANCHOR
    last = AuditEvent.objects.order_by("-number").first() if where else None
    if last is None or last.number == _written.get(where):
        return None
    made = Anchor(last.number, last.digest, timezone.now().isoformat(timespec="seconds"))
    line = json.dumps({"number": made.number, "digest": made.digest, "at": made.at})
    try:
        if where == SYSLOG:
            _log(line)
        else:
            _append(Path(where), line)
    except OSError as error:
        raise AnchorError(
            f"The audit trail's anchor could not be written to {where}: {error.strerror}. "
            "Correct AUDIT_ANCHOR, or the rights to the file."
        ) from error
    _written[where] = last.number
    return made


# The last one that this process wrote, by where: the same one twice says nothing more.
_written: Final[dict[str, int]] = {}


def _append(path: Path, line: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "a") as stream:
        stream.write(f"{line}\n")
        stream.flush()
        os.fsync(stream.fileno())


def _log(line: str) -> None:
    handler = logging.handlers.SysLogHandler(address="/dev/log")
    try:
        words = f"{_PREFIX} {line}"
        handler.emit(logging.LogRecord("audit", logging.INFO, "", 0, words, None, None))
    finally:
        handler.close()


def read_anchors(path: Path) -> list[Anchor]:
    """Return the anchors of a file; of a system log's lines those that are anchors.

    Raises:
        AnchorError: it cannot be read, holds none, or a line that is none.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise AnchorError(f"{path} cannot be read: {error.strerror}.") from error
    found = list(_read(path, lines))
    if not found:
        raise AnchorError(f"{path} holds no anchor.")
    return found


def _read(path: Path, lines: list[str]) -> Iterator[Anchor]:
    for place, line in enumerate(lines, 1):
        _before, mark, text = line.rpartition(_PREFIX)
        if not mark and not line.startswith("{"):
            # Another line of a system log.
            continue
        try:
            raw = json.loads(text)
            yield Anchor(int(raw["number"]), str(raw["digest"]), str(raw["at"]))
        except (ValueError, KeyError, TypeError) as error:
            raise AnchorError(f"{path}, line {place}: that is no anchor.") from error
