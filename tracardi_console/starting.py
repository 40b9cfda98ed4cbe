"""Starts the console, or says in one line why it cannot: with a traceback nobody is helped.

`python -m tracardi_console.starting` reads the settings alone, and prints how the console logs.
"""

import json
import os
import sys
from typing import Final, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.db.utils import OperationalError

# As commands end for bad input.
BAD_SETTINGS: Final = 2
# gunicorn's own code for "the application did not load": with another one it would start process
# after process, each to end like the first.
_GUNICORN_LOADS_NOT: Final = 4


def check_settings() -> None:
    """Read the settings; where they are wrong, say why and end."""
    from django.conf import settings

    try:
        # The first that is asked for loads them all.
        _ = settings.SECRET_KEY
    except ImproperlyConfigured as error:
        stop(error)


def stop(error: ImproperlyConfigured) -> NoReturn:
    """Say in one line what is wrong in the settings, and end."""
    words = " ".join(str(error).split())
    sys.stderr.write(f"Nothing was started (docs/settings.md has the settings): {words}\n")
    sys.exit(BAD_SETTINGS)


def stop_without_database(error: OperationalError) -> NoReturn:
    """Say in one line that the database does not answer, and end."""
    words = " ".join(str(error).split())
    sys.stderr.write(
        f"Nothing was done: the database cannot be reached ({words}). Correct DATABASE_URL, or "
        "start the database, then try again.\n"
    )
    sys.exit(BAD_SETTINGS)


def stop_application(error: ImproperlyConfigured) -> NoReturn:
    """Do the same where a web server loads the application, in a way that it understands."""
    try:
        stop(error)
    except SystemExit as end:
        if os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn"):
            raise SystemExit(_GUNICORN_LOADS_NOT) from end
        raise


def main() -> None:
    """Read the settings, and print what gunicorn.conf.py needs of them."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracardi_console.settings")
    check_settings()
    from django.conf import settings

    sys.stdout.write(json.dumps({"level": settings.LOG_LEVEL, "format": settings.LOG_FORMAT}))


if __name__ == "__main__":
    main()
