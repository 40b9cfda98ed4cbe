"""The sizes of segments over time; part of `environments.models`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.utils import timezone

if TYPE_CHECKING:
    from environments.models import Environment


class SegmentLook(models.Model):
    """When an environment's segments were counted last; one row an environment."""

    environment: models.OneToOneField[Environment, Environment] = models.OneToOneField(
        "environments.Environment", on_delete=models.CASCADE, related_name="segment_look"
    )
    # When somebody took it on; of two, one does.
    begun_at = models.DateTimeField(default=timezone.now)
    # The last day that was kept.
    day: models.DateField[date | None, date | None] = models.DateField(null=True, blank=True)
    # Why the last look kept none, and how many in a row did not.
    problem = models.TextField(blank=True)
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Segments of {self.environment}"


class SegmentSize(models.Model):
    """How many profiles one segment held on one day."""

    environment: models.ForeignKey[Environment, Environment] = models.ForeignKey(
        "environments.Environment", on_delete=models.CASCADE, related_name="segment_sizes"
    )
    day = models.DateField()
    # What profiles hold: the segment's machine name. What people called it then stands beside it.
    key = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment", "day", "key"], name="environments_one_size_a_segment_and_day"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} on {self.day}"
