#!/usr/bin/env python
"""Run one of the console's management commands."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError, connection

from tracardi_console.starting import check_settings, stop, stop_without_database


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tracardi_console.settings")
    check_settings()
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        stop(error)
    except OperationalError as error:
        if connection.connection is not None:
            # It was there: whatever else went wrong is worth all of its words.
            raise
        stop_without_database(error)


if __name__ == "__main__":
    main()
