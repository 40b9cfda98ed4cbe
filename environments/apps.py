from django.apps import AppConfig


class EnvironmentsConfig(AppConfig):
    name = "environments"
    verbose_name = "Environments"

    def ready(self) -> None:
        """Read ALLOWED_TARGETS, so that a console whose list cannot be read does not start."""
        from environments.targets import rules

        rules()
