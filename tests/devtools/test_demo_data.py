"""The demo's data: the same each time, and consistent in itself."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from devtools.demo import shop, traffic
from devtools.demo.tracked import RUNS_ON
from environments.catalogue import catalogue_for
from environments.documents import content_digest, decoded, is_noise_document
from environments.naming import Side
from tests.data import configuration

CATALOGUE = catalogue_for("0.8.1")
NOW = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)
SIDES = ["staging", "production"]

Sources = dict[str, dict[str, dict[str, Any]]]


def plain(side: str) -> Sources:
    return {
        resource: {doc_id: decoded(resource, source) for doc_id, source in found}
        for resource, found in shop.configuration(side).items()
    }


@pytest.mark.parametrize("side", SIDES)
def test_each_promoted_resource_has_documents_under_ids_of_their_own(side: str) -> None:
    made = shop.configuration(side)
    assert set(made) == {resource.name for resource in CATALOGUE.promoted}
    for resource, found in made.items():
        ids = [doc_id for doc_id, _ in found]
        assert ids, resource
        assert len(set(ids)) == len(ids)
        assert all(source.get("id", doc_id) == doc_id for doc_id, source in found)


def references(resource: str, source: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (resource, id) of what a decoded document refers to."""

    def entity(key: str, target: str) -> Iterator[tuple[str, str]]:
        found = source.get(key)
        if isinstance(found, dict) and found.get("id"):
            yield target, found["id"]

    yield from entity("flow", "flow")
    yield from entity("workflow", "flow")
    yield from entity("source", "event-source")
    yield from entity("event_source", "event-source")
    yield from entity("resource", "resource")
    yield from entity("segment", "segment") if resource == "rule" else ()
    yield from entity("bridge", "bridge")
    event = source.get("event_type")
    if resource not in ("event-management", "event-tags") and event:
        yield from [("event-management", event)] if isinstance(event, str) else ()
        yield from [("event-management", event["id"])] if isinstance(event, dict) else ()
    if resource == "segment":
        yield from (("event-management", name) for name in source["eventType"])
    if resource == "live-segment" and source["segment"]:
        yield "segment", source["segment"]
    settings = [*(source.get("settings") or [])] if resource == "consent-data-compliance" else []
    for holder in [source.get("properties") or {}, *settings]:
        yield from (("consent-type", consent["id"]) for consent in holder.get("consents", ()))
    if resource == "flow":
        for version in ("draft", "production", "backup"):
            for node in source[version]["flowGraph"]["nodes"]:
                yield from node_references(node["data"]["spec"])


def node_references(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    init = spec["init"] or {}
    for group in spec["form"]["groups"]:
        for field in group["fields"]:
            if field["component"]["type"] == "resource":
                yield "resource", init[field["id"]]["id"]
            elif field["component"]["type"] == "eventTypes":
                yield from (("event-management", kind["id"]) for kind in init[field["id"]])
    for key in ("segment", "true_segment", "false_segment"):
        if key in init:
            yield "segment", init[key]


@pytest.mark.parametrize("side", SIDES)
def test_references_resolve(side: str) -> None:
    configuration = plain(side)
    targets: dict[str, set[str]] = {name: set(found) for name, found in configuration.items()}
    # Rules and flows name a segment by its machine name.
    targets["segment"] = {found["machine_name"] for found in configuration["segment"].values()}
    targets["bridge"] = {document.id for document in shop.shared()}
    checked: Counter[str] = Counter()
    for resource, found in configuration.items():
        for doc_id, source in found.items():
            for target, wanted in references(resource, source):
                if wanted:
                    assert wanted in targets[target], f"{resource} {doc_id}: {target} {wanted}"
                    checked[target] += 1
    assert set(checked) == {
        *("flow", "event-source", "resource", "segment", "bridge"),
        *("event-management", "consent-type"),
    }


def test_flows_hold_graphs_whose_edges_join_existing_ports() -> None:
    flows = plain("staging")["flow"]
    assert len(flows) == 5
    for doc_id, source in flows.items():
        for version in ("draft", "production", "backup"):
            graph = source[version]["flowGraph"]
            specs = {node["id"]: node["data"]["spec"] for node in graph["nodes"]}
            assert len(specs) == len(graph["nodes"]) >= 2
            assert graph["edges"]
            for edge in graph["edges"]:
                assert edge["sourceHandle"] in specs[edge["source"]]["outputs"], doc_id
                assert edge["targetHandle"] in specs[edge["target"]]["inputs"], doc_id
            # Every node but the start is reached.
            reached = {edge["target"] for edge in graph["edges"]}
            assert len(set(specs) - reached) == 1
        assert source["draft"] != source["backup"]


def test_a_flow_has_the_fields_of_a_real_one() -> None:
    def shape(value: Any, depth: int) -> Any:
        if not isinstance(value, dict) or depth == 0:
            return None
        return {key: shape(inner, depth - 1) for key, inner in value.items()}

    real_id, raw = next(configuration("tracardi-flow"))
    real = decoded("flow", json.loads(raw))
    ours = plain("staging")["flow"]["flow-order"]
    assert real_id == real["id"]
    assert set(real) == set(ours)
    for version in ("draft", "production"):
        assert set(real[version]) == set(ours[version])
        [theirs, mine] = (
            next(n for n in flow[version]["flowGraph"]["nodes"] if n["data"]["start"])
            for flow in (real, ours)
        )
        for part in ("spec", "metadata"):
            theirs_part, mine_part = theirs["data"][part], mine["data"][part]
            assert set(theirs_part) == set(mine_part)
        assert shape(theirs["data"]["spec"]["microservice"], 3) == shape(
            mine["data"]["spec"]["microservice"], 3
        )
        real_edge, our_edge = (flow[version]["flowGraph"]["edges"][0] for flow in (real, ours))
        assert set(real_edge) == set(our_edge)


def test_production_is_a_little_older() -> None:
    def digests(side: str) -> dict[tuple[str, str], str]:
        return {
            (resource, doc_id): content_digest(resource, source)
            for resource, found in shop.configuration(side).items()
            for doc_id, source in found
            if not is_noise_document(resource, doc_id)
        }

    staging, production = digests("staging"), digests("production")
    added = Counter(resource for resource, _ in staging.keys() - production.keys())
    assert added == {"flow": 2, "rule": 2, "segment": 1}
    assert production.keys() < staging.keys()
    changed = {key for key in production if production[key] != staging[key]}
    assert changed == {("rule", "rule-order-store"), ("destination", "dest-crm")}


def test_each_change_is_another_and_leaves_references_whole() -> None:
    base = shop.configuration("staging")
    seen = set()
    for number in range(1, 13):
        resource, doc_id, source = shop.change(number)
        assert shop.change(number) == (resource, doc_id, source)
        before = dict(base[resource])[doc_id]
        digest = content_digest(resource, source)
        assert digest != content_digest(resource, before)
        assert set(source) == set(before)
        seen.add((resource, doc_id, digest))
    assert len(seen) == 12
    assert len({resource for resource, _, _ in seen}) == 4
    with pytest.raises(ValueError, match="from 1"):
        shop.change(0)


def test_the_same_seed_gives_the_same_data() -> None:
    first = list(traffic.documents(now=NOW, days=5, seed=3))
    assert first == list(traffic.documents(now=NOW, days=5, seed=3))
    assert first != list(traffic.documents(now=NOW, days=5, seed=4))
    assert shop.configuration("staging") == shop.configuration("staging")


def test_traffic_has_a_weekly_rhythm_and_consistent_references() -> None:
    found = list(traffic.documents(now=NOW))
    by_resource: dict[str, dict[str, dict[str, Any]]] = {}
    for document in found:
        assert document.id not in by_resource.setdefault(document.resource, {})
        by_resource[document.resource][document.id] = document.source
    assert set(by_resource) == {"event", "profile", "session", "log"}
    assert {document.month for document in found} <= set(traffic.months(NOW))
    assert len(by_resource["profile"]) == 400
    assert 1300 <= len(by_resource["session"]) <= 1700
    assert len(by_resource["log"]) >= 100

    days: Counter[str] = Counter()
    weekdays: Counter[int] = Counter()
    configuration, limit = plain("production"), NOW.replace(tzinfo=None)
    for event in by_resource["event"].values():
        moment = datetime.fromisoformat(event["metadata"]["time"]["insert"])
        assert moment <= limit
        days[f"{moment:%F}"] += 1
        weekdays[moment.weekday()] += 1
        profile = by_resource["profile"][event["profile"]["id"]]
        assert datetime.fromisoformat(profile["metadata"]["time"]["insert"]) <= moment
        assert event["session"]["id"] in by_resource["session"]
        assert event["source"]["id"] in configuration["event-source"]
        assert event["type"] in configuration["event-management"]
    assert len(days) == 30
    del days[f"{NOW:%F}"]
    assert all(110 <= count <= 330 for count in days.values())
    assert weekdays[5] > 1.3 * weekdays[1]
    statuses = Counter(event["metadata"]["status"] for event in by_resource["event"].values())
    assert set(statuses) == {"collected", "processed", "error"}


@pytest.mark.parametrize("side", SIDES)
def test_what_processed_an_event_is_in_the_configuration(side: str) -> None:
    rules = plain(side)["rule"].values()
    bound = {
        (rule["event_type"]["id"], rule["source"]["id"]): (rule["name"], rule["flow"]["id"])
        for rule in rules
        if rule["type"] == "event-collect"
    }
    assert RUNS_ON[Side(side)] == bound


def test_nothing_looks_like_a_real_secret() -> None:
    for side in SIDES:
        for source in plain(side)["resource"].values():
            for mode, values in source["credentials"].items():
                assert re.fullmatch(rf"{mode}-key-[a-z]+-demo", values["password"])
