"""App configurations of the project itself: its templates and static files, and the admin site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AppConfig):
    name = "tracardi_console"
    verbose_name = "Tracardi Console"

    def ready(self) -> None:
        """Check the project's own settings at each start."""
        from django.core.checks import register

        from tracardi_console.checks import check_metrics_token

        register(check_metrics_token)


class ConsoleAdminConfig(AdminConfig):
    """Django's admin with the console's own site."""

    default_site = "tracardi_console.site.ConsoleAdminSite"
