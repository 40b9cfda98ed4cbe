from django.apps import AppConfig


class EnvironmentsConfig(AppConfig):
    name = "environments"
    verbose_name = "Environments"

    def ready(self) -> None:
        """Read ALLOWED_TARGETS, so that a console whose list cannot be read does not start."""
        from environments.saved.services import pinned_page
        from environments.start_pages import register_start_page
        from environments.targets import rules

        rules()
        register_start_page(pinned_page)
