"""Documents as the operations of bulk requests."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

# One bulk request: well under the engine's 100 MB, large enough to pay for the round trip.
BULK_BYTES: Final = 8 * 1024 * 1024
BULK_DOCUMENTS: Final = 2000


def on_one_line(
    documents: Iterable[tuple[str, bytes]], alone: list[tuple[str, bytes]]
) -> Iterator[tuple[str, bytes]]:
    """Yield the documents that a bulk request can carry byte for byte; keep the others in `alone`.

    Its lines end at a line break, of which a stored document may hold some between its members.
    """
    for doc_id, raw in documents:
        if b"\n" in raw or b"\r" in raw:
            alone.append((doc_id, raw))
        else:
            yield doc_id, raw


def bulks(sources: Iterable[tuple[str, bytes]]) -> Iterator[list[str]]:
    """Yield operations of a bulk request, two lines each, as many as one request carries."""
    operations: list[str] = []
    size = 0
    for doc_id, raw in sources:
        line = raw.decode()
        if operations and (size + len(line) > BULK_BYTES or len(operations) >= BULK_DOCUMENTS):
            yield operations
            operations, size = [], 0
        operations.append(f"{json.dumps({'index': {'_id': doc_id}})}\n{line}")
        size += len(line)
    if operations:
        yield operations


def refusal(failed: Sequence[Mapping[str, Any]]) -> str:
    """Say in words what documents the engine refused; `failed` are its outcomes."""
    first = failed[0]
    reason = str(first["error"].get("reason", ""))[:300]
    return (
        f"The engine refused {len(failed)} documents, the first {first['_id']!r}: {reason} "
        "Nothing was switched."
    )
