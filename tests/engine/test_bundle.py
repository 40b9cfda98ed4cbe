"""A build as one file: what is packed comes back, and what was changed does not."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from promotion.engine import bundle as bundles
from promotion.engine.bundle import Bundle, Part, fingerprint, head_of, pack, public_key, unpack
from promotion.engine.errors import RuleBroken

SIGNER = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
SECRET = b"hunter2-planted"


def made(documents: list[tuple[str, bytes]]) -> Bundle:
    part = Part("index", {"uuid": "u"}, "m", documents)
    return Bundle("Staging build 1", "0.8.1", "c", "digest", "then", "QA", [], {"rule": part})


@given(st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=50)), max_size=5))
def test_what_is_packed_comes_back_to_the_byte(documents: list[tuple[str, bytes]]) -> None:
    raw = pack(made(documents), SIGNER, None)
    assert unpack(raw, None) == made(documents)
    assert head_of(raw).fingerprint == fingerprint(public_key(SIGNER))


def test_a_passphrase_hides_everything_and_is_needed() -> None:
    raw = pack(made([("a", SECRET * 9)]), SIGNER, "a long passphrase")
    assert SECRET not in raw
    assert b"Staging" not in raw
    assert unpack(raw, "a long passphrase").resources["rule"].documents == [("a", SECRET * 9)]
    for wrong in (None, "", "another passphrase"):
        with pytest.raises(RuleBroken, match="Nothing was imported"):
            unpack(raw, wrong)


@given(st.data())
@hypothesis_settings(max_examples=300)
def test_a_file_that_was_changed_or_cut_is_refused(data: Any) -> None:
    raw = pack(made([("a", b"{}")]), SIGNER, None)
    place = data.draw(st.integers(0, len(raw) - 1))
    other = bytes([raw[place] ^ data.draw(st.integers(1, 255))])
    for bad in (raw[:place], raw[:place] + other + raw[place + 1 :], raw + b"x"):
        if (
            json_head(bad) == json_head(raw)
            and bad[len(bad.split(b"\n")[0]) :] == raw[len(raw.split(b"\n")[0]) :]
        ):
            # Another spelling of the same head.
            continue
        with pytest.raises(RuleBroken):
            unpack(bad, None)


def json_head(raw: bytes) -> Any:
    try:
        return json.loads(raw.split(b"\n")[0])
    except ValueError:
        return None


def test_another_signature_is_another_signer() -> None:
    raw = pack(made([]), OTHER, None)
    assert head_of(raw).fingerprint != fingerprint(public_key(SIGNER))


def test_a_file_cannot_ask_for_all_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bundles._COST, "n", 2**14)
    raw = pack(made([]), SIGNER, "a long passphrase")
    monkeypatch.undo()
    with pytest.raises(RuleBroken, match="does not know"):
        unpack(raw, "a long passphrase")
    monkeypatch.setattr(bundles, "MOST_BYTES", 100)
    with pytest.raises(RuleBroken, match="more than 100 bytes"):
        unpack(pack(made([("a", b"x" * 1000)]), SIGNER, None), None)


@pytest.mark.parametrize(
    "raw", [b"", b"\n", b"{}\n", b"rubbish", b'{"format": 1}\n', b"\xff\n\xff"]
)
def test_what_is_no_bundle_is_told(raw: bytes) -> None:
    with pytest.raises(RuleBroken, match="no bundle"):
        head_of(raw)
