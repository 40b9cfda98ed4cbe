"""A plugin of pytest that ends with one line: what the tests of rights and of forms asked.

A test counts what it asked by its properties. Use it as `-p tests.security.tally`.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import pytest

CELLS: Final = "cells of the matrix"
COMMANDS: Final = "commands run as somebody"
LOOKS: Final = "looks that changed nothing"
FUZZED: Final = "requests with rubbish"
HOLES: Final = "holes"


def line(properties: Iterable[tuple[str, object]]) -> str:
    """Return in words what tests recorded of themselves."""
    counts = dict.fromkeys((CELLS, COMMANDS, LOOKS, FUZZED, HOLES), 0)
    for name, value in properties:
        if name in counts:
            counts[name] += int(str(value))
    holes = counts.pop(HOLES)
    tried = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    return f"Tried: {tried}. Holes found: {holes}."


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Print the line after everything else that a run prints."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    ended = [one for o in ("passed", "failed") for one in reporter.stats.get(o, [])]
    reporter.write_line(line([pair for one in ended for pair in one.user_properties]))
