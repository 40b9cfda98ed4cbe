"""A build as readable files, fit for git: pure, so equal content is equal bytes.

One file a document: decoded, sorted, without noise, and with what the caller masked. No number,
time or person is in them, because two builds of equal content are to be equal files.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from environments.documents import without_noise

FORMAT: Final = "tracardi-configuration/1"
# What names a folder that an export made, and lists its files.
INDEX: Final = "configuration.json"
# File systems take 255 bytes; the rest is for a suffix.
_LONGEST_NAME: Final = 120


def file_names(ids: Iterable[str]) -> dict[str, str]:
    """Return a file's name for each id of a resource, fit for every file system.

    An id that is not one already is quoted. Where that is not enough, because it is long or
    another differs by capitals alone, a part of its digest makes it the only one.
    """
    quoted = {doc_id: _quoted(doc_id) for doc_id in ids}
    alike = Counter(name.casefold() for name in quoted.values())
    found = {}
    for doc_id, name in quoted.items():
        if alike[name.casefold()] > 1 or len(name) > _LONGEST_NAME:
            raw = doc_id.encode("utf-8", "surrogatepass")
            name = f"{name[:_LONGEST_NAME]}~{hashlib.sha256(raw).hexdigest()[:12]}"
        found[doc_id] = f"{name}.json"
    return found


def _quoted(doc_id: str) -> str:
    name = quote(doc_id.encode("utf-8", "surrogatepass"), safe="")
    # No hidden file, and none of `quote`'s own unreserved that a shell or a system minds.
    return name.replace(".", "%2E", 1) if name.startswith(".") else name.replace("~", "%7E")


def as_file(resource: str, doc_id: str, plain: Mapping[str, Any]) -> bytes:
    """Return a document's file: its id, and its fields, decoded and masked before."""
    held = {"id": doc_id, "document": without_noise(resource, plain)}
    return _lines(held)


def index_file(content: str, version: str, files: Mapping[str, Sequence[str]]) -> bytes:
    """Return the file that says what the folder holds: `files` are by resource."""
    return _lines(
        {
            "format": FORMAT,
            "content": content,
            "tracardi": version,
            "files": {name: sorted(found) for name, found in files.items()},
        }
    )


def _lines(value: object) -> bytes:
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode("utf-8", "surrogatepass")
