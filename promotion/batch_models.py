"""Batches: one build for each of several tenants, promoted side by side."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar

from django.db import models

from accounts.models import User
from environments.models import Environment

if TYPE_CHECKING:
    from promotion.models import Promotion


class Batch(models.Model):
    """What was asked for at once, for several targets; each of them ends by itself."""

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        # At least one of them did not succeed.
        FAILED = "failed"

    ACTIVE: ClassVar = (Status.PENDING.value, Status.RUNNING.value)

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    # So many targets are worked on at a time, at most.
    parallel = models.PositiveSmallIntegerField()
    comment = models.TextField(blank=True)
    requested_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="batches"
    )
    channel = models.CharField(max_length=10)
    # All audit events of the batch and of its promotions share it.
    group = models.UUIDField(default=uuid.uuid4, editable=False)
    # Who works on it: a worker whose number is not this one any more begins no further target.
    run = models.PositiveIntegerField(default=0)
    # A sign of life of that worker.
    beats = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ()
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        return f"Batch {self.pk}"

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    @property
    def environment(self) -> None:
        """No single one: a batch is for who may promote everywhere."""
        return None


class BatchItem(models.Model):
    """One target of a batch, and how it ended; `refused` never became a promotion."""

    class Status(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        ERRORED = "errored"
        ABORTED = "aborted"
        REFUSED = "refused"
        UNTRIED = "untried", "not tried"

    ACTIVE: ClassVar = (Status.WAITING.value, Status.RUNNING.value)

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items")
    environment = models.ForeignKey(
        Environment, on_delete=models.PROTECT, related_name="batch_items"
    )
    build = models.ForeignKey(
        "promotion.Build", on_delete=models.PROTECT, related_name="batch_items"
    )
    # Of the plan that was confirmed; empty: the present one, and prepared where needed.
    plan_digest = models.CharField(max_length=64, blank=True)
    # The codes that were agreed to.
    consents = models.JSONField(default=list, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    message = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["batch", "environment"], name="promotion_a_target_once_a_batch"
            ),
        )

    def __str__(self) -> str:
        return f"{self.batch}: {self.environment}"

    @property
    def promotion(self) -> Promotion | None:
        """What it became, if it began."""
        return self.batch.promotions.filter(environment_id=self.environment_id).first()

    @property
    def seconds(self) -> float | None:
        """How long it took, or None where it was never begun or goes on."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()
