"""What documents refer to, and which of it they can do without."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments import documents
from environments.catalogue import Policy, catalogue_for
from environments.references import Reference, references
from tests.data import configuration

CATALOGUE = catalogue_for("0.8.1")
REAL = {
    (resource.name, doc_id): documents.parse(raw)
    for resource in CATALOGUE.promoted
    for doc_id, raw in configuration(resource.storage)
}


def of(resource: str, doc_id: str) -> tuple[Reference, ...]:
    return references(resource, doc_id, REAL[resource, doc_id])


def flow(spec: dict[str, Any], side: str = "production") -> dict[str, Any]:
    graph = {"flowGraph": {"nodes": [{"id": "n1", "data": {"spec": spec}}], "edges": []}}
    return {"id": "f1", side: documents.encode_field(graph)}


def form(**components: str) -> dict[str, Any]:
    fields = [{"id": name, "component": {"type": kind}} for name, kind in components.items()]
    return {"groups": [{"fields": fields}]}


def in_node(spec: dict[str, Any]) -> list[tuple[str, str, str]]:
    place = "production.flowGraph.nodes[0].data.spec."
    found = references("flow", "f1", flow(spec))
    assert all(one.path.startswith(place) for one in found)
    return [(one.path.removeprefix(place), one.resource, one.id) for one in found]


def test_every_hard_reference_of_the_real_documents_leads_to_a_document() -> None:
    hard = [one for key, source in REAL.items() for one in references(*key, source) if not one.soft]
    promoted = [one for one in hard if CATALOGUE.get(one.resource).policy is Policy.PROMOTED]
    assert {(one.resource, one.id) for one in promoted} <= set(REAL)
    assert {one.resource for one in hard} == {
        *("flow", "resource", "event-source", "consent-type", "bridge")
    }


def test_every_reference_leads_to_a_resource_of_the_catalogue() -> None:
    for key, source in REAL.items():
        for one in references(*key, source):
            CATALOGUE.get(one.resource)


def test_a_rule_refers_to_its_flow_source_event_type_and_consents() -> None:
    assert of("rule", "rule-purchase") == (
        Reference("flow.id", "flow", "flow-purchase"),
        Reference("source.id", "event-source", "src-web-shop"),
        Reference("event_type.id", "event-management", "purchase-completed", soft=True),
        Reference("properties.consents[0].id", "consent-type", "marketing"),
    )


def test_a_rules_segment_is_soft_for_it_is_a_name_that_any_flow_may_give() -> None:
    assert of("rule", "rule-segment")[-1] == Reference(
        "segment.id", "segment", "big-spender", soft=True
    )


@pytest.mark.parametrize(
    ("resource", "doc_id", "expected"),
    [
        (
            "destination",
            "dest-purchase",
            {
                ("resource.id", "resource", "res-crm-api"),
                ("source.id", "event-source", "src-web-shop"),
                ("event_type.id", "event-management", "purchase-completed"),
            },
        ),
        ("live-segment", "live-loyal", {("workflow.id", "flow", "flow-segmentation")}),
        ("live-segment", "live-cond", set()),
        (
            "segment",
            "seg-mobile",
            {
                ("eventType[0]", "event-management", "app-opened"),
                ("eventType[1]", "event-management", "page-view"),
            },
        ),
        (
            "event-reshaping",
            "resh-signup",
            {
                ("event_source.id", "event-source", "src-web-shop"),
                ("event_type", "event-management", "sign-up"),
            },
        ),
        (
            "event-validation",
            "val-purchase",
            {("event_type", "event-management", "purchase-completed")},
        ),
        (
            "event-redirect",
            "redir-promo",
            {
                ("source.id", "event-source", "src-redirect"),
                ("event_type", "event-management", "promo-clicked"),
            },
        ),
        (
            "identification-point",
            "ident-email",
            {
                ("source.id", "event-source", "src-web-shop"),
                ("event_type.id", "event-management", "sign-up"),
            },
        ),
        (
            "consent-data-compliance",
            "comp-email",
            {
                ("event_type.id", "event-management", "sign-up"),
                ("settings[0].consents[0].id", "consent-type", "marketing"),
            },
        ),
        ("event-to-profile", "e2p-signup", {("event_type.id", "event-management", "sign-up")}),
        (
            "event-source",
            "src-web-shop",
            {("bridge.id", "bridge", "778ded05-4ff3-4e08-9a86-72c0195fa95d")},
        ),
    ],
)
def test_a_real_document_refers_to_what_the_design_lists(
    resource: str, doc_id: str, expected: set[tuple[str, str, str]]
) -> None:
    found = of(resource, doc_id)
    assert {(one.path, one.resource, one.id) for one in found} == expected
    assert all(one.soft == (one.resource == "event-management") for one in found)


def test_a_real_flow_refers_to_its_resources_in_each_of_its_three_parts() -> None:
    init = "flowGraph.nodes[{}].data.spec.init.{}.id"
    assert of("flow", "flow-crm-sync") == tuple(
        Reference(f"{side}.{init.format(number, key)}", "resource", doc_id, side != "production")
        for side in ("draft", "production", "backup")
        for number, key, doc_id in ((1, "source", "res-crm-api"), (2, "resource", "res-smtp"))
    )


def test_a_real_flow_names_its_segments_softly() -> None:
    found = [one for one in of("flow", "flow-segmentation") if one.path.startswith("production")]
    assert [(one.path.rsplit(".", 1)[1], one.resource, one.id, one.soft) for one in found] == [
        ("true_segment", "segment", "loyal", True),
        ("false_segment", "segment", "loyal", True),
    ]


def test_the_form_tells_an_event_source_from_a_resource() -> None:
    init = {"source": {"id": "a", "name": "A"}}
    assert in_node({"init": init}) == [("init.source.id", "resource", "a")]
    assert in_node({"init": init, "form": form(source="resource")}) == [
        ("init.source.id", "resource", "a")
    ]
    assert in_node({"init": init, "form": form(source="source")}) == [
        ("init.source.id", "event-source", "a")
    ]


def test_each_type_of_component_leads_to_its_resource() -> None:
    init = {
        "one": {"id": "a"},
        "many": [{"id": "b"}, "c", {"id": ""}],
        "consent_ids": [{"id": "marketing", "name": "Marketing"}],
        "mail": {"server": {"id": "d"}},
        "text": {"id": "no"},
    }
    components = form(one="eventType", many="eventTypes", consent_ids="consentTypes", text="text")
    components["groups"].append(form(**{"mail.server": "resource"})["groups"][0])
    assert in_node({"init": init, "form": components}) == [
        ("init.one.id", "event-management", "a"),
        ("init.many[0].id", "event-management", "b"),
        ("init.many[1]", "event-management", "c"),
        ("init.consent_ids[0].id", "consent-type", "marketing"),
        ("init.mail.server.id", "resource", "d"),
    ]


def test_a_remote_plugin_refers_to_its_servers_resource() -> None:
    spec = {"init": None, "microservice": {"server": {"resource": {"id": "res-m", "name": "M"}}}}
    assert in_node(spec) == [("microservice.server.resource.id", "resource", "res-m")]


@pytest.mark.parametrize("name", ["profile@traits.segment", "level-{{profile@traits.level}}", ""])
def test_a_segment_that_is_found_at_run_time_is_no_reference(name: str) -> None:
    assert in_node({"init": {"segment": name}}) == []
    assert in_node({"init": {"segment": [name, "loyal"]}}) == [
        ("init.segment[1]", "segment", "loyal")
    ]


def test_a_field_that_cannot_be_decoded_has_no_references() -> None:
    assert references("flow", "f1", {"production": "rubbish", "draft": None}) == ()


def test_the_heartbeats_source_that_tracardi_rewrites_refers_to_nothing() -> None:
    assert of("event-source", "@@heartbeats-b17560c8c29a5270a449") == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
MEMBERS = """
flow source event_type segment properties resource workflow bridge settings consents id eventType
event_source init form groups fields component type microservice server
"""
member = st.sampled_from(MEMBERS.split())


@given(
    st.sampled_from([resource.name for resource in CATALOGUE.promoted]),
    st.dictionaries(member, st.dictionaries(member, json_values) | json_values),
)
def test_a_document_of_any_shape_is_read_without_an_error(
    resource: str, source: dict[str, Any]
) -> None:
    for one in (*references(resource, "x", source), *references("flow", "x", flow(source))):
        assert one.id
