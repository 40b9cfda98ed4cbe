"""A plugin of pytest that ends with one line: what was tried to get past the rules, and what got.

A test counts what it tried by the fixture `record_property`, with the names below. Use it as
`-p tests.security.tally`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

import pytest

from tests.reporting import reporter_of

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
# What the fixture `record_property` is.
Record: TypeAlias = Callable[[str, object], None]
Properties: TypeAlias = Iterable[tuple[str, object]]


def counted(tests: Iterable[tuple[bool, Properties]]) -> tuple[Counter[str], int]:
    """Return what was tried, and how many leaks were found.

    Of each test it takes whether it passed, and what it recorded of itself. One that failed without
    a number found one.
    """
    found: Counter[str] = Counter()
    leaks = 0
    for passed, properties in tests:
        own: Counter[str] = Counter()
        for name, value in properties:
            own[name] += int(str(value)) if name in (*TRIED, HOLES, EXECUTED) else 0
        found.update({name: own[name] for name in TRIED})
        leaks += (own[HOLES] + own[EXECUTED]) or int(not passed)
    return found, leaks


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
    ended = [
        (how == "passed", one.user_properties)
        for how in ("passed", "failed", "error")
        for one in reporter.stats.get(how, [])
    ]
    reporter.write_line(line(*counted(ended)))
