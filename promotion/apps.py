from collections.abc import Iterable
from datetime import datetime

from django.apps import AppConfig


class PromotionConfig(AppConfig):
    name = "promotion"
    verbose_name = "Promotion"

    def ready(self) -> None:
        """Tell `environments` what went live and is bound, and `accounts` what is encrypted."""
        from django.urls import reverse

        from accounts.encrypted import register, whole_bytes
        from accounts.models import User
        from environments.dashboards.marks import Marker, register_markers
        from environments.last_changes import Changes, register_changes
        from environments.models import Environment
        from environments.ties import register_tie

        def went_live(
            environment: Environment, start: datetime, end: datetime, user: User
        ) -> Iterable[Marker]:
            from promotion.models import Promotion
            from promotion.views import visible_promotions

            rows = visible_promotions(user).filter(
                environment=environment, live_at__gte=start, live_at__lt=end
            )
            for row in rows:
                if row.live_at is not None:
                    url = reverse("promotion:promotion", args=[row.pk])
                    # What failed after it went live was swapped back: it was served for a moment.
                    back = ", swapped back" if row.status == Promotion.Status.FAILED else ""
                    yield Marker(row.live_at, f"{row.get_kind_display()}{back}", url)

        register_markers(went_live)

        def changes(environment: Environment, user: User) -> Changes | None:
            from promotion.last_changes import recorded

            return recorded(environment, user)

        register_changes(changes)
        register(whole_bytes("Documents of builds", "promotion.Blob", "body"))
        register(whole_bytes("Lists of documents", "promotion.StoredTree", "body"))
        register(whole_bytes("Links of documents", "promotion.StoredLinks", "body"))

        def bound(environment: Environment) -> str:
            from promotion.models import Build, Promotion, StoredGeneration

            if StoredGeneration.objects.filter(environment=environment).exists():
                return "is adopted, or was"
            if Build.objects.filter(environment=environment).exists():
                return "has builds"
            if Promotion.objects.filter(environment=environment).exists():
                return "has promotions"
            return ""

        register_tie(bound)
