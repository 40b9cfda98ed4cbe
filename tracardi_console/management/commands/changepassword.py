"""Stands in for Django's command, which leaves no audit event.

It lives in the project's app because that one is listed before django.contrib.auth.
"""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.audit import Actor, record
from accounts.models import User

BAD_INPUT = 2


class Command(BaseCommand):
    help = (
        "Set a forgotten password, which is asked for, or read from standard input. All of the "
        "account's sessions end, and the audit trail says who of the system did it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *_args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            self._end(f"There is no account called {options['username']}.")
            return
        # Not an argument: other users of the machine would see it in the list of processes.
        asked = sys.stdin.isatty()
        password = getpass.getpass() if asked else sys.stdin.readline().rstrip("\n")
        try:
            validate_password(password, user)
        except ValidationError as error:
            self._end(" ".join(error.messages))
        actor = Actor(user=None, channel="cli", system_user=getpass.getuser())
        with transaction.atomic():
            user.set_password(password)
            user.save(update_fields=["password"])
            record(actor, "account.password-set", user)
        self.stdout.write(f"The password of {user.username} is set, and its sessions have ended.")

    def _end(self, words: str) -> None:
        self.stderr.write(f"{words} Nothing was changed.")
        sys.exit(BAD_INPUT)
