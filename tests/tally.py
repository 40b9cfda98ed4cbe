"""A plugin of pytest that ends with one line: what was tried, and how often a state was torn.

Where TALLY names a file, what earlier runs tried is added, and this run for those that follow.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reporting import reporter_of

# What a test is counted as, by a part of its name.
TRIED = {
    "kill points": ("test_what_a_killed_process_left",),
    "engine faults": (
        "faults/test_engine.py",
        "faults/test_refused.py",
        "faults/test_restart.py",
    ),
    "races": ("tests/races/",),
}
FOLDERS = ("tests/faults/", "tests/races/")
TORN = "torn states"
# How many a test of random steps did is a property of its report.
STEPS_TRIED = "random steps"


def counted(
    passed: list[str], failed: list[str], broken: list[str], steps: int = 0
) -> dict[str, int]:
    """Return how many tests of each kind ran, by the names of tests that ended.

    `steps` is how many random steps were done in them.
    """
    ran = [*passed, *failed]
    counts = {
        what: sum(any(part in name for part in parts) for name in ran)
        for what, parts in TRIED.items()
    }
    counts[STEPS_TRIED] = steps
    counts[TORN] = sum(name.startswith(FOLDERS) for name in [*failed, *broken])
    return counts


def line(counts: dict[str, int]) -> str:
    """Return the counts in words."""
    words = ", ".join(f"{counts[what]} {what}" for what in [*TRIED, STEPS_TRIED])
    return f"Tried: {words}. Torn states found: {counts[TORN]}."


def _names(reporter: pytest.TerminalReporter, outcome: str) -> list[str]:
    return [report.nodeid for report in reporter.stats.get(outcome, [])]


def _steps(reporter: pytest.TerminalReporter) -> int:
    return sum(
        int(str(value))
        for outcome in ("passed", "failed")
        for report in reporter.stats.get(outcome, [])
        for name, value in report.user_properties
        if name == STEPS_TRIED
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Print the line after everything else that a run prints."""
    yield
    reporter = reporter_of(session)
    if reporter is None:
        return
    passed, failed, broken = (_names(reporter, o) for o in ("passed", "failed", "error"))
    counts = counted(passed, failed, broken, _steps(reporter))
    if kept := os.environ.get("TALLY"):
        file = Path(kept)
        before = json.loads(file.read_text()) if file.exists() else {}
        counts = {what: number + before.get(what, 0) for what, number in counts.items()}
        file.write_text(json.dumps(counts))
    reporter.write_line(line(counts))
