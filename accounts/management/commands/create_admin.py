"""`manage.py create_admin USERNAME`: the first account of a new console."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand

from accounts.audit import Actor
from accounts.roles import Role
from accounts.services import create_user

BAD_INPUT = 2


class Command(BaseCommand):
    help = "Create the administrator. The password is asked for, or read from standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email", default="")

    def handle(self, *_args: Any, **options: Any) -> None:
        # Not an argument: other users of the machine would see it in the list of processes.
        asked = sys.stdin.isatty()
        password = getpass.getpass() if asked else sys.stdin.readline().rstrip("\n")
        actor = Actor(user=None, channel="cli", system_user=getpass.getuser())
        try:
            user = create_user(
                actor,
                username=options["username"],
                role=Role.ADMINISTRATOR,
                password=password,
                email=options["email"],
            )
        except ValidationError as error:
            words = " ".join(error.messages)
            self.stderr.write(f"No account was created: {words}")
            sys.exit(BAD_INPUT)
        self.stdout.write(f"Created the administrator {user.username}.")
