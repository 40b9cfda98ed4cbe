"""What the plugins of pytest share that end a run with one line."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import pytest

# What the fixture `record_property` is, and what a report keeps of it.
Record: TypeAlias = Callable[[str, object], None]
Properties: TypeAlias = Iterable[tuple[str, object]]


def reporter_of(session: pytest.Session) -> pytest.TerminalReporter | None:
    """Return where a run prints its line; None in one of its workers, or where none is."""
    found = session.config.pluginmanager.get_plugin("terminalreporter")
    return None if found is None or hasattr(session.config, "workerinput") else found


def ended(reporter: pytest.TerminalReporter) -> list[tuple[bool, Properties]]:
    """Return of each test that ended whether it passed, and what it recorded of itself."""
    return [
        (how == "passed", one.user_properties)
        for how in ("passed", "failed", "error")
        for one in reporter.stats.get(how, [])
    ]


def added_up(
    tests: Iterable[tuple[bool, Properties]], tried: Sequence[str], bad: Sequence[str]
) -> tuple[Counter[str], int]:
    """Return what was tried, by the names in `tried`, and how much of it was bad.

    One that failed without a number in `bad` counts as one.
    """
    found: Counter[str] = Counter()
    wrong = 0
    for passed, properties in tests:
        own: Counter[str] = Counter()
        for name, value in properties:
            own[name] += int(str(value)) if name in (*tried, *bad) else 0
        found.update({name: own[name] for name in tried})
        wrong += sum(own[name] for name in bad) or int(not passed)
    return found, wrong
