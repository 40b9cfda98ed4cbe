"""Runs the console's commands here, in the test's own process and database."""

import io
import json
from typing import Any

from django.core.management import call_command


def call(*words: str) -> tuple[int, str, str]:
    """Run a command, and return its exit code, what it printed and what it said of errors."""
    out, errors, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command(*words, stdout=out, stderr=errors)
    except SystemExit as end:
        code = int(str(end.code or 0))
    return code, out.getvalue(), errors.getvalue()


def call_json(*words: str) -> tuple[int, dict[str, Any]]:
    """Run a command with --json, and return its exit code and what it printed."""
    code, printed, _errors = call(*words, "--json")
    facts: dict[str, Any] = json.loads(printed)
    return code, facts
