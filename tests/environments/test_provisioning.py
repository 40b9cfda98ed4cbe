"""What a missing set is made of: periods, mappings, and halves of credentials; pure."""

import json
from datetime import date
from typing import Any

import pytest

from environments.catalogue import catalogue_for
from environments.documents import DocumentError, decoded, encode_field, parse
from environments.halves import without_production
from environments.mappings import fixed, retold
from environments.naming import NameKind, Naming, Side
from environments.provisioning import Look, make_plan
from promotion.engine.ports import IndexState


def naming(tenant: str = "acme", side: Side = Side.STAGING, version: str = "0.8.2") -> Naming:
    return Naming(catalogue_for(version), tenant, side)


def state(name: str, alias: str, mapping: dict[str, Any] | None = None) -> IndexState:
    return IndexState(name, "u", (alias,), 1, mapping or {}, {}, "", write_blocked=False)


@pytest.mark.parametrize(
    ("like", "today", "made"),
    [
        (("2026-11",), date(2027, 1, 31), "2027-1"),
        (("2026-9", "2026-11"), date(2026, 12, 1), "2026-12"),
        (("2026-q3",), date(2027, 3, 31), "2027-q1"),
        (("2026-q3",), date(2026, 12, 31), "2026-q4"),
        (("2025-year",), date(2026, 2, 1), "2026-year"),
        # The way that is taken now counts, not that of an older index.
        (("2025-year", "2026-11"), date(2026, 11, 30), "2026-11"),
        ((), date(2026, 2, 1), "2026-2"),
    ],
)
def test_todays_index_is_of_the_period_that_the_other_side_has(
    like: tuple[str, ...], today: date, made: str
) -> None:
    theirs, ours = naming(side=Side.PRODUCTION), naming()
    alias = theirs.alias("event")
    indices = {
        name: state(name, alias) for name in (theirs.partition("event", word) for word in like)
    }
    found = make_plan(Look(theirs, "c", indices, {}), Look(ours, "c", {}, {}), today)
    assert [step.name for step in found.steps if step.resource == "event"] == [
        ours.partition("event", made)
    ]


@pytest.mark.parametrize("suffix", ["2026-9", "2026-11", "2026-926", "2026-q4", "2026-year"])
def test_a_period_is_known_as_tracardi_writes_it(suffix: str) -> None:
    name = naming().partition("event", suffix)
    found = naming().classify(name)
    assert found is not None
    assert (found.kind, found.resource) == (
        NameKind.PARTITION,
        naming().catalogue.get("event"),
    )


def test_what_documents_taught_is_no_part_of_a_mapping() -> None:
    before: dict[str, Any] = {
        "dynamic": "strict",
        "properties": {
            "id": {"type": "keyword"},
            "traits": {"type": "object", "dynamic": "true"},
            "inner": {"properties": {"free": {"dynamic": "true", "type": "object"}}},
        },
    }
    learnt = json.loads(json.dumps(before))
    # An object that has fields does not say its type (all three engines).
    learnt["properties"]["traits"] = {"dynamic": "true", "properties": {"a": {"type": "long"}}}
    learnt["properties"]["inner"]["properties"]["free"] = {
        "dynamic": "true",
        "properties": {"b": {"properties": {"c": {"type": "text"}}}},
    }
    assert fixed(learnt) == fixed(before) == before
    other = json.loads(json.dumps(before))
    other["properties"]["id"]["type"] = "text"
    assert fixed(other) != fixed(before)
    first, second = state("a", "b", before), state("a", "b", learnt)
    assert first.mapping_digest == second.mapping_digest != state("a", "b", other).mapping_digest


def test_the_tenant_in_a_mapping_is_told_anew_and_another_mark_is_not() -> None:
    ours, theirs = naming(), naming("other")
    assert retold({"_meta": {"name": "acme", "version": "0820"}}, ours, theirs) == {
        "_meta": {"name": "other", "version": "0820"}
    }
    marked = {"_meta": {"name": "somebody's"}}
    assert retold(marked, ours, theirs) == marked
    assert retold({}, ours, theirs) == {}


def resource(credentials: object) -> bytes:
    return json.dumps({"id": "r", "credentials": credentials, "name": "R"}).encode()


def test_only_a_production_half_is_left_out_and_what_has_none_stays_to_the_byte() -> None:
    whole = resource(encode_field({"production": {"key": "P"}, "test": {"key": "T"}}))
    found = without_production("resource", whole)
    assert found.left_out == ("credentials.production",)
    assert found.keeps_secrets
    told = decoded("resource", parse(found.source))
    assert told == {"id": "r", "name": "R", "credentials": {"production": {}, "test": {"key": "T"}}}
    # Again changes nothing.
    again = without_production("resource", found.source)
    assert (again.source, again.left_out) == (found.source, ())
    for credentials in (None, "", encode_field({"test": {}}), encode_field({"production": {}})):
        raw = resource(credentials)
        assert without_production("resource", raw).source == raw
    # A key of that name elsewhere is no half.
    free = json.dumps({"id": "d", "init": {"production": {"headers": {"a": "b"}}}}).encode()
    assert without_production("destination", free).source == free


@pytest.mark.parametrize("credentials", ["not encoded", "H4sIAAAA", encode_field("a text")])
def test_credentials_that_nobody_can_read_are_refused(credentials: str) -> None:
    with pytest.raises(DocumentError, match="cannot be decoded"):
        without_production("resource", resource(credentials))
