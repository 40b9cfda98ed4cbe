"""A picture for a mail: one bar a day, as PNG. Pure: no Django, no I/O.

Mail programs draw no SVG and run no script. The font is the one that Pillow brings along, so that
the picture is the same on each machine; it holds figures, days and our own words alone.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageFont

# In pixels of a page; each is drawn as SCALE by SCALE, for screens that show finer ones.
WIDTH: Final = 600
HEIGHT: Final = 260
SCALE: Final = 2
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 8, 44, 34
_GROUND, _INK, _SUBTLE, _LINE = "#ffffff", "#1c1917", "#57534e", "#e7e5e4"
_BAR, _BEFORE = "#0e7490", "#a8a29e"
_STEPS: Final = (1, 2, 5, 10)
_LINES: Final = 4
# A bar that is so high has its number in it.
_ROOM: Final = 30
# From here on that is rounded; the alternative text has it whole.
_EXACT: Final = 10_000


@dataclass(frozen=True)
class Bar:
    """One day: its label, how much it has, and the same day of the week before; None: unknown."""

    label: str
    value: int
    before: int | None = None


def words_of(bars: Sequence[Bar], unit: str) -> str:
    """Return what the picture shows, for whoever does not see it."""
    days = ", ".join(f"{bar.label}: {bar.value:,}" for bar in bars)
    return f"{unit.capitalize()} a day: {days}."


def scale_of(most: int) -> tuple[int, int]:
    """Return the step between two lines of the axis and its end, which is at least `most`."""
    rough = max(1, most) / _LINES
    power = 1
    while power * 10 <= rough:
        power *= 10
    step = next(part * power for part in _STEPS if part * power >= rough)
    return step, step * max(1, -(-most // step))


def short(value: int) -> str:
    """Return a number of the axis in few characters, such as `12.5k`."""
    for size, letter in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return str(value)


def draw(bars: Sequence[Bar], unit: str) -> bytes:
    """Return bars as PNG, with an axis that begins at zero; what was before is a line at each.

    Raises:
        ValueError: there is nothing to draw.
    """
    if not bars:
        raise ValueError("A picture needs a bar at least.")
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), _GROUND)
    pen = ImageDraw.Draw(image)
    step, end = scale_of(max(max(bar.value, bar.before or 0) for bar in bars))
    low, high = HEIGHT - _BOTTOM, _TOP

    def height(value: int) -> float:
        return low - (low - high) * value / end

    for line in range(0, end + 1, step):
        _rule(pen, _LEFT, WIDTH - _RIGHT, height(line), _LINE)
        _write(pen, _LEFT - 8, height(line), short(line), 14, _SUBTLE, "rm")
    place = (WIDTH - _LEFT - _RIGHT) / len(bars)
    for number, bar in enumerate(bars):
        middle = _LEFT + place * (number + 0.5)
        left, right = middle - place * 0.31, middle + place * 0.31
        if bar.value:
            top = min(height(bar.value), low - 1)
            pen.rectangle(_scaled(left, top, right, low), fill=_BAR)
        if bar.before is not None:
            at = height(bar.before)
            wide = place * 0.4
            pen.rectangle(_scaled(middle - wide, at - 1, middle + wide, at + 1), fill=_BEFORE)
        words = f"{bar.value:,}" if bar.value < _EXACT else short(bar.value)
        if low - height(bar.value) >= _ROOM:
            # At its foot, where the line of the week before is seldom.
            _write(pen, middle, low - 8, words, 16, _GROUND, "ms", ground=_BAR)
        else:
            _write(pen, middle, height(bar.value) - 5, words, 16, _INK, "ms")
        _write(pen, middle, low + 8, bar.label, 16, _SUBTLE, "ma")
    _rule(pen, _LEFT, WIDTH - _RIGHT, low, _SUBTLE)
    _legend(pen, bars, unit)
    file = io.BytesIO()
    image.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue()


def _legend(pen: ImageDraw.ImageDraw, bars: Sequence[Bar], unit: str) -> None:
    at = _LEFT
    pen.rectangle(_scaled(at, 9, at + 12, 19), fill=_BAR)
    _write(pen, at + 18, 14, f"{unit} a day", 15, _INK, "lm")
    if any(bar.before is not None for bar in bars):
        at += 150
        pen.rectangle(_scaled(at, 13, at + 18, 15), fill=_BEFORE)
        _write(pen, at + 24, 14, "the week before", 15, _INK, "lm")


def _scaled(*places: float) -> list[float]:
    return [round(place * SCALE) for place in places]


def _rule(pen: ImageDraw.ImageDraw, left: float, right: float, at: float, colour: str) -> None:
    pen.line(_scaled(left, at, right, at), fill=colour, width=SCALE)


def _write(
    pen: ImageDraw.ImageDraw,
    across: float,
    down: float,
    words: str,
    size: int,
    colour: str,
    anchor: str,
    *,
    ground: str = _GROUND,
) -> None:
    font = ImageFont.load_default(size * SCALE)
    # On its ground, where a line of the axis is behind it.
    pen.text(
        (across * SCALE, down * SCALE),
        words,
        fill=colour,
        font=font,
        anchor=anchor,
        stroke_width=3 * SCALE,
        stroke_fill=ground,
    )
