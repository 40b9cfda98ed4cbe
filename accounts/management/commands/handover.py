"""`manage.py handover USERNAME --reason WORDS`: another administrator, where access is lost."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand

from accounts.audit import Actor
from accounts.handover import recover
from accounts.models import User
from accounts.people import PeopleError
from accounts.recovery import renew_sign_in
from accounts.roles import Role

BAD_INPUT, REFUSED = 2, 3
AFTERWARDS = {"qa": Role.QA, "marketing": Role.MARKETING, "off": None}


class Command(BaseCommand):
    help = (
        "Make an existing account the administrator, without the present one. For a server's "
        "operator, where access is lost; it is in the audit trail."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="who is the administrator from now on")
        parser.add_argument("--reason", required=True, help="kept in the audit trail")
        parser.add_argument(
            "--former",
            choices=sorted(AFTERWARDS),
            default="off",
            help="what the present administrator is afterwards; off: switched off",
        )
        parser.add_argument(
            "--reset-sign-in",
            action="store_true",
            help="set a new password, asked for or read from standard input, and remove second "
            "factors; also for the present administrator, who lost theirs",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            self._end(f"There is no account called {options['username']}.", BAD_INPUT)
        if not options["reason"].strip():
            self._end("--reason is empty. Say why, for the audit trail.", BAD_INPUT)
        password = self._password(user) if options["reset_sign_in"] else None
        actor = Actor(user=None, channel="cli", system_user=getpass.getuser())
        stays = user.is_administrator and user.is_active and password is not None
        try:
            old = None
            if not stays:
                former = AFTERWARDS[options["former"]]
                old = recover(
                    actor, user, afterwards=former, reason=options["reason"], password=password
                )
            elif password is not None:
                renew_sign_in(actor, user, password, reason=options["reason"])
        except PeopleError as error:
            self._end(str(error), REFUSED)
        words = f"{user.label} is the administrator. All sessions have ended."
        if old is not None:
            words += f" {old.label} is {old.role if old.is_active else 'switched off'}."
        if password is not None:
            words += " The password is new, and a second factor is set up at the next sign-in."
        self.stdout.write(words)

    def _password(self, user: User) -> str:
        asked = sys.stdin.isatty()
        password = getpass.getpass() if asked else sys.stdin.readline().rstrip("\n")
        try:
            validate_password(password, user)
        except ValidationError as error:
            self._end(" ".join(error.messages), BAD_INPUT)
        return password

    def _end(self, words: str, code: int) -> NoReturn:
        self.stderr.write(words if words.endswith("changed.") else f"{words} Nothing was changed.")
        sys.exit(code)
