"""App configurations of the project itself: its templates and static files, and the admin site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AppConfig):
    name = "tracardi_console"
    verbose_name = "Tracardi Console"

    def ready(self) -> None:
        """Keep SQLite's file for its owner alone, before anything opens it."""
        from django.conf import settings
        from django.core.checks import register

        from tracardi_console.checks import check_metrics_token
        from tracardi_console.private import keep_private

        keep_private(settings.DATABASES["default"])
        register(check_metrics_token)


class ConsoleAdminConfig(AdminConfig):
    """Django's admin with the console's own site."""

    default_site = "tracardi_console.site.ConsoleAdminSite"
