"""`manage.py` in a process that kills itself when it puts the 450th value under another key."""

import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

DIES_AT = 450

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tracardi_console.settings"
    sys.path.insert(0, str(Path.cwd()))
    import django
    from django.core.management import execute_from_command_line

    django.setup()
    from accounts.encrypted import Kind

    change, calls = Kind.change, count(1)

    def dying(kind: Kind, pk: Any, before: Any, after: Any) -> bool:
        if next(calls) == DIES_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        return change(kind, pk, before, after)

    Kind.change = dying  # type: ignore[method-assign, assignment]
    execute_from_command_line(sys.argv)
