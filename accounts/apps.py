"""The accounts app; each migration gives the roles their grants, and the audit trail its guard."""

from typing import Any

from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import post_migrate


def _sync_after_migrate(sender: AppConfig, using: str, **_kwargs: Any) -> None:
    from django.db import connections

    from accounts import triggers
    from accounts.services import sync_roles

    sync_roles()
    # SQLite makes a table anew to change it, without its triggers.
    triggers.create(connections[using])


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from django.apps import apps

        from accounts import checks, hooks, kept_kinds, queue

        hooks.connect()
        kept_kinds.connect()
        queue.connect()
        register(checks.check_single_sign_on)
        # The verbs are permissions of Environment, made when that app has been migrated.
        post_migrate.connect(
            _sync_after_migrate,
            sender=apps.get_app_config("environments"),
            dispatch_uid="accounts.sync_roles",
        )
