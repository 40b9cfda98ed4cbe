"""A plugin of pytest that ends with one line: what was tried to get past the rules, and what got.

A test counts what it tried by the fixture `record_property`, with the names below. Use it as
`-p tests.security.tally`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import pytest

from tests.reporting import Properties as Properties
from tests.reporting import Record as Record
from tests.reporting import added_up, ended, reporter_of

ROUTES: Final = "routes"
PERSONS: Final = "kinds of person"
CELLS: Final = "cells of the matrix"
COMMANDS: Final = "commands run as somebody"
LOOKS: Final = "looks that changed nothing"
FUZZED: Final = "requests with rubbish"
PAGES: Final = "pages visited in a browser"
PAYLOADS: Final = "payloads"
CANARIES: Final = "looks for canaries"
TRIED: Final = (
    ROUTES,
    PERSONS,
    CELLS,
    COMMANDS,
    LOOKS,
    FUZZED,
    PAGES,
    PAYLOADS,
    CANARIES,
)
# What got past: a cell that was another, a payload that ran.
HOLES: Final = "holes"
EXECUTED: Final = "executed"


def counted(tests: Iterable[tuple[bool, Properties]]) -> tuple[Counter[str], int]:
    """Return what was tried, and how many leaks were found.

    Of each test it takes whether it passed, and what it recorded of itself. One that failed without
    a number found one.
    """
    return added_up(tests, TRIED, (HOLES, EXECUTED))


def line(found: Counter[str], leaks: int) -> str:
    """Return it in words."""
    tried = ", ".join(f"{found[name]:,} {name}" for name in TRIED)
    return f"Tried: {tried}. Leaks found: {leaks}."


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Print the line after everything else that a run prints."""
    yield
    reporter = reporter_of(session)
    if reporter is None:
        return
    reporter.write_line(line(*counted(ended(reporter))))
