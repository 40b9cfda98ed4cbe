"""What the plugins of pytest share that end a run with one line."""

import pytest


def reporter_of(session: pytest.Session) -> pytest.TerminalReporter | None:
    """Return where a run prints its line; None in one of its workers, or where none is."""
    found = session.config.pluginmanager.get_plugin("terminalreporter")
    return None if found is None or hasattr(session.config, "workerinput") else found
