"""Flows as pictures: everything is drawn once, nothing of a document gets out of its text."""

import re
import time
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from environments import layout
from environments.flowgraph import Mark, read
from environments.pictures import FlowView, flow_view, followed_flow, shown_flow
from tests.environments.test_flowgraph import VERSIONS, edge, node, version, versions

HOSTILE = "</text></svg><script>alert(1)</script><a onclick='x' style=\"color:red\">&amp;"


class Page(HTMLParser):
    """What the browser would make of it: elements, attributes, ids, links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        for name, value in attrs:
            self.attributes.append(name)
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append(value or "")


def html(view: FlowView) -> str:
    return str(render_to_string("environments/flow.html", {"flow": view}))


def boxes(svg: str) -> dict[str, str]:
    """Return the classes of each node by the address that it leads to."""
    found = {}
    # A document's text may hold what HTML reads otherwise; none may break the XML.
    for link in ElementTree.fromstring(svg).iter("a"):  # noqa: S314
        [box] = [one for one in link if "tc-flow-node" in one.get("class", "")]
        found[link.attrib["href"]] = box.attrib["class"]
    return found


def test_every_real_flow_is_drawn_with_each_node_once() -> None:
    for plain in VERSIONS:
        view, graph = flow_view(None, plain), read(plain)
        [panel] = view.panels
        assert len(boxes(panel.svg)) == len(graph.nodes)
        assert panel.svg.count('class="tc-flow-edge ') == len(graph.edges)
        for one in graph.nodes:
            assert one.label in view.panels[0].svg
        assert not view.marked


@given(versions, versions)
def test_whatever_the_documents_hold_each_node_is_drawn_once(before: Any, after: Any) -> None:
    for view in (flow_view(before, after), flow_view(None, after)):
        page = Page(html(view))
        for panel in view.panels:
            drawn = re.findall(r'class="tc-flow-link" href="#([^"]*)"', panel.svg)
            assert len(set(drawn)) == len(drawn)
        assert len(set(page.ids)) == len(page.ids)
        assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
        html(view).encode()
    for plain, panel in zip((before, after), flow_view(before, after).panels, strict=False):
        if before is not None and after is not None:
            assert panel.svg.count('class="tc-flow-link"') == len(read(plain).nodes)


def test_nothing_of_a_document_gets_out_of_its_text() -> None:
    bad = node(HOSTILE, init={HOSTILE: HOSTILE}, outputs=[HOSTILE, "b"], inputs=[HOSTILE, "c"])
    bad["type"] = bad["data"]["metadata"]["icon"] = HOSTILE
    bad["data"]["metadata"] = {"name": HOSTILE, "icon": HOSTILE, "group": [HOSTILE]}
    good = node("b")
    after = version(bad, good, edges=[edge(HOSTILE, "b", HOSTILE, HOSTILE), edge("b", HOSTILE)])
    changed = {**bad, "data": {**bad["data"], "spec": {"init": {HOSTILE: 1}}}}
    for view in (flow_view(None, after), flow_view(version(changed), after)):
        page = Page(html(view))
        assert "script" not in page.elements
        assert "style" not in page.elements
        assert not {name for name in page.attributes if name == "style" or name.startswith("on")}
        for panel in view.panels:
            ElementTree.fromstring(panel.svg)  # noqa: S314


def test_the_marks_are_shapes_and_words_besides_colours() -> None:
    stays, goes, comes = node("a", init={"ttl": 1}), node("b"), node("c")
    before = version(stays, goes, edges=[edge("a", "b")])
    after = version(node("a", init={"ttl": 2}), comes, edges=[edge("a", "c")])
    view = flow_view(before, after)
    old, new = (panel.svg for panel in view.panels)
    assert "tc-flow-mark--removed" in old
    assert "tc-flow-mark--added" not in old
    assert "tc-flow-mark--added" in new
    for svg in (old, new):
        assert "\N{NOT EQUAL TO} changed</text>" in svg
        assert "tc-flow-outer" in svg
    assert old.count("\N{MINUS SIGN} removed</text>") == 2
    assert new.count("+ added</text>") == 2
    assert view.summary == "1 node added, 1 removed, 1 changed; 1 edge added, 1 removed."
    assert [one.mark for one in view.marked] == [Mark.CHANGED, Mark.ADDED, Mark.REMOVED]
    text = html(view)
    assert "goes on to" in text
    assert "[removed]" in text


def test_a_moved_node_is_no_mark_and_stands_alike_on_both_sides() -> None:
    before, after = version(node("a"), node("b", 0, 300)), version(node("a"), node("b", 900, 300))
    view = flow_view(before, after)
    assert not view.differs
    assert view.panels[0].svg.split(">", 1)[1] == view.panels[1].svg.split(">", 1)[1]
    assert "tc-flow-mark" not in view.panels[0].svg
    assert view.moved == "1 node only moved, which is no change."


def test_places_of_their_own_are_kept_and_missing_ones_are_made() -> None:
    kept = [node("a", 100, 100), node("b", 500, 100), node("c", 100, 400)]

    def corners(*nodes: dict[str, Any]) -> list[tuple[float, float]]:
        svg = flow_view(None, version(*nodes, edges=[edge("a", "b"), edge("b", "c")])).panels[0].svg
        found = re.findall(r'<rect class="tc-flow-box" x="([\d.]+)" y="([\d.]+)"', svg)
        return [(float(x), float(y)) for x, y in found]

    (ax, ay), (bx, by), (cx, cy) = corners(*kept)
    assert (bx - ax, by - ay, cx - ax, cy - ay) == (400, 0, 0, 300)
    for broken in ({"x": 1}, None, {"x": True, "y": 2}, {"x": float("nan"), "y": 0}, {"x": 9e9}):
        made = corners(kept[0], {**kept[1], "position": broken}, kept[2])
        assert [y for _, y in made] == sorted({y for _, y in made})
    alike = corners(*({**one, "position": {"x": 5, "y": 5}} for one in kept))
    assert len(set(alike)) == 3


ids = st.lists(st.text("abcdefgh", min_size=1, max_size=2), unique=True, max_size=14)


@given(
    ids.flatmap(
        lambda some: st.tuples(
            st.just(some),
            st.lists(st.tuples(st.sampled_from(some), st.sampled_from(some)))
            if some
            else st.just([]),
        )
    )
)
def test_no_box_of_a_new_layout_covers_another(case: tuple[list[str], list[Any]]) -> None:
    some, ways = case
    places = layout.anew(some, ways, (100, 50))
    assert set(places) == set(some)
    assert places == layout.anew(some, ways, (100, 50))
    corners = list(places.values())
    for number, (x, y) in enumerate(corners):
        for other_x, other_y in corners[number + 1 :]:
            assert abs(x - other_x) >= 99.8 or abs(y - other_y) >= 50


@given(
    st.dictionaries(
        st.text(max_size=2), st.tuples(st.floats(-900, 900), st.floats(-900, 900)), max_size=9
    )
)
def test_no_box_at_its_own_place_covers_another(places: dict[str, layout.Point]) -> None:
    found = layout.own(places, (100, 50), lambda _a, _b: False)
    corners = list((found or {}).values())
    for number, (x, y) in enumerate(corners):
        for other_x, other_y in corners[number + 1 :]:
            assert abs(x - other_x) >= 99.8 or abs(y - other_y) >= 49.8


def test_a_way_that_leads_down_a_layered_flow_leads_down_its_picture() -> None:
    places = layout.anew(
        ["d", "c", "b", "a"], [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")], (1, 1)
    )
    assert [places[one][1] for one in "abcd"] == [0, 1, 2, 3]


@pytest.mark.parametrize("has_places", [True, False])
def test_two_hundred_nodes_are_drawn_at_once(has_places: bool) -> None:
    nodes = [
        node(str(number), number % 10 * 240, number // 10 * 160, init={"ttl": number})
        for number in range(200)
    ]
    if not has_places:
        for one in nodes:
            del one["position"]
    plain = version(*nodes, edges=[edge(str(n // 2), str(n)) for n in range(1, 200)])
    started = time.perf_counter()
    view = flow_view(None, plain)
    taken = time.perf_counter() - started
    assert view.panels[0].svg.count('class="tc-flow-link"') == 200
    # Some 0.06 s; a machine may be busy.
    assert taken < 1


def test_a_draft_is_shown_only_where_it_differs_from_what_runs() -> None:
    runs, moved, other = version(node("a")), version(node("a", 5)), version(node("b"))
    same = shown_flow({"production": runs, "draft": moved})
    assert same is not None
    assert [panel.heading for panel in same.panels] == ["Production: what runs"]
    differs = shown_flow({"production": runs, "draft": other})
    assert differs is not None
    assert [panel.heading for panel in differs.panels] == ["Production: what runs", "Draft"]
    alone = shown_flow({"production": None, "draft": other})
    assert alone is not None
    assert [panel.heading for panel in alone.panels] == ["Draft"]
    assert shown_flow({"production": "\N{BULLET}" * 6}) is None


def test_what_a_run_went_through_is_marked_by_its_edges() -> None:
    edges = [{**edge("a", "b"), "id": "e1"}, {**edge("a", "c"), "id": "e2"}, edge("b", "d")]
    plain = version(node("a"), node("b", 0, 300), node("c", 300, 300), node("d"), edges=edges)
    # An edge without an id, or of another version, is nobody's.
    view = followed_flow(plain, {"e1", "of another version", ""})
    [panel] = view.panels
    assert panel.svg.count("\N{CHECK MARK} ran</text>") == 3
    marks = {one.label: str(one.mark) for one in view.nodes}
    assert marks == {"Node a": "ran", "Node b": "ran", "Node c": "same", "Node d": "same"}
    assert view.summary == "2 of 4 nodes ran."
    text = html(view)
    assert "Node b</a> by port payload [ran]" in text
    assert "tc-flow-legend" in text
