"""The way of an event: what references say is drawn, all of it, and nothing else."""

import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from devtools.demo import shop
from environments.catalogue import catalogue_for
from environments.documents import parse
from environments.flowgraph import Mark
from environments.masking import masked
from environments.waypictures import WayView, way_view
from environments.ways import RESOURCES, Key, Ways, compared, read_ways, way_of
from tests.data import configuration
from tests.environments.test_pictures import HOSTILE, Page

REAL = {
    name: [
        (doc_id, parse(raw))
        for doc_id, raw in configuration(catalogue_for("0.8.1").get(name).storage)
    ]
    for name in RESOURCES
}
DEMO = {
    side: {
        name: [(doc_id, masked(name, source)) for doc_id, source in documents]
        for name, documents in shop.configuration(side).items()
    }
    for side in ("staging", "production")
}


def pairs(ways: Ways) -> set[tuple[str, str]]:
    return {(source[1], target[1]) for source, target in ways.links}


def address(key: Key) -> str:
    return f"/{key[0]}/{key[1]}"


def html(view: WayView) -> str:
    return str(render_to_string("environments/way_picture.html", {"way": view}))


def rule(source: str = "", event: str = "", flow: str = "", **more: Any) -> dict[str, Any]:
    named = {"source": source, "event_type": event, "flow": flow}
    return {**{key: {"id": value, "name": value} for key, value in named.items()}, **more}


def test_the_real_documents_are_joined_as_their_references_say() -> None:
    ways = read_ways(REAL)
    assert pairs(ways) == {
        ("src-web-shop", "purchase-completed"),
        ("purchase-completed", "rule-purchase"),
        ("rule-purchase", "flow-purchase"),
        ("src-mobile-app", "sign-up"),
        ("sign-up", "rule-page"),
        ("rule-page", "flow-crm-sync"),
        ("big-spender", "rule-segment"),
        ("rule-segment", "flow-purchase"),
        ("purchase-completed", "dest-purchase"),
        ("live-loyal", "flow-segmentation"),
        ("src-redirect", "promo-clicked"),
        # Both use the resource res-crm-api.
        ("flow-crm-sync", "dest-crm"),
        ("flow-crm-sync", "dest-purchase"),
    }
    shared = {link.target[1]: link.shared for link in ways.links.values() if link.shared}
    assert shared == {"dest-crm": "res-crm-api", "dest-purchase": "res-crm-api"}
    assert ways.stops["event-management", "promo-clicked"].implied
    assert ways.stops["rule", "rule-page"].off
    assert ways.stops["rule", "rule-purchase"].takes == "Web shop: Purchase-Completed"
    assert ("flow", "flow-alert") in {stop.key for stop in ways.alone}


def test_a_document_that_should_be_there_and_is_not_is_missing() -> None:
    ways = read_ways({"rule": [("r", rule("s", "e", "f"))]})
    assert {key[0]: (stop.missing, stop.implied) for key, stop in ways.stops.items()} == {
        "rule": (False, False),
        "event-source": (True, False),
        "event-management": (False, True),
        "flow": (True, False),
    }
    view = way_view(ways, address)
    assert view.svg.count("! missing</text>") == 2
    assert Page(html(view)).links == ["/rule/r", "/rule/r"]


def test_around_a_document_is_what_rules_and_destinations_say_of_it() -> None:
    ways = read_ways(
        {
            "rule": [
                ("r1", rule("s1", "e", "f1")),
                ("r2", rule("s2", "e", "f2")),
                ("r3", rule("s2", "other", "f1")),
            ],
            "destination": [("d", rule("s1", "e"))],
        }
    )
    # Though the event type is the same, s2's rule is not on the way of r1.
    assert pairs(way_of(ways, [("rule", "r1")])) == {("s1", "e"), ("e", "r1"), ("r1", "f1")}
    assert {"r1", "r3"} == {
        stop[1] for stop in way_of(ways, [("flow", "f1")]).stops if stop[0] == "rule"
    }
    assert pairs(way_of(ways, [("destination", "d")])) == {("s1", "e"), ("e", "d")}
    assert pairs(way_of(ways, [("event-management", "e")])) == pairs(ways) - {
        ("s2", "other"),
        ("other", "r3"),
        ("r3", "f1"),
    }
    assert way_of(ways).links == ways.links


def test_around_a_flow_is_the_destination_that_uses_its_resource() -> None:
    found = pairs(way_of(read_ways(REAL), [("rule", "rule-page")]))
    assert ("flow-crm-sync", "dest-crm") in found
    # What else that destination takes is not on this way.
    assert ("purchase-completed", "dest-purchase") not in found


def test_what_a_promotion_would_change_is_marked() -> None:
    before, after = read_ways(DEMO["production"]), read_ways(DEMO["staging"])
    changed = [("rule", "rule-order-store"), ("destination", "dest-crm")]
    ways = compared(before, after, changed)
    marks = {key[1]: stop.mark for key, stop in ways.stops.items() if stop.mark is not Mark.SAME}
    assert marks == {
        "flow-basket": Mark.ADDED,
        "flow-stock": Mark.ADDED,
        "rule-basket": Mark.ADDED,
        "rule-stock": Mark.ADDED,
        "seg-basket-abandoners": Mark.ADDED,
        "rule-order-store": Mark.CHANGED,
        "dest-crm": Mark.CHANGED,
    }
    links = {(link.source[1], link.target[1]): link.mark for link in ways.links.values()}
    assert links["rule-order-store", "flow-order"] is Mark.REMOVED
    assert links["rule-order-store", "flow-loyalty"] is Mark.ADDED
    assert links["order-placed", "rule-order-store"] is Mark.SAME
    view = way_view(ways, address, changed, compared=True)
    assert "\N{NOT EQUAL TO} changed</text>" in view.svg
    assert "\N{MINUS SIGN} removed</text>" in view.svg
    back = compared(after, before)
    assert back.stops["flow", "flow-basket"].mark is Mark.REMOVED


def test_a_large_configuration_is_bounded_and_says_what_is_left_out() -> None:
    rules = [(f"r{n}", rule(f"s{n % 7}", f"e{n}", f"f{n}", name=f"Rule {n}")) for n in range(400)]
    ways = read_ways({"rule": rules})
    part = way_of(ways, most=100)
    assert len(part.stops) <= 100
    assert len(part.stops) + part.left_out == len(ways.stops)
    view = way_view(ways, address, most=100)
    assert "documents more are on a way, and left out" in html(view)
    # What changed is drawn before the rest.
    marked = compared(ways, ways, [("rule", "r399")])
    assert ("rule", "r399") in way_of(marked, most=10).stops


@pytest.mark.parametrize("documents", [REAL, DEMO["staging"], DEMO["production"]])
def test_each_document_and_link_is_drawn_once_and_said_in_words(documents: Any) -> None:
    ways = read_ways(documents)
    view = way_view(ways, address)
    assert view.svg.count('class="tc-flow-node ') == len(ways.stops) - len(ways.alone)
    assert view.svg.count('class="tc-flow-edge ') == len(ways.links)
    said = {
        (one.title, other.title)
        for sentence in view.sentences
        for one, other in pairwise(sentence.places)
    }
    assert said == {
        (ways.stops[source].title, ways.stops[target].title) for source, target in ways.links
    }


def test_no_box_covers_another() -> None:
    for documents in (REAL, DEMO["staging"]):
        svg = way_view(read_ways(documents), address).svg
        corners = re.findall(r'<rect class="tc-flow-box" x="([\d.]+)" y="([\d.]+)"', svg)
        columns: dict[str, list[float]] = {}
        for x, y in corners:
            columns.setdefault(x, []).append(float(y))
        for ys in columns.values():
            ys.sort()
            assert all(b - a >= 60 for a, b in pairwise(ys))


def test_nothing_of_a_document_gets_out_of_its_text() -> None:
    bad = rule(HOSTILE, HOSTILE, HOSTILE, name=HOSTILE)
    ways = read_ways({"rule": [(HOSTILE, bad)], "flow": [(HOSTILE, {"name": HOSTILE})]})
    view = way_view(ways, address, [("rule", HOSTILE)])
    page = Page(html(view))
    assert "script" not in page.elements
    assert not {name for name in page.attributes if name == "style" or name.startswith("on")}
    ElementTree.fromstring(view.svg)  # noqa: S314


texts = st.text(max_size=3) | st.sampled_from(["a", "b", "\ud800"])
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
links = st.fixed_dictionaries({}, optional={"id": texts, "name": texts}) | values
sources = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("source", "event_type", "flow", "segment", "workflow", "resource"), links),
        "name": texts | values,
        "production": values,
        "enabled": values,
    },
)
several = st.dictionaries(
    st.sampled_from(RESOURCES), st.lists(st.tuples(texts, sources), max_size=3), max_size=5
)


@given(several, several)
def test_whatever_the_documents_hold_their_ways_are_drawn(before: Any, after: Any) -> None:
    ways = compared(read_ways(before), read_ways(after))
    for focus in (None, list(ways.stops)[:1]):
        view = way_view(ways, lambda _key: "/x", focus, compared=True)
        html(view).encode()
    assert view.svg.count('class="tc-flow-link"') <= len(ways.stops)
