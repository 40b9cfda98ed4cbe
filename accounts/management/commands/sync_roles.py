"""`manage.py sync_roles`: makes the stored grants equal the table in `accounts.roles`."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.models import User
from accounts.services import sync_roles


class Command(BaseCommand):
    help = "Make everybody's grants equal the table of roles; each migration does it too."

    def handle(self, *_args: Any, **_options: Any) -> None:
        sync_roles()
        self.stdout.write(
            f"The grants of {User.objects.count()} accounts are those of their roles."
        )
