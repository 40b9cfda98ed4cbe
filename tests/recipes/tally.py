"""A plugin of pytest that ends with one line: what was asked of recipes, and what was wrong.

A test counts what it tried by the fixture `record_property`, with the names below. Use it as
`-p tests.recipes.tally`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import pytest

from tests.reporting import Properties as Properties
from tests.reporting import Record as Record
from tests.reporting import added_up, ended, reporter_of

RECIPES: Final = "recipes"
CHECKS: Final = "checks"
PATHS: Final = "paths"
HOSTS: Final = "hosts"
TRIED: Final = (RECIPES, CHECKS, PATHS, HOSTS)
# What was answered otherwise than it has to be.
WRONG: Final = "wrong"


def counted(tests: Iterable[tuple[bool, Properties]]) -> tuple[Counter[str], int]:
    """Return what was tried, and how many answers were wrong.

    Of each test it takes whether it passed, and what it recorded of itself. One that failed without
    a number found one.
    """
    return added_up(tests, TRIED, (WRONG,))


def line(found: Counter[str], wrong: int) -> str:
    """Return it in words."""
    first, *rest = (f"{name}: {found[name]:,}" for name in TRIED)
    return f"{first.capitalize()}, {', '.join(rest)}. Wrong answers: {wrong:,}."


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Print the line after everything else that a run prints."""
    yield
    reporter = reporter_of(session)
    if reporter is None:
        return
    reporter.write_line(line(*counted(ended(reporter))))
