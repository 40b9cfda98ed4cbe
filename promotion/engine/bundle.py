"""A build as one file, complete: what it holds, who signed it, and sealed where it has secrets.

The file is a line of JSON, its head, and then the payload: a compressed list of the documents, to
the byte, encrypted with a passphrase where any of them holds a secret. The head is signed, and
names the payload's digest. Pure: keys and passphrases are the caller's.
"""

import base64
import hashlib
import os
import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from environments.documents import canonical
from environments.masking import masked
from promotion.engine.errors import RuleBroken

FORMAT: Final = "tracardi-bundle/1"
# Far above any real configuration; a bound against files that unpack without end.
MOST_BYTES: Final = 1024 * 1024 * 1024
_LONGEST_HEAD: Final = 64 * 1024
# A guess at a passphrase takes 128 * r * n bytes of memory, 64 MB, and some 0.2 s.
_COST: Final = {"n": 2**16, "r": 8, "p": 1}


class Part(msgspec.Struct, frozen=True):
    """One resource: where it was read, and its documents, (id, exact source)."""

    index: str
    fingerprint: dict[str, Any]
    mapping_digest: str
    documents: list[tuple[str, bytes]]


class Bundle(msgspec.Struct, frozen=True):
    """A build, by value. `content` is its digest; `reviews` are words for people, no verdicts."""

    name: str
    version: str
    cluster_uuid: str
    content: str
    captured_at: str
    captured_by: str
    reviews: list[dict[str, str]]
    resources: dict[str, Part]


class Head(msgspec.Struct, frozen=True):
    """What stands before the payload. `sealed` has what turns a passphrase into the key."""

    format: str
    payload: str
    key: str
    sealed: dict[str, Any] | None
    signature: str = ""

    @property
    def fingerprint(self) -> str:
        """The signer's key as people compare it."""
        return fingerprint(self.key)


def holds_secret(resource: str, plain: Mapping[str, Any], decoded: Mapping[str, Any]) -> bool:
    """Answer whether any of a document would be masked."""
    return masked(resource, plain) != decoded


def fingerprint(key: str) -> str:
    """Return a public key's fingerprint: eight groups of four digits."""
    digits = hashlib.sha256(key.encode()).hexdigest()[:32]
    return "-".join(digits[start : start + 4] for start in range(0, 32, 4))


def public_key(signer: Ed25519PrivateKey) -> str:
    """Return the public half, as a head carries it."""
    return base64.b64encode(signer.public_key().public_bytes_raw()).decode()


def pack(bundle: Bundle, signer: Ed25519PrivateKey, passphrase: str | None) -> bytes:
    """Return the file, encrypted where a passphrase is given."""
    payload = zlib.compress(msgspec.msgpack.encode(bundle), 6)
    sealed = None
    if passphrase is not None:
        sealed = {"kdf": "scrypt", "salt": base64.b64encode(os.urandom(16)).decode(), **_COST}
        payload = Fernet(_key(passphrase, sealed)).encrypt(payload)
    head = Head(FORMAT, hashlib.sha256(payload).hexdigest(), public_key(signer), sealed)
    signature = base64.b64encode(signer.sign(_signed(head))).decode()
    line = msgspec.json.encode(msgspec.structs.replace(head, signature=signature))
    return line + b"\n" + payload


def head_of(raw: bytes) -> Head:
    """Return a file's head, once the signature and the payload's digest are seen to be right.

    Raises:
        RuleBroken: it is no bundle, or was changed after it was signed.
    """
    line, newline, _ = raw[:_LONGEST_HEAD].partition(b"\n")
    try:
        head = msgspec.json.decode(line, type=Head) if newline else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        head = None
    if head is None or head.format != FORMAT:
        raise RuleBroken("This is no bundle of this console's format. Nothing was imported.")
    payload = raw[len(line) + 1 :]
    try:
        key = Ed25519PublicKey.from_public_bytes(_decoded(head.key))
        key.verify(_decoded(head.signature), _signed(head))
        whole = hashlib.sha256(payload).hexdigest() == head.payload
    except (InvalidSignature, ValueError):
        whole = False
    if not whole:
        raise RuleBroken(
            "The bundle was changed after it was signed, or is cut short. Nothing was imported. "
            "Get the file again."
        )
    return head


def unpack(raw: bytes, passphrase: str | None) -> Bundle:
    """Return what a file holds.

    Raises:
        RuleBroken: as `head_of`; the passphrase is missing or wrong; or it unpacks to too much.
    """
    head = head_of(raw)
    payload = raw[raw.index(b"\n") + 1 :]
    if head.sealed is not None:
        if not passphrase:
            raise RuleBroken(
                "The bundle holds secrets, and is encrypted. Nothing was imported. Give the "
                "passphrase that it was made with."
            )
        try:
            payload = Fernet(_key(passphrase, head.sealed)).decrypt(payload)
        except InvalidToken as error:
            raise RuleBroken(
                "The passphrase does not open this bundle. Nothing was imported. Ask who made it."
            ) from error
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(payload, MOST_BYTES)
        if unpacker.unconsumed_tail:
            raise RuleBroken(f"The bundle unpacks to more than {MOST_BYTES:,} bytes.")
        return msgspec.msgpack.decode(plain, type=Bundle)
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RuleBroken(
            "What the bundle holds cannot be read. Nothing was imported. Make it again, with the "
            "version of the console that is to import it."
        ) from error


def _decoded(text: str) -> bytes:
    """Return what base64 holds, in its one spelling: others would be another equal file."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("not canonical base64")
    return raw


def _signed(head: Head) -> bytes:
    return canonical(msgspec.to_builtins(msgspec.structs.replace(head, signature="")))


def _key(passphrase: str, sealed: Mapping[str, Any]) -> bytes:
    # The costs are not the file's to choose: it could ask for all memory.
    if sealed.get("kdf") != "scrypt" or any(sealed.get(k) != v for k, v in _COST.items()):
        raise RuleBroken("The bundle is encrypted in a way that this console does not know.")
    salt = base64.b64decode(str(sealed.get("salt", "")))
    made = Scrypt(salt=salt, length=32, n=_COST["n"], r=_COST["r"], p=_COST["p"])
    return base64.urlsafe_b64encode(made.derive(passphrase.encode()))
