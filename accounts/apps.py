"""The accounts app; it gives the roles their grants once the permissions exist."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def _sync_after_migrate(sender: AppConfig, **_kwargs: Any) -> None:
    from accounts.services import sync_roles

    sync_roles()


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from django.apps import apps

        # The verbs are permissions of Environment, made when that app has been migrated.
        post_migrate.connect(
            _sync_after_migrate,
            sender=apps.get_app_config("environments"),
            dispatch_uid="accounts.sync_roles",
        )
