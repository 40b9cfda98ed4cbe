"""What uses what, and references that lead nowhere, in real documents and small ones."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from environments.catalogue import catalogue_for
from environments.documents import decoded, encode_field, parse
from environments.findings import Finding, Severity
from environments.links import Linker, Links
from promotion.engine.dangling import MOST_APART, findings
from promotion.engine.dependencies import Configuration, needs
from promotion.engine.manifest import Tree, read_document
from tests.data import configuration

Documents = Mapping[str, Mapping[str, Mapping[str, Any]]]
CATALOGUE = catalogue_for("0.8.1")


class Nowhere:
    """All trees are at hand."""

    def tree(self, digest: str) -> Tree:
        raise AssertionError(digest)

    def links(self, digest: str) -> dict[str, Links]:
        raise AssertionError(digest)


def of(sources: Mapping[str, Mapping[str, bytes]]) -> Configuration:
    trees, links, linker = {}, {}, Linker()
    for name in (resource.name for resource in CATALOGUE.promoted):
        read = [
            read_document(linker, name, doc_id, source, limit=10**7)
            for doc_id, source in sources.get(name, {}).items()
        ]
        trees[name] = Tree.of(name, (entry for entry, _ in read))
        links[name] = {entry.id: found for entry, found in read if found is not None}
    return Configuration({}, Nowhere()).with_trees(trees, links)


def made(documents: Documents) -> Configuration:
    return of(
        {
            name: {doc_id: json.dumps(source).encode() for doc_id, source in found.items()}
            for name, found in documents.items()
        }
    )


def real() -> Configuration:
    return of({r.name: dict(configuration(r.storage)) for r in CATALOGUE.promoted})


def flow(resource: str = "", side: str = "production") -> dict[str, Any]:
    init = {"source": {"id": resource, "name": "CRM"}} if resource else {}
    graph = {"flowGraph": {"nodes": [{"data": {"spec": {"init": init}}}]}}
    plain = {"name": "Follow-up", "production": encode_field({"flowGraph": {"nodes": [{}]}})}
    return {**plain, side: encode_field(graph)}


def rule(flow_id: str = "f", **more: Any) -> dict[str, Any]:
    return {"name": "Purchase", "enabled": True, "flow": {"id": flow_id, "name": "Old"}, **more}


def resource(production: Any = "key", test: Any = "key") -> dict[str, Any]:
    held = {"production": {"password": production}, "test": {"password": test}}
    return {"name": "CRM", "enabled": True, "credentials": encode_field(held)}


def short(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.severity.value, one.code) for one in found]


def test_the_real_configuration_has_no_reference_that_leads_nowhere() -> None:
    assert findings(real(), bridges=None) == []


def test_what_a_real_document_uses_and_what_uses_it() -> None:
    held = real()
    uses = held.uses(("rule", "rule-purchase"))
    assert [(use.key, use.title, use.words, use.soft) for use in uses] == [
        (("consent-type", "marketing"), "Marketing", "asks for", False),
        (("event-source", "src-web-shop"), "Web shop", "waits for events from", False),
        (("flow", "flow-purchase"), "Purchase follow-up", "runs", False),
        (("event-management", "purchase-completed"), "Purchase-Completed", "waits for", True),
    ]
    users = held.used_by(("flow", "flow-purchase"))
    assert {use.key for use in users} == {("rule", "rule-purchase"), ("rule", "rule-segment")}


def test_a_segment_is_found_by_its_machine_name() -> None:
    held = real()
    assert ("segment", "seg-big-spender") in {u.key for u in held.uses(("rule", "rule-segment"))}
    users = held.used_by(("segment", "seg-loyal"))
    assert ("flow", "flow-segmentation") in {use.key for use in users}


def test_a_rule_whose_flow_is_missing_is_an_error_by_its_title() -> None:
    [found] = findings(made({"rule": {"r": rule()}}))
    assert (found.severity, found.code) == (Severity.ERROR, "missing-reference:flow/f")
    assert found.message == "Flow “Old” is missing, and rule “Purchase” runs it."


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ({"rule": {"r": rule()}, "flow": {"f": flow()}}, []),
        (
            {"rule": {"r": rule(enabled=False)}},
            [("info", "missing-reference:flow/f:disabled")],
        ),
        (
            {"rule": {"r": rule()}, "flow": {"f": {"name": "F", "production": ""}}},
            [("error", "undeployed-flow:flow/f")],
        ),
        (
            {"rule": {"r": rule()}, "flow": {"f": flow("gone")}},
            [("error", "missing-reference:resource/gone")],
        ),
        # Nothing runs it, as far as the console can tell.
        (
            {"flow": {"f": flow("gone")}},
            [("warning", "missing-reference:resource/gone:not-run")],
        ),
        ({"rule": {"r": rule()}, "flow": {"f": flow("gone", "draft")}}, []),
        ({"rule": {"r": rule()}, "flow": {"f": flow("gone", "backup")}}, []),
        (
            {"rule": {"r": rule()}, "flow": {"f": flow("c")}, "resource": {"c": resource("")}},
            [("error", "no-production-credentials:resource/c")],
        ),
        (
            {"rule": {"r": rule()}, "flow": {"f": flow("c")}, "resource": {"c": resource("", "")}},
            [("warning", "no-credentials:resource/c")],
        ),
        (
            {
                "rule": {"r": rule()},
                "flow": {"f": flow("c")},
                "resource": {"c": {**resource(), "enabled": False}},
            },
            [("error", "disabled-reference:resource/c")],
        ),
        (
            {"destination": {"d": {"name": "D", "resource": {"id": "c"}}}},
            [("error", "missing-reference:resource/c")],
        ),
        (
            {
                "rule": {"r": rule(source={"id": "s"})},
                "flow": {"f": flow()},
                "event-source": {"s": {"name": "S", "enabled": False}},
            },
            [("warning", "disabled-reference:event-source/s")],
        ),
        # Events carry types, and profiles segments, that nobody describes.
        ({"event-validation": {"v": {"event_type": "sign-up"}}}, []),
        ({"rule": {"r": rule(segment={"id": "vip"})}, "flow": {"f": flow()}}, []),
    ],
)
def test_each_reference_is_judged_by_what_it_does_to_production(
    documents: Documents, expected: list[tuple[str, str]]
) -> None:
    assert short(findings(made(documents))) == expected


def test_an_unknown_bridge_is_an_error_where_the_installed_ones_are_known() -> None:
    held = made({"event-source": {"s": {"name": "Web", "bridge": {"id": "b", "name": "Kafka"}}}})
    assert findings(held) == []
    assert findings(held, bridges={"b"}) == []
    [found] = findings(held, bridges={"other"})
    assert found.message == (
        "Bridge “Kafka” is not installed there, and event source “Web” receives by it."
    )
    assert short([found]) == [("error", "unknown-bridge:bridge/b")]


def test_what_production_has_in_the_same_way_does_not_block() -> None:
    broken = {"rule": {"r": rule()}}
    [found] = findings(made(broken), made(broken))
    assert found.severity is Severity.WARNING
    assert found.message.endswith("Production has it in the same way already.")
    # Another rule that begins to refer to it is news.
    more = made({"rule": {"r": rule(), "new": rule(name="New")}})
    assert short(findings(more, made(broken))) == [
        ("error", "missing-reference:flow/f"),
        ("warning", "missing-reference:flow/f:live"),
    ]
    # So is one that was switched off until now.
    was_off = made({"rule": {"r": rule(enabled=False)}})
    assert short(findings(made(broken), was_off)) == [("error", "missing-reference:flow/f")]


def test_a_mention_that_goes_is_told_and_no_more() -> None:
    mentions = {"rule": {"r": rule(segment={"id": "vip"})}, "flow": {"f": flow()}}
    before = made({**mentions, "segment": {"seg": {"name": "VIP", "machine_name": "vip"}}})
    assert short(findings(made(mentions), before)) == [("info", "mention-gone:segment/vip")]


def test_all_that_refer_to_one_are_one_finding_whatever_they_are() -> None:
    wanted = made(
        {
            "rule": {"r": rule(source={"id": "s", "name": "Web"})},
            "flow": {"f": flow()},
            "destination": {"d": {"name": "To CRM", "source": {"id": "s"}}},
        }
    )
    [found] = findings(wanted)
    assert found.message == (
        "Event source “Web” is missing, and destination “To CRM” and rule “Purchase” refer to it."
    )


def test_many_that_refer_to_one_are_one_finding_and_many_of_a_kind_are_one() -> None:
    many = made({"rule": {f"r{n:04}": rule(name=f"Rule {n}") for n in range(1000)}})
    [found] = findings(many)
    assert found.message == (
        "Flow “Old” is missing, and 1000 rules, “Rule 0”, “Rule 1”, “Rule 2” and 997 more, run it."
    )
    count = MOST_APART + 1
    each = made({"rule": {f"r{n:02}": rule(f"f{n}", name=f"Rule {n}") for n in range(count)}})
    [found] = findings(each)
    assert found.code == "missing-reference:flow"
    assert f"{count} flows, “Old”" in found.message


def test_no_secret_is_kept_of_a_document() -> None:
    held = decoded("resource", parse(json.dumps(resource("a-secret-key"))))
    assert "a-secret-key" not in repr(Linker().links("resource", "c", held))


def test_a_new_rule_needs_its_new_flow_and_that_its_changed_resource() -> None:
    base = made({"resource": {"c": resource("old")}})
    wanted = made(
        {
            "resource": {"c": resource("new")},
            "flow": {"f": flow("c")},
            "rule": {"r": rule(), "s": rule()},
        }
    )
    found = needs({("rule", "r")}, wanted, base)
    assert [(need.key, [reason.key for reason in need.because]) for need in found] == [
        (("flow", "f"), [("rule", "r")]),
        (("resource", "c"), [("flow", "f")]),
    ]
    [left] = needs({("rule", "r")}, wanted, base, without={("flow", "f")})
    assert (left.key, left.left_out) == (("flow", "f"), True)


def test_a_deletion_needs_what_used_it_to_let_go() -> None:
    base = made({"flow": {"f": flow()}, "rule": {"r": rule(), "kept": rule()}})
    wanted = made({"rule": {"kept": rule()}})
    [need] = needs({("flow", "f")}, wanted, base)
    assert (need.key, need.because[0].removes) == (("rule", "r"), True)
