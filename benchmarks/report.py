"""Medians, ratios, and the tables for people."""

from collections.abc import Mapping
from statistics import median
from typing import Any, Final

from benchmarks.data import SHAPES
from benchmarks.reader import Seen

OURS: Final = ("locked", "click", "unlocked")
WAYS: Final[Mapping[str, str]] = {
    "tracardi": "T: Tracardi's own deploy",
    "reindex": "X: `_reindex` into new indices, alias swap",
    "elasticdump": "E: elasticdump into new indices, alias swap",
    "locked": "ours, locked",
    "click": "ours, locked, by a click in the browser",
    "unlocked": "ours, unlocked",
}
# What is wanted: ratio to limit, and the sizes that it is meant for (0: all).
WANTED: Final[Mapping[str, Mapping[int, float]]] = {
    "cutover_to_t": {0: 1 / 10},
    "cutover_unlocked_to_t": {0: 1 / 5},
    "click_to_t": {0: 1 / 3},
    "one_document_job_to_t": {400: 1 / 2, 20_000: 1 / 10},
    "unchanged_capture_to_full": {20_000: 1 / 20},
    "inconsistent_reads": {0: 0},
}


class Results:
    """All samples of one run at one size."""

    def __init__(self, spread: Mapping[str, int], repeats: int) -> None:
        self.spread, self.repeats = dict(spread), repeats
        self.changed: dict[str, int] = {}
        # (way, shape) to what was measured to its samples, in seconds.
        self.samples: dict[tuple[str, str], dict[str, list[float]]] = {}
        self.seen: dict[tuple[str, str], list[Seen]] = {}
        self.left_out: list[str] = []

    def add(self, way: str, shape: str, seconds: Mapping[str, float]) -> None:
        kept = self.samples.setdefault((way, shape), {})
        for name, value in seconds.items():
            kept.setdefault(name, []).append(value)

    def saw(self, way: str, shape: str, seen: Seen) -> None:
        self.seen.setdefault((way, shape), []).append(seen)

    def median(self, way: str, shape: str, name: str) -> float:
        return median(self.samples[way, shape][name])

    @property
    def inconsistent(self) -> int:
        """How many reads of our own ways were inconsistent."""
        return sum(s.inconsistent for (m, _), many in self.seen.items() if m in OURS for s in many)

    def ratios_of(self, shape: str) -> dict[str, float]:
        """Return what is compared with T where that shape was changed."""
        t = self.median("tracardi", shape, "copy")
        return {
            "cutover_to_t": self.median("locked", shape, "cutover") / t,
            "cutover_unlocked_to_t": self.median("unlocked", shape, "cutover") / t,
            "click_to_t": self.median("click", shape, "click_to_live") / t,
            "job_to_t": self.median("locked", shape, "job") / t,
        }

    def ratios(self) -> dict[str, float]:
        """Return the ratios that are wanted; of the cutovers and the click the worst shape's."""
        by_shape = [self.ratios_of(shape) for shape in self.changed]
        full = self.median("capture", "fresh", "capture_full")
        return {
            **{
                name: max(found[name] for found in by_shape)
                for name in ("cutover_to_t", "cutover_unlocked_to_t", "click_to_t")
            },
            "one_document_job_to_t": by_shape[0]["job_to_t"],
            "unchanged_capture_to_full": self.median("capture", "fresh", "capture_unchanged")
            / full,
            "inconsistent_reads": self.inconsistent,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values, in seconds."""
        return {
            "documents": sum(self.spread.values()),
            "repeats": self.repeats,
            "spread": self.spread,
            "changed": self.changed,
            "left_out": self.left_out,
            "seconds": self._seconds(),
            "readers": {
                f"{way}/{shape}": {
                    "reads": sum(one.reads for one in many),
                    "inconsistent": sum(one.inconsistent for one in many),
                    "inconsistent_seconds": round(median(one.bad_seconds for one in many), 4),
                }
                for (way, shape), many in self.seen.items()
            },
            "ratios_by_change": {
                shape: {name: round(value, 4) for name, value in self.ratios_of(shape).items()}
                for shape in self.changed
            },
            "ratios": {name: round(value, 4) for name, value in self.ratios().items()},
            "inconsistent_reads": self.inconsistent,
        }

    def _seconds(self) -> dict[str, Any]:
        return {
            f"{way}/{shape}": {
                name: {
                    "median": round(median(values), 4),
                    "min": round(min(values), 4),
                    "max": round(max(values), 4),
                }
                for name, values in measured.items()
            }
            for (way, shape), measured in self.samples.items()
        }


def tables(found: Mapping[str, Any]) -> str:
    """Return one size's results as Markdown; seconds are median (least to most)."""
    spread = ", ".join(f"{name} {count:,}" for name, count in found["spread"].items())
    return "\n".join(
        [
            f"### {found['documents']:,} documents, {found['repeats']} repeats",
            "",
            f"Spread: {spread}.",
            *(f"Left out: {words}." for words in found["left_out"]),
            "",
            *_ways(found),
            "",
            *_parts(found),
            "",
            *_readers(found),
            "",
            *_wanted(found),
            "",
        ]
    )


def _shapes(found: Mapping[str, Any]) -> dict[str, str]:
    return {shape: SHAPES[shape] for shape in found["changed"]}


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _header(*cells: str) -> list[str]:
    return [_row(*cells), f"|{'---|' * len(cells)}"]


def _cell(found: Mapping[str, Any], way: str, shape: str, name: str) -> str:
    measured = found["seconds"].get(f"{way}/{shape}", {}).get(name)
    if measured is None:
        return ""
    return f"{measured['median']:.3f} ({measured['min']:.3f}-{measured['max']:.3f})"


def _ways(found: Mapping[str, Any]) -> list[str]:
    columns = {
        "T": ("tracardi", "copy"),
        "X": ("reindex", "copy"),
        "E": ("elasticdump", "copy"),
        "cutover, locked": ("locked", "cutover"),
        "cutover, unlocked": ("unlocked", "cutover"),
        "click to live": ("click", "click_to_live"),
        "whole job, locked": ("locked", "job"),
    }
    lines = _header("changed", *columns)
    for shape, words in _shapes(found).items():
        cells = (_cell(found, way, shape, name) for way, name in columns.values())
        lines.append(_row(f"{words} ({found['changed'][shape]:,})", *cells))
    return lines


def _parts(found: Mapping[str, Any]) -> list[str]:
    parts = ("capture", "prepare", "cutover", "verify", "job")
    lines = _header("our job, locked: changed", *parts)
    for shape, words in _shapes(found).items():
        lines.append(_row(words, *(_cell(found, "locked", shape, part) for part in parts)))
    first, again = (
        _cell(found, "capture", "fresh", name) for name in ("capture_full", "capture_unchanged")
    )
    rest = [""] * (len(parts) - 1)
    lines.append(_row("nothing: first capture", first, *rest))
    return [*lines, _row("nothing: captured again", again, *rest)]


def _readers(found: Mapping[str, Any]) -> list[str]:
    lines = _header("readers during", *_shapes(found).values())
    for way, label in WAYS.items():
        seen = [found["readers"].get(f"{way}/{shape}") for shape in found["changed"]]
        cells = (
            f"{one['inconsistent']} of {one['reads']:,}, for {one['inconsistent_seconds']:.2f} s"
            if one is not None
            else ""
            for one in seen
        )
        if any(seen):
            lines.append(_row(label, *cells))
    return lines


def _wanted(found: Mapping[str, Any]) -> list[str]:
    lines = _header("ratio", "is", "wanted", "")
    for name, value in found["ratios"].items():
        limits = WANTED[name]
        limit = limits.get(0, limits.get(found["documents"]))
        if limit is None:
            lines.append(_row(name, f"{value:.3f}", "", ""))
        else:
            verdict = "met" if value <= limit else "missed"
            lines.append(_row(name, f"{value:.3f}", f"{limit:.3f}", verdict))
    return lines
