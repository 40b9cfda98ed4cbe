"""Which documents workflow tests go through: by what the configuration says, and by what ran."""

from typing import Any

from promotion.engine.coverage import Part, Ran, Reach, absent, touching
from promotion.engine.dependencies import Key
from promotion.engine.workflow import WorkflowTest
from tests.engine.test_dependencies import Documents, flow, made


def rule(flow_id: str, source: str = "", kind: str = "bought", **more: Any) -> dict[str, Any]:
    return {
        "name": f"{kind} from {source or 'anywhere'}",
        "flow": {"id": flow_id},
        "source": {"id": source},
        "event_type": {"id": kind},
        "enabled": True,
        **more,
    }


SHOP: Documents = {
    "event-source": {
        "web": {"name": "Web"},
        "till": {"name": "Till"},
        "old": {"name": "Old", "enabled": False},
        "@@heartbeats-1": {"name": "Heartbeats"},
    },
    "flow": {"follow": flow("crm"), "alert": flow(), "loyal": flow()},
    "resource": {"crm": {"name": "CRM"}},
    "rule": {
        "web-bought": rule("follow", "web"),
        "any-bought": rule("loyal"),
        "till-bought": rule("alert", "till"),
        "off": rule("alert", "web", enabled=False),
        "entered": rule("alert", kind="", segment={"id": "spenders"}),
    },
    "segment": {"seg-1": {"name": "Spenders", "machine_name": "spenders"}},
    "destination": {
        "out": {"name": "Out", "event_type": {"id": "bought"}, "source": {"id": "till"}},
        "all": {"name": "All", "resource": {"id": "crm"}},
    },
    "event-validation": {"check": {"name": "Check", "event_type": "bought"}},
}


def visit(source: str = "web", *types: str, **expect: Any) -> WorkflowTest:
    return WorkflowTest.from_dict(
        {
            "name": "Visit",
            "source": source,
            "events": [{"type": one} for one in types or ("bought",)],
            "expect": expect or {"no-errors": True},
        }
    )


def of(found: frozenset[Key], resource: str) -> list[str]:
    return sorted(doc_id for name, doc_id in found if name == resource)


def test_a_visit_touches_what_its_events_fire_and_what_that_uses() -> None:
    found = Reach(made(SHOP)).touched(visit())
    assert of(found, "event-source") == ["web"]
    assert of(found, "rule") == ["any-bought", "web-bought"]
    assert of(found, "flow") == ["follow", "loyal"]
    assert of(found, "resource") == ["crm"]
    # Another source's, and one that takes all; and what each event of the type goes through.
    assert of(found, "destination") == ["all"]
    assert of(found, "event-validation") == ["check"]


def test_what_a_run_went_through_and_what_is_expected_counts_too() -> None:
    reach = Reach(made(SHOP))
    assert of(reach.touched(visit("web", "seen")), "flow") == []
    assert of(reach.touched(visit("web", "seen"), Ran(["alert"], ["off"])), "flow") == ["alert"]
    assert of(reach.touched(visit("web", "seen", flows=["loyal"])), "flow") == ["loyal"]
    # An event that a flow raises fires rules of its own.
    assert of(reach.touched(visit("web", "seen", events=["bought"])), "flow") == ["follow", "loyal"]
    # A profile enters a segment, by its machine name, and that fires a rule.
    assert "entered" in of(reach.touched(visit("web", "seen", segments=["spenders"])), "rule")


def test_what_no_test_touches_is_told_by_resource() -> None:
    reach = Reach(made(SHOP))
    parts = {part.resource: part for part in reach.parts(reach.touched(visit()))}
    assert list(parts) == ["event-source", "rule", "flow", "destination"]
    # What is disabled, and what is Tracardi's own, is nobody's to test.
    assert parts["event-source"] == Part("event-source", 2, (("event-source", "till"),))
    assert parts["event-source"].touched == 1
    assert parts["rule"].untouched == (("rule", "entered"), ("rule", "till-bought"))
    assert parts["flow"].untouched == (("flow", "alert"),)
    assert parts["destination"].untouched == (("destination", "out"),)


def test_the_tests_that_a_change_may_break_are_told() -> None:
    # A destination that takes each event would concern them all.
    shop = {**SHOP, "destination": {}}
    before, after = made(shop), made({**shop, "resource": {}, "flow": {}})
    tests = {
        "buys": visit(),
        "looks": visit("web", "seen"),
        "never": visit("web", "seen", **{"not-flows": ["follow"]}),
        "ran": visit("web", "seen"),
    }
    reaches = [Reach(before), Reach(after)]
    crm = ("resource", "crm")
    # It is gone: only the configuration before says who used it.
    found = touching([crm], tests, reaches, {"ran": Ran(["follow"])})
    assert found == {"buys": [crm], "never": [crm], "ran": [crm]}
    assert touching([("flow", "nobody's")], tests, reaches, {}) == {}


def test_what_a_test_names_and_is_not_there_is_told() -> None:
    test = visit(
        "gone", "seen", flows=["follow", "lost"], segments=["any"], **{"not-rules": ["none"]}
    )
    assert absent(test, made(SHOP)) == [
        ("event-source", "gone"),
        ("flow", "lost"),
        ("rule", "none"),
    ]
