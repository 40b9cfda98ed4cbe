"""Draws growth curves as SVG: seconds of a job against documents, both by orders of magnitude."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

WIDTH, HEIGHT, MARGIN = 720, 420, 64
COLOURS: Final = ("#0f766e", "#b45309", "#1d4ed8", "#9333ea", "#be123c")


def draw(found: Mapping[str, Any]) -> str:
    """Return an SVG of the curves that `growth.curves` gives: the whole job, and its parts."""
    curves = {"whole job": found["seconds"]}
    curves |= {name: found["parts"][name] for name in ("capture", "prepare", "cutover", "verify")}
    documents = found["documents"]
    low = min(value for curve in curves.values() for value in curve)
    high = max(value for curve in curves.values() for value in curve)
    # Whole powers of ten around all that is drawn.
    across = (
        math.log10(documents[0]),
        max(math.log10(documents[-1]), math.log10(documents[0]) + 1),
    )
    up = (math.floor(math.log10(max(low, 1e-4))), math.ceil(math.log10(high)))

    def x(value: float) -> float:
        return MARGIN + (math.log10(value) - across[0]) / (across[1] - across[0]) * (
            WIDTH - 3 * MARGIN
        )

    def y(value: float) -> float:
        share = (math.log10(max(value, 1e-4)) - up[0]) / max(1, up[1] - up[0])
        return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="13">',
        "<title>Seconds to promote one changed document, by documents in its resource</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for power in range(up[0], up[1] + 1):
        value = 10.0**power
        lines.append(_rule(y(value), f"{value:g} s"))
    for count in documents:
        lines.append(
            f'<text x="{x(count):.1f}" y="{HEIGHT - MARGIN + 22}" text-anchor="middle">'
            f"{count:,}</text>"
        )
    for (name, curve), colour in zip(curves.items(), COLOURS, strict=True):
        lines += _curve(name, [(x(d), y(v)) for d, v in zip(documents, curve, strict=True)], colour)
    lines.append(
        f'<text x="{WIDTH / 2 - MARGIN / 2}" y="{HEIGHT - 14}" text-anchor="middle">'
        "documents in one resource, of which one changed</text></svg>"
    )
    return "\n".join(lines) + "\n"


def _rule(at: float, words: str) -> str:
    return (
        f'<line x1="{MARGIN}" x2="{WIDTH - 2 * MARGIN}" y1="{at:.1f}" y2="{at:.1f}" '
        f'stroke="#d4d4d8"/><text x="{MARGIN - 8}" y="{at + 4:.1f}" text-anchor="end">'
        f"{escape(words)}</text>"
    )


def _curve(name: str, points: Sequence[tuple[float, float]], colour: str) -> list[str]:
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    end = points[-1]
    return [
        f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points),
        f'<text x="{end[0] + 10:.1f}" y="{end[1] + 4:.1f}" fill="{colour}">{escape(name)}</text>',
    ]
