"""Smoke checks of what went live; part of `promotion.models`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import models
from django.utils import timezone

from accounts.models import User
from environments.models import Environment

if TYPE_CHECKING:
    from promotion.models import Promotion


# It takes a few seconds; one that takes longer has lost its worker.
STALE_SECONDS: Final = 120.0


class SmokeCheck(models.Model):
    """One look at production after a promotion, which read alone: what held, and what did not."""

    class Status(models.TextChoices):
        RUNNING = "running"
        PASSED = "passed"
        FAILED = "failed"

    promotion: models.ForeignKey[Promotion, Promotion] = models.ForeignKey(
        "promotion.Promotion", on_delete=models.CASCADE, related_name="smoke_checks"
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    # What was asked, whether it held, and in words what was found.
    results: models.JSONField[list[dict[str, Any]], Any] = models.JSONField(
        default=list, blank=True
    )
    requested_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ()

    def __str__(self) -> str:
        return f"Smoke check {self.pk} of {self.promotion}"

    @property
    def is_going_on(self) -> bool:
        """Whether it may still end: one whose worker died does not."""
        if self.status != self.Status.RUNNING:
            return False
        return timezone.now() - self.started_at < timedelta(seconds=STALE_SECONDS)

    @property
    def environment(self) -> Environment:
        """The environment that it looked at (see accounts.policy)."""
        return self.promotion.environment
