"""Stands in for Django's command: nobody is ever a superuser here.

It lives in the project's app because that one is listed before django.contrib.auth.
"""

import sys
from typing import Any

from django.core.management.base import BaseCommand

REFUSED = 3


class Command(BaseCommand):
    help = "Refused: the console has no superusers. Use create_admin."

    def handle(self, *_args: Any, **_options: Any) -> None:
        self.stderr.write(
            "The console has no superusers, and none was created. "
            "Create the administrator with `manage.py create_admin USERNAME`."
        )
        sys.exit(REFUSED)
