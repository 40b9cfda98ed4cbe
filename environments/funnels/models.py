"""Funnels and what was counted of them; part of `environments.models`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.db import models
from django.utils import timezone

from accounts.models import User

if TYPE_CHECKING:
    from environments.models import Cluster, Environment

LEAST_STEPS: Final = 2
MOST_STEPS: Final = 6
LONGEST_NAME: Final = 80
LONGEST_STEP: Final = 120


class Funnel(models.Model):
    """Event types in an order, of which is counted how many visitors come how far on each day."""

    environment: models.ForeignKey[Environment, Environment] = models.ForeignKey(
        "environments.Environment", on_delete=models.CASCADE, related_name="funnels"
    )
    name = models.CharField(max_length=LONGEST_NAME)
    steps: models.JSONField[list[str], Any] = models.JSONField()
    # Whose days are counted: the console's own zone, as it was when they were.
    zone = models.CharField(max_length=64)
    # Counts the changes: who changes it says which one was on the page.
    version = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("name",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment", "name"], name="environments_one_funnel_a_name"
            ),
        )

    def __str__(self) -> str:
        return f"Funnel {self.name}"


class FunnelDay(models.Model):
    """How many visitors reached each step of a funnel on one day."""

    funnel = models.ForeignKey(Funnel, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    # A number for each step; none while the day was not counted.
    counts: models.JSONField[list[int], Any] = models.JSONField(default=list, blank=True)
    # When the reading began that was counted.
    counted_at = models.DateTimeField(null=True, blank=True)
    # Why the counts are not of the whole day.
    partial = models.TextField(blank=True)
    # Why the last try did not count it, how many did not, and when the next one may begin.
    problem = models.TextField(blank=True)
    tries = models.PositiveIntegerField(default=0)
    retry_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(
        null=True, blank=True
    )

    class Meta:
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["funnel", "day"], name="environments_one_count_a_funnel_and_day"
            ),
        )

    def __str__(self) -> str:
        return f"{self.funnel} on {self.day}"


class FunnelTurn(models.Model):
    """Who counts in a cluster: one worker at a time, which sends one request at a time."""

    cluster: models.OneToOneField[Cluster, Cluster] = models.OneToOneField(
        "environments.Cluster", on_delete=models.CASCADE, related_name="funnel_turn"
    )
    # The last sign of whoever counts. One that lies ahead lets the cluster rest until then.
    begun_at = models.DateTimeField(default=timezone.now)
    # How often running the cluster did not answer.
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Turn in {self.cluster}"
