"""What pictures are drawn with: SVG text of boxes, glyphs and arrows.

Pure: no Django, no I/O. Shapes carry classes alone: colours are in the style sheet flow.css,
because the content security policy refuses inline styles. Every text from a document is escaped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final
from unicodedata import east_asian_width

from environments.flowgraph import Mark

# A box's icon stands in its left part, its words in the rest.
_ICON, _LETTER = 42, 7.3
_NARROW, _SMALL, _LARGE = 544, 700, 2_400
# The sign goes with a word, always.
SIGNS: Final = {
    Mark.ADDED: "+",
    Mark.REMOVED: "\N{MINUS SIGN}",
    Mark.CHANGED: "\N{NOT EQUAL TO}",
    Mark.RAN: "\N{CHECK MARK}",
}

# Drawn in a square of 20 units, as outlines.
_CIRCLE: Final = "M10 2 A8 8 0 1 0 10 18 A8 8 0 1 0 10 2"
_PLAIN: Final = "M4 7 L10 3 L16 7 V14 L10 18 L4 14 Z M4 7 L10 11 L16 7"
_GLYPHS: Final = {
    "event": "M6 4 L16 10 L6 16 Z",
    "if": "M10 2 L18 10 L10 18 L2 10 Z M10 6 V11 M10 13 V14",
    "segment": "M10 2 A8 8 0 1 0 18 10 H10 Z M13 2 A7 7 0 0 1 18 7 H13 Z",
    "copy": "M3 3 H13 V13 H3 Z M7 13 V17 H17 V7 H13",
    "store": "M3 5 A7 3 0 0 0 17 5 A7 3 0 0 0 3 5 V15 A7 3 0 0 0 17 15 V5",
    "globe": f"{_CIRCLE} M2 10 H18 M10 2 A5 8 0 0 0 10 18 A5 8 0 0 0 10 2",
    "email": "M2 4 H18 V16 H2 Z M2 5 L10 11 L18 5",
    "message": "M2 3 H18 V14 H9 L5 18 V14 H2 Z",
    "source": "M10 9 V11 M6 6 A6 6 0 0 0 6 14 M14 6 A6 6 0 0 1 14 14 M3 3 A10 10 0 0 0 3 17",
    "rule": "M3 4 H17 M3 10 H12 M3 16 H8 M13 14 L15 16 L18 11",
    "flow": "M7 2 H13 V7 H7 Z M2 13 H8 V18 H2 Z M12 13 H18 V18 H12 Z M10 7 V10 M5 13 V10 H15 V13",
    "destination": "M3 10 H14 M10 5 L15 10 L10 15 M18 3 V17",
    "clock": f"{_CIRCLE} M10 5 V10 L14 12",
    "profile": "M10 3 A3.5 3.5 0 1 0 10 10 A3.5 3.5 0 1 0 10 3 M3 18 A7 6 0 0 1 17 18",
    "code": "M7 5 L2 10 L7 15 M13 5 L18 10 L13 15",
    "join": "M4 3 V7 L10 11 L16 7 V3 M10 11 V18",
    "stop": "M4 4 H16 V16 H4 Z",
}
# Tracardi's own names of icons that mean much the same.
_SAME_GLYPH: Final = {
    "start": "event",
    "condition": "if",
    "question": "if",
    "split": "flow",
    "debug": "code",
    "json": "code",
    "mail": "email",
    "telegram": "message",
    "sms": "message",
    "discord": "message",
    "slack": "message",
    "wait": "clock",
    "time": "clock",
    "sleep": "clock",
    "cloud": "globe",
    "user": "profile",
    "db": "store",
    "end": "stop",
}


class Svg(str):
    """SVG text whose every part is escaped, so that a template may hold it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Frame:
    """Where a box stands."""

    x: float
    y: float
    width: float
    height: float


def _width(text: str, letter: float = _LETTER) -> float:
    return sum(letter * (1.8 if east_asian_width(one) in "WF" else 1) for one in text)


def cut(text: str, room: float, letter: float = _LETTER) -> str:
    """Return `text` in one line that fits, with an ellipsis where something is left out."""
    line = " ".join(text.split())
    if _width(line, letter) <= room:
        return line
    while line and _width(line, letter) > room - letter:
        line = line[: -max(1, len(line) // 8)]
    return f"{line.rstrip()}\N{HORIZONTAL ELLIPSIS}"


def wrapped(text: str, room: float) -> list[str]:
    """Return `text` in two lines at most, the second of which is cut."""
    parts = text.split()
    line = ""
    for number, word in enumerate(parts):
        longer = f"{line} {word}".strip()
        if _width(longer) > room:
            rest = " ".join(parts[number:])
            return [line, cut(rest, room)] if line else [cut(rest, room)]
        line = longer
    return [line]


def number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, words: str, css: str = "", anchor: str = "") -> str:
    """Return one line of words."""
    classes = f' class="{css}"' if css else ""
    anchors = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{number(x)}" y="{number(y)}"{classes}{anchors}>{escape(words)}</text>'


def title(words: str) -> str:
    """Return what a pointer that rests on a shape is told."""
    return f"<title>{escape(words)}</title>"


def glyph(icon: str, x: float, y: float) -> str:
    """Return a drawing of 20 units for the name of an icon; for an unknown one a plain one."""
    name = icon.casefold()
    path = _GLYPHS.get(_SAME_GLYPH.get(name, name), _PLAIN)
    return (
        f'<path class="tc-flow-glyph" transform="translate({number(x)} {number(y)})" d="{path}"/>'
    )


def badge(mark: str, sign: str, right: float, y: float) -> str:
    """Return a label that ends at `right`, with its middle at `y`."""
    words = f"{sign} {mark}".strip()
    width = _width(words, 6.6) + 12
    return (
        f'<g class="tc-flow-badge"><rect x="{number(right - width)}" y="{number(y - 9)}"'
        f' width="{number(width)}" height="18" rx="9"/>'
        f"{text(right - width / 2, y + 4, words, anchor='middle')}</g>"
    )


def box(
    frame: Frame,
    label: str,
    line: str,
    icon: str,
    mark: Mark | None = None,
    css: str = "",
    shift: float = 0,
) -> str:
    """Return a box with its words; `frame` must be 58 high, and `shift` more where that is given.

    The words begin `shift` further down.

    A changed one has a second border, a removed one a dashed border: no mark is colour alone.
    """
    x, y, width, height = frame.x, frame.y, frame.width, frame.height
    room = width - _ICON - 8
    lines = wrapped(label, room)
    top = y + shift + (25 if len(lines) == 1 else 18)
    parts = [
        f'<rect class="tc-flow-box" x="{number(x)}" y="{number(y)}" width="{number(width)}"'
        f' height="{number(height)}" rx="8"/>'
    ]
    if mark is Mark.CHANGED:
        parts.append(
            f'<rect class="tc-flow-outer" x="{number(x - 4)}" y="{number(y - 4)}"'
            f' width="{number(width + 8)}" height="{number(height + 8)}" rx="11"/>'
        )
    parts.append(glyph(icon, x + 12, y + shift + 19))
    for place, words in enumerate(lines):
        parts.append(text(x + _ICON, top + place * 15, words, "tc-flow-label"))
    line_y = top + len(lines) * 15 + 1
    parts.append(text(x + _ICON, line_y, cut(line, room, 5.9), "tc-flow-type"))
    if mark in SIGNS:
        parts.append(badge(mark, SIGNS[mark], x + width - 8, y))
    marked = f" tc-flow-mark--{mark}" if mark in SIGNS else ""
    return f'<g class="tc-flow-node{marked} {css}">{"".join(parts)}</g>'


def down(start: tuple[float, float], end: tuple[float, float]) -> tuple[str, float, float]:
    """Return an arrow's path to what is below, or round to what is above, and its middle."""
    (x, y), (to_x, to_y) = start, end
    if to_y > y + 8:
        pull = max(22.0, (to_y - y) / 2)
        curve = f"C{number(x)} {number(y + pull)} {number(to_x)} {number(to_y - pull)}"
        line = f"M{number(x)} {number(y)}{curve} {number(to_x)} {number(to_y)}"
        return line + _head(to_x, to_y, 4, -8), (x + to_x) / 2, (y + to_y) / 2
    side, middle = max(x, to_x) + BESIDE, (y + to_y) / 2
    line = (
        f"M{number(x)} {number(y)}C{number(x)} {number(y + 34)} {number(side)} {number(y + 34)}"
        f" {number(side)} {number(middle)}S{number(to_x)} {number(to_y - 40)}"
        f" {number(to_x)} {number(to_y)}"
    )
    return line + _head(to_x, to_y, 4, -8), side, middle


# How far to the right of its ends an arrow may reach that goes round.
BESIDE: Final = 130


def across(points: Sequence[tuple[float, float]]) -> tuple[str, float, float]:
    """Return an arrow's path from left to right, and its middle.

    Every second part is straight: there it passes a column in which it does not stop.
    """
    path = ""
    for place, ((x, y), (to_x, to_y)) in enumerate(pairwise(points)):
        path = path or f"M{number(x)} {number(y)}"
        if place % 2:
            path += f"L{number(to_x)} {number(to_y)}"
        else:
            middle = number((x + to_x) / 2)
            path += f"C{middle} {number(y)} {middle} {number(to_y)} {number(to_x)} {number(to_y)}"
    (x, y), (to_x, to_y) = points[0], points[-1]
    path += f"M{number(to_x - 8)} {number(to_y - 4)}L{number(to_x)} {number(to_y)}"
    return f"{path}L{number(to_x - 8)} {number(to_y + 4)}", (x + to_x) / 2, (y + to_y) / 2


def _head(x: float, y: float, wide: float, tall: float) -> str:
    left, right = number(x - wide), number(x + wide)
    return f"M{left} {number(y + tall)}L{number(x)} {number(y)}L{right} {number(y + tall)}"


def arrow(
    drawn: tuple[str, float, float], words: str, tip: str, mark: Mark | None = None, css: str = ""
) -> str:
    """Return an arrow with words at its middle."""
    path, x, y = drawn
    sign = f"{SIGNS[mark]} {mark}" if mark in SIGNS else ""
    marked = f" tc-flow-mark--{mark}" if mark in SIGNS else ""
    written = " \N{MIDDLE DOT} ".join(part for part in (cut(words, 140), sign) if part)
    note = text(x, y + 4, written, "tc-flow-edge-name", "middle") if written else ""
    return f'<g class="tc-flow-edge{marked} {css}">{title(tip)}<path d="{path}"/>{note}</g>'


def picture(
    width: float, height: float, parts: Iterable[str], named: str, described: str, css: str = ""
) -> Svg:
    """Return a whole picture; `named` and `described` are ids of the page's elements.

    A small one shrinks a little where that spares the reader from scrolling. Of a large one that is
    shown whole, the marks are drawn so thick that they are found.
    """
    wide, tall = number(width), number(height)
    # A narrow one is as wide as it is: made wider, its words would shout.
    small = _NARROW <= width <= _SMALL
    size = f" {css}" if css else " tc-flow-picture--small" if small else ""
    if max(width, height) > _LARGE:
        size = f"{size} tc-flow-picture--large"
    return Svg(
        f'<svg class="tc-flow-picture{size}" role="group" width="{wide}" height="{tall}"'
        f' viewBox="0 0 {wide} {tall}" aria-labelledby="{escape(named)}"'
        f' aria-describedby="{escape(described)}">{"".join(parts)}</svg>'
    )
