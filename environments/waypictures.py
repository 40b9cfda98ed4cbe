"""The way of an event as people see it: its picture, and the same in words.

Pure: no Django, no I/O.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final

from environments import layout
from environments.flowgraph import Mark
from environments.shapes import Frame, Svg, across, arrow, badge, box, picture, text
from environments.shapes import title as tip
from environments.ways import COLUMNS, MOST, WORDS, Key, Link, LinkKey, Stop, Ways, way_of

_WIDTH, _HEIGHT = 176, 60
_STEP: Final = (_WIDTH + 44, _HEIGHT + 18)
_MARGIN, _HEADING = 14, 34
_HEADINGS: Final = ("Event sources", "Event types, segments", "Rules", "Flows", "Destinations")


@dataclass(frozen=True)
class Place:
    """A document in words, and where it is shown; no address where there is none."""

    title: str
    line: str
    url: str
    mark: Mark


@dataclass(frozen=True)
class Sentence:
    """One way in words, from where an event comes to where it goes; `why` where it needs words."""

    places: tuple[Place, ...]
    why: str
    mark: Mark


@dataclass(frozen=True)
class WayView:
    """What the template environments/way_picture.html shows."""

    prefix: str
    svg: Svg
    is_empty: bool
    sentences: tuple[Sentence, ...]
    alone: tuple[Place, ...]
    left_out: int
    summary: str
    compared: bool


def way_view(
    ways: Ways,
    address: Callable[[Key], str],
    focus: Collection[Key] | None = None,
    *,
    prefix: str = "way",
    compared: bool = False,
    most: int = MOST,
) -> WayView:
    """Return the view of the ways around the documents of `focus`, or of the whole configuration.

    `address` tells where a document is shown, or nothing. `compared` says that the marks of
    `ways.compared` are to be drawn.
    """
    part = way_of(ways, focus, most=most)

    def place(stop: Stop) -> Place:
        url = "" if stop.missing or stop.implied else address(stop.key)
        return Place(stop.title, _line(stop), url, stop.mark)

    return WayView(
        prefix=prefix,
        svg=_drawn(part, place, focus or (), prefix, compared=compared),
        is_empty=not part.stops,
        sentences=tuple(_sentences(part, place)),
        alone=tuple(map(place, ways.alone)) if focus is None else (),
        left_out=part.left_out,
        summary=_summary(part),
        compared=compared,
    )


def _line(stop: Stop) -> str:
    what = WORDS[stop.key[0]]
    if stop.missing or stop.implied:
        return f"{what}, {'missing' if stop.missing else 'not described'}"
    return f"{what}, switched off" if stop.off else what


def _summary(part: Ways) -> str:
    amounts: dict[str, int] = {}
    for key in part.stops:
        amounts[key[0]] = amounts.get(key[0], 0) + 1
    words = [
        f"{amounts[name]:,} {WORDS[name]}{'' if amounts[name] == 1 else 's'}"
        for name in WORDS
        if name in amounts
    ]
    return f"{', '.join(words)}." if words else ""


def _name(key: Key) -> str:
    return f"{key[0]} {key[1]}"


def _frames(part: Ways) -> tuple[dict[Key, Frame], dict[LinkKey, list[Frame]]]:
    """Return where the boxes stand, and where each link passes the columns between its ends."""
    columns: list[list[str]] = [[] for _ in COLUMNS]
    for key in sorted(part.stops, key=lambda key: (part.stops[key].title.casefold(), key)):
        columns[_column(key)].append(_name(key))
    edges: list[tuple[str, str]] = []
    passing: dict[LinkKey, list[str]] = {}
    for number, (source, target) in enumerate(part.links):
        # A name with a line break is none of a document's: its resource is a plain word.
        gaps = {
            place: f"\n{number} {place}" for place in range(_column(source) + 1, _column(target))
        }
        for place, gap in gaps.items():
            columns[place].append(gap)
        passing[source, target] = list(gaps.values())
        edges += pairwise([_name(source), *gaps.values(), _name(target)])
    columns = layout.untangled(columns, edges)
    down = _closed_up(layout.aligned(columns, edges))
    frames = {
        name: Frame(
            _MARGIN + number * _STEP[0],
            round(_HEADING + _MARGIN + down[name] * _STEP[1], 1),
            _WIDTH,
            _HEIGHT,
        )
        for number, column in enumerate(columns)
        for name in column
    }
    return (
        {key: frames[_name(key)] for key in part.stops},
        {link: [frames[gap] for gap in gaps] for link, gaps in passing.items()},
    )


def _column(key: Key) -> int:
    return next(number for number, kinds in enumerate(COLUMNS) if key[0] in kinds)


def _closed_up(down: Mapping[str, float]) -> dict[str, float]:
    """Return the places from 0 on, without the bands in which no column has a box."""
    places: dict[float, float] = {}
    last = 0.0
    for place in sorted(set(down.values())):
        places[place] = places[last] + min(1.0, place - last) if places else 0.0
        last = place
    return {name: places[place] for name, place in down.items()}


def _drawn(
    part: Ways,
    place: Callable[[Stop], Place],
    focus: Collection[Key],
    prefix: str,
    *,
    compared: bool,
) -> Svg:
    frames, passing = _frames(part)
    parts = [
        text(_MARGIN + number * _STEP[0], _HEADING - 10, words, "tc-flow-label")
        for number, words in enumerate(_HEADINGS)
    ]
    for key, link in part.links.items():
        parts.append(_drawn_link(link, part.stops, frames, passing[key], compared))
    for one, stop in part.stops.items():
        parts.append(_drawn_stop(stop, place(stop), frames[one], one in focus, compared))
    passed = [frame for several in passing.values() for frame in several]
    bottom = max((frame.y + frame.height for frame in (*frames.values(), *passed)), default=0)
    width = 2 * _MARGIN + (len(COLUMNS) - 1) * _STEP[0] + _WIDTH
    described = f"{prefix}-summary"
    return picture(
        width, bottom + _MARGIN, parts, f"{prefix}-heading", described, "tc-flow-picture--way"
    )


def _drawn_link(
    link: Link,
    stops: Mapping[Key, Stop],
    frames: Mapping[Key, Frame],
    passing: Sequence[Frame],
    compared: bool,
) -> str:
    ends = [frames[link.source], *passing, frames[link.target]]
    middles = [(frame.x, frame.y + frame.height / 2) for frame in ends]
    points = [point for x, y in middles for point in ((x, y), (x + _WIDTH, y))][1:-1]
    said = f"{stops[link.source].title} to {stops[link.target].title}"
    said = f"{said}: both use {link.shared}" if link.shared else said
    css = "tc-flow-edge--shared" if link.shared else ""
    return arrow(across(points), "", said, link.mark if compared else None, css)


def _drawn_stop(stop: Stop, place: Place, frame: Frame, in_focus: bool, compared: bool) -> str:
    icons = {"event-source": "source", "event-management": "event", "live-segment": "segment"}
    css = " ".join(
        name
        for name, holds in (
            ("tc-flow-node--off", stop.off),
            ("tc-flow-node--missing", stop.missing),
            ("tc-flow-node--focus", in_focus),
        )
        if holds
    )
    mark = stop.mark if compared else None
    said = f": {mark}" if mark and mark is not Mark.SAME else ""
    takes = f" takes {stop.takes}" if stop.takes else ""
    line = place.line
    if stop.takes:
        line = f"off \N{MIDDLE DOT} {stop.takes}" if stop.off else stop.takes
    drawn = box(frame, stop.title, line, icons.get(stop.key[0], stop.key[0]), mark, css)
    if stop.missing:
        drawn += badge("missing", "!", frame.x + frame.width - 8, frame.y)
    inner = f"{tip(f'{stop.title} ({place.line}){takes}{said}')}{drawn}"
    if not place.url:
        return f"<g>{inner}</g>"
    # The words beneath the picture have the same links; these are for the pointer.
    return f'<a class="tc-flow-link" href="{escape(place.url)}" tabindex="-1">{inner}</a>'


def _sentences(part: Ways, place: Callable[[Stop], Place]) -> Iterator[Sentence]:
    """Yield what each document says of the way, in the order of the columns."""
    saying: dict[Key, list[Link]] = {}
    for link in part.links.values():
        for key in link.by:
            if not link.shared:
                saying.setdefault(key, []).append(link)
    order = [kind for column in COLUMNS for kind in column]
    order.append("event-redirect")
    for key in sorted(saying, key=lambda key: (order.index(key[0]), key)):
        passed = {one: None for link in saying[key] for one in link.key}
        stops = [part.stops[one] for one in sorted(passed, key=lambda one: order.index(one[0]))]
        why = "a redirect" if key[0] == "event-redirect" else ""
        yield Sentence(tuple(map(place, stops)), why, _mark(saying[key]))
    for link in part.links.values():
        if link.shared:
            ends = tuple(place(part.stops[key]) for key in link.key)
            yield Sentence(ends, f"both use the resource {link.shared}", link.mark)


def _mark(links: Collection[Link]) -> Mark:
    marks = {link.mark for link in links}
    return marks.pop() if len(marks) == 1 else Mark.CHANGED
