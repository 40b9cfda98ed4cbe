"""What a key of Tracardi's licence says of itself: who holds it, and until when. Pure.

Tracardi reads it from the variable LICENSE (tracardi/service/license.py, see docs/tracardi.md). A
key of another form is kept as it is, and says nothing.
"""

import base64
import binascii
import hashlib
import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from environments.visible import visible

LONGEST: Final = 20_000
_ID: Final = 7
_MESH: Final = 64
_MOST_BYTES: Final = 64 * 1024
LONGEST_HOLDER: Final = 200


@dataclass(frozen=True)
class Told:
    """Who holds a licence, empty where the key does not say, and its last moment, if it has one."""

    holder: str
    ends_at: datetime | None


def read_key(key: str) -> Told | None:
    """Return what a key says, or None where it is none that can be read, or was not copied whole.

    Its last seven characters are a number; the sixty-four before them are the letters of a checksum
    and of the content, in turns; the rest of the content comes first.
    """
    number, mesh, rest = key[-_ID:], key[-_MESH - _ID : -_ID], key[: -_MESH - _ID]
    if len(mesh) < _MESH or not (number.isascii() and number.isdigit()):
        return None
    content = f"{mesh[1::2]}{rest}"
    checked = f"{int(number)}:{content}".encode(errors="replace")
    if hashlib.md5(checked, usedforsecurity=False).hexdigest() != mesh[0::2]:
        return None
    return _told(_decoded(content))


def _decoded(content: str) -> Any:
    try:
        raw = base64.b64decode(content, validate=True)
        if raw[:2] == b"\x1f\x8b":
            raw = zlib.decompressobj(wbits=31).decompress(raw, _MOST_BYTES)
        return json.loads(raw)
    except (binascii.Error, ValueError, zlib.error, RecursionError):
        return None


def _told(facts: Any) -> Told | None:
    if not isinstance(facts, dict):
        return None
    holder, ends = facts.get("u"), facts.get("e")
    if isinstance(ends, bool) or not isinstance(ends, int):
        return None
    words = visible(" ".join(holder.split()))[:LONGEST_HOLDER] if isinstance(holder, str) else ""
    try:
        # Zero is without end.
        return Told(words, datetime.fromtimestamp(ends, UTC) if ends else None)
    except (OverflowError, OSError, ValueError):
        return None
