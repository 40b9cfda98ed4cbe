"""Digests of real documents: stable under noise, and moved by every change."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments import documents
from environments.catalogue import catalogue_for
from tests.data import configuration

REAL = [
    (resource.name, doc_id, raw)
    for resource in catalogue_for("0.8.1").promoted
    for doc_id, raw in configuration(resource.storage)
]


def test_there_are_real_documents_of_every_promoted_resource() -> None:
    assert {name for name, _, _ in REAL} == {r.name for r in catalogue_for("0.8.1").promoted}


@pytest.mark.parametrize(("resource", "doc_id", "raw"), REAL)
def test_encoding_a_real_document_anew_leaves_its_content_digest(
    resource: str, doc_id: str, raw: bytes
) -> None:
    source = documents.parse(raw)
    plain = documents.decoded(resource, source)
    anew = dict(reversed(source.items()))
    for field in documents.ENCODED_FIELDS.get(resource, ()):
        if source.get(field):
            assert plain[field] != source[field], f"{field} of {doc_id} was not decoded"
            anew[field] = documents.encode_field(plain[field], mtime=1_700_000_000)
            assert anew[field] != source[field]
    assert documents.content_digest(resource, anew) == documents.content_digest(resource, source)


def test_noise_alone_changes_only_the_exact_digest() -> None:
    raw = next(raw for name, _, raw in REAL if name == "rule")
    source = documents.parse(raw)
    noisy = {**source, "metadata": {"time": {"insert": "2030-01-01T00:00:00"}}, "timestamp": "x"}
    assert documents.content_digest("rule", noisy) == documents.content_digest("rule", source)
    assert documents.exact_digest(noisy) != documents.exact_digest(source)


def test_a_change_inside_an_encoded_field_changes_the_content_digest() -> None:
    raw = next(raw for name, doc_id, raw in REAL if doc_id == "flow-crm-sync")
    source = documents.parse(raw)
    plain: Any = documents.decoded("flow", source)["production"]
    plain["flowGraph"]["nodes"][1]["data"]["spec"]["init"]["timeout"] = 31
    changed = {**source, "production": documents.encode_field(plain)}
    assert documents.content_digest("flow", changed) != documents.content_digest("flow", source)


def test_a_field_called_timestamp_inside_a_query_is_content() -> None:
    one, two = (
        {"query": documents.encode_field({"range": {"timestamp": {"gte": day}}})}
        for day in ("2026-01-01", "2026-01-02")
    )
    assert documents.content_digest("report", one) != documents.content_digest("report", two)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values))
def test_a_document_is_kept_exactly(source: dict[str, Any]) -> None:
    again = documents.parse(json.dumps(source))
    assert documents.canonical(again) == documents.canonical(source)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (2**64, 2**64 + 1),
        (1, 1.0),
        (True, 1),
        (2**53 + 1, float(2**53 + 1)),
        ("\ud800", "\ud801"),
        ({"a": None}, {}),
    ],
)
def test_values_that_differ_have_different_digests(one: object, two: object) -> None:
    assert documents.exact_digest({"v": one}) != documents.exact_digest({"v": two})


@pytest.mark.parametrize(
    "raw", [b'{"a": NaN}', b'{"a": 1e999}', b"[1]", b"{", b'{"a": Infinity}', b"\xff", b"[" * 99999]
)
def test_what_cannot_be_kept_exactly_is_refused(raw: bytes) -> None:
    with pytest.raises(documents.DocumentError):
        documents.parse(raw)


@pytest.mark.parametrize("rubbish", ["", "not base64!", "aGVsbG8=", None, 7])
def test_an_encoded_field_that_holds_rubbish_is_left_as_it_is(rubbish: object) -> None:
    assert documents.decoded("report", {"query": rubbish}) == {"query": rubbish}


def test_a_gzip_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_DECODED_BYTES", 1000)
    with pytest.raises(documents.DocumentError, match="more than 1,000 bytes"):
        documents.decoded("report", {"query": documents.encode_field("x" * 2000)})


def test_only_the_system_heartbeat_source_is_noise_as_a_whole() -> None:
    noise = [(r, i) for r, i, _ in REAL if documents.is_noise_document(r, i)]
    assert noise == [("event-source", "@@heartbeats-b17560c8c29a5270a449")]
