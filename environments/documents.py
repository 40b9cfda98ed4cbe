"""One Tracardi document: its decoded form, its noise, its digests, its title.

Pure: no Django, no I/O. Facts are from docs/tracardi.md, digests from docs/adr/ (0005, 0008).
"""

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from environments.visible import visible

# One field's decoded size. Far above any real flow; a bound against gzip bombs.
MAX_DECODED_BYTES: Final = 64 * 1024 * 1024

# Base64 of gzip of JSON.
ENCODED_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "flow": ("draft", "production", "backup"),
    "resource": ("credentials", "destination"),
    "destination": ("destination", "mapping"),
    "report": ("query",),
}
# Top-level fields that Tracardi writes at each save, and that alone are no change.
_NOISE_FIELDS: Final = ("timestamp", "deploy_timestamp")
_HEARTBEATS_PREFIX: Final = "@@heartbeats-"


class DocumentError(ValueError):
    """A document that cannot be read or kept exactly."""


def _refuse_constant(word: str) -> NoReturn:
    raise DocumentError(f"{word} is no JSON number.")


def _finite(word: str) -> float:
    number = float(word)
    if math.isinf(number):
        raise DocumentError(f"The number {word[:40]} is too large to be kept.")
    return number


# Made once: to make them for each of many thousand documents takes as long as a small one's work.
_decoder: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
_encoder: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def _loaded(raw: bytes | str) -> Any:
    """Do what `json.loads` does, without NaN, infinities and floats that turn into one."""
    if isinstance(raw, bytes):
        raw = raw.decode(json.detect_encoding(raw), "surrogatepass")
    return _decoder.decode(raw)


def parse(raw: bytes | str) -> dict[str, Any]:
    """Return a document's `_source`; integers of any size are kept in full.

    Raises:
        DocumentError: it is no JSON object, or holds a number that cannot be kept.
    """
    try:
        value = _loaded(raw)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DocumentError("It is no readable JSON.") from error
    except ValueError as error:
        # Python refuses to convert integers of more than some thousand digits.
        raise DocumentError(str(error)) from error
    if not isinstance(value, dict):
        raise DocumentError("It is no JSON object.")
    return value


def canonical(value: object) -> bytes:
    """Return JSON with sorted keys, without spaces, as UTF-8, with 1.0 distinct from 1.

    Raises:
        DocumentError: the value holds NaN or an infinity, or something that is not JSON.
    """
    try:
        text = _encoder.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise DocumentError("It holds a value that JSON cannot carry.") from error
    # A surrogate may stand alone in a JSON string.
    return text.encode("utf-8", "surrogatepass")


def digest(value: object) -> str:
    """Return the SHA-256 (hex) of a JSON value in canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()


def exact_digest(source: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of the canonical `_source`; it proves a copy."""
    return digest(source)


def _decode_field(value: object) -> object:
    """Return what an encoded field holds; a value that is not so encoded is returned as it is."""
    if not isinstance(value, str) or not value:
        return value
    try:
        packed = base64.b64decode(value, validate=True)
        unpacker = zlib.decompressobj(wbits=31)
        plain = unpacker.decompress(packed, MAX_DECODED_BYTES)
    except (ValueError, zlib.error):
        # binascii.Error is a ValueError; text beyond ASCII is a plain one.
        return value
    if unpacker.unconsumed_tail:
        raise DocumentError(f"A field unpacks to more than {MAX_DECODED_BYTES:,} bytes.")
    try:
        return _loaded(plain)
    except (ValueError, RecursionError):
        return value


def decoded(resource: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `source` with its encoded fields as values.

    Raises:
        DocumentError: a field unpacks to more than MAX_DECODED_BYTES.
    """
    plain = dict(source)
    for name in ENCODED_FIELDS.get(resource, ()):
        if name in plain:
            plain[name] = _decode_field(plain[name])
    return plain


def encode_field(value: object, mtime: int = 0) -> str:
    """Return `value` as Tracardi stores it: base64 of gzip of JSON. `mtime` is in Unix seconds."""
    packer = zlib.compressobj(wbits=-15)
    plain = json.dumps(value).encode()
    body = packer.compress(plain) + packer.flush()
    head = b"\x1f\x8b\x08\x00" + mtime.to_bytes(4, "little") + b"\x02\xff"
    tail = zlib.crc32(plain).to_bytes(4, "little") + (len(plain) & 0xFFFFFFFF).to_bytes(4, "little")
    return base64.b64encode(head + body + tail).decode()


def is_noise_document(resource: str, doc_id: str) -> bool:
    """Say whether the whole document is noise: the event source that each install rewrites."""
    return resource == "event-source" and doc_id.startswith(_HEARTBEATS_PREFIX)


def without_noise(resource: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decoded document without what alone is no change."""
    kept = {key: value for key, value in plain.items() if key not in _NOISE_FIELDS}
    if resource == "flow":
        for name in ENCODED_FIELDS["flow"]:
            inner = kept.get(name)
            if isinstance(inner, dict):
                kept[name] = {k: v for k, v in inner.items() if k not in _NOISE_FIELDS}
    if resource == "rule" and isinstance(kept.get("metadata"), dict):
        kept["metadata"] = {k: v for k, v in kept["metadata"].items() if k != "time"}
    return kept


def content_digest(resource: str, source: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of the decoded document without noise; it is what is approved.

    Raises:
        DocumentError: as `decoded` and `canonical`.
    """
    return exact_digest(without_noise(resource, decoded(resource, source)))


def title(doc_id: str, source: Mapping[str, Any]) -> str:
    """Return the document's name for people, or its id where it has none; nothing hides in it."""
    name = source.get("name")
    return visible(name if isinstance(name, str) and name.strip() else doc_id)
