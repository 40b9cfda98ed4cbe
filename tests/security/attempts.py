"""A plugin of pytest that ends with one line: pages visited, payloads tried, and what executed.

A test says what it did by the fixture `record_property`, with these names. Use it as
`-p tests.security.attempts`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

import pytest

PAGES: Final = "pages visited"
PAYLOADS: Final = "payloads tried"
EXECUTED: Final = "executed"
# What the fixture `record_property` is.
Record: TypeAlias = Callable[[str, object], None]


def counted(properties: Iterable[tuple[str, object]]) -> Counter[str]:
    """Return the sums of what tests recorded of themselves."""
    found: Counter[str] = Counter()
    for name, value in properties:
        if name in {PAGES, PAYLOADS, EXECUTED}:
            found[name] += int(str(value))
    return found


def line(found: Counter[str]) -> str:
    """Return the sums in words."""
    return (
        f"Tried: {found[PAGES]:,} {PAGES}, {found[PAYLOADS]:,} {PAYLOADS}. "
        f"Executed: {found[EXECUTED]}."
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Print the line after everything else that a run prints."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    ended = [one for how in ("passed", "failed") for one in reporter.stats.get(how, [])]
    reporter.write_line(line(counted(pair for one in ended for pair in one.user_properties)))
