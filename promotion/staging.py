"""Changes single documents of a staging environment, each only if it is as it was seen."""

from typing import Any
from urllib.parse import quote

import msgspec

from environments.elastic import Refused
from promotion.again import again, is_busy
from promotion.cluster import ClusterReader, translated
from promotion.engine.errors import Conflict
from promotion.engine.lease import Version
from promotion.writer import VERSION_CONFLICT


class _Found(msgspec.Struct):
    # The exact bytes, as the engine was given them.
    source: msgspec.Raw = msgspec.field(name="_source")
    seq_no: int = msgspec.field(name="_seq_no")
    primary_term: int = msgspec.field(name="_primary_term")


class StagingWriter(ClusterReader):
    """One cluster, of which single documents are changed by compare-and-swap."""

    def document(self, index: str, doc_id: str) -> tuple[bytes | None, Version]:
        """Return a document's exact bytes and its version; None and None where it is not there."""
        with translated():
            try:
                text = again(lambda: self.connection.verbatim("GET", _path(index, doc_id)))
            except Refused as error:
                if error.missing:
                    return None, None
                raise
        found = msgspec.json.decode(text, type=_Found)
        return bytes(found.source), (found.seq_no, found.primary_term)

    def replace(self, index: str, doc_id: str, source: bytes | None, seen: Version) -> None:
        """Write a document, or delete it where `source` is None, if it is as it was seen.

        Raises:
            Conflict: somebody changed it since; it was left alone.
            MachineryError: the engine refused it, or did not answer.
        """
        params = {"op_type": "create"}
        if seen is not None:
            params = {"if_seq_no": str(seen[0]), "if_primary_term": str(seen[1])}
        rest: dict[str, Any] = {"params": params}
        if source is not None:
            rest["body"] = source.decode()
        method = "DELETE" if source is None else "PUT"
        with translated():
            try:
                # An answer that was lost is not sent again: it would meet its own write.
                again(
                    lambda: self.connection.request(method, _path(index, doc_id), **rest), is_busy
                )
            except Refused as error:
                if error.kind == VERSION_CONFLICT or error.missing:
                    raise Conflict(f"{doc_id} was changed at this moment.") from error
                raise


def _path(index: str, doc_id: str) -> str:
    return f"/{quote(index)}/_doc/{quote(doc_id, safe='')}"
