"""What is known of an environment's health, and its history; part of `environments.models`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from environments.findings import Finding
from environments.health.judging import things

if TYPE_CHECKING:
    from environments.models import Environment

# So many looks that did not come say that nobody looks; ten minutes at least.
_MISSED = 3
_LEAST_OLD = timedelta(minutes=10)


class HealthState(models.Model):
    """What the last looks at an environment found; one row an environment."""

    environment: models.OneToOneField[Environment, Environment] = models.OneToOneField(
        "environments.Environment", on_delete=models.CASCADE, related_name="health_state"
    )
    # When somebody took a look on; of two, one does.
    begun_at = models.DateTimeField(default=timezone.now)
    # When the last look began that ended, and the last one that got an answer.
    tried_at = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    # Why the last one got none.
    problem = models.TextField(blank=True)
    # What is not as it should be, as of `looked_at`.
    findings: models.JSONField[list[dict[str, str]], Any] = models.JSONField(
        default=list, blank=True
    )
    # By promoted resource, the digests of mapping and analysis settings: the other side's are
    # compared with them, without asking either cluster.
    shapes: models.JSONField[dict[str, list[str]], Any] = models.JSONField(default=dict, blank=True)
    # The cluster's disks: of no history.
    disks: models.JSONField[list[dict[str, Any]], Any] = models.JSONField(default=list, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Health of {self.environment}"

    @property
    def is_old(self) -> bool:
        """Whether nobody looks any more, such as where no worker runs."""
        old = max(_LEAST_OLD, _MISSED * timedelta(seconds=settings.HEALTH_SECONDS))
        return self.tried_at is None or timezone.now() - self.tried_at > old

    @property
    def found(self) -> list[Finding]:
        return [Finding.from_dict(one) for one in self.findings]

    @property
    def things(self) -> int:
        return things(self.found)


class HealthLook(models.Model):
    """One look at an environment: figures for their history. None is what is not known."""

    environment: models.ForeignKey[Environment, Environment] = models.ForeignKey(
        "environments.Environment", on_delete=models.CASCADE, related_name="health_looks"
    )
    at = models.DateTimeField()
    is_reachable = models.BooleanField()
    latency_ms = models.FloatField(null=True, blank=True)
    engine = models.CharField(max_length=60, blank=True)
    # Of the cluster: green, yellow or red.
    status = models.CharField(max_length=10, blank=True)
    # How many findings asked somebody to do something; and how many were of these kinds.
    things = models.PositiveIntegerField(null=True, blank=True)
    missing = models.PositiveIntegerField(null=True, blank=True)
    extra = models.PositiveIntegerField(null=True, blank=True)
    astray = models.PositiveIntegerField(null=True, blank=True)
    red = models.PositiveIntegerField(null=True, blank=True)
    differing = models.PositiveIntegerField(null=True, blank=True)
    # Of the fullest disk, from 0 to 1.
    disk_used = models.FloatField(null=True, blank=True)
    open_shards = models.PositiveIntegerField(null=True, blank=True)
    most_shards = models.PositiveIntegerField(null=True, blank=True)
    # Of the promoted resources: all of them, and each one's pair by its name.
    documents = models.PositiveBigIntegerField(null=True, blank=True)
    size = models.PositiveBigIntegerField(null=True, blank=True)
    resources: models.JSONField[dict[str, list[int | None]], Any] = models.JSONField(
        default=dict, blank=True
    )
    events = models.PositiveBigIntegerField(null=True, blank=True)
    events_size = models.PositiveBigIntegerField(null=True, blank=True)
    last_event = models.DateTimeField(null=True, blank=True)
    # Of the last 24 hours: events, the failed ones, those that left an error in the console log.
    day = models.PositiveBigIntegerField(null=True, blank=True)
    failed = models.PositiveBigIntegerField(null=True, blank=True)
    logged = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta:
        default_permissions = ()
        ordering = ("-at", "-id")
        indexes: ClassVar = [models.Index(fields=["environment", "at"], name="health_look_at")]

    def __str__(self) -> str:
        return f"{self.environment} at {self.at}"

    @property
    def failed_share(self) -> float | None:
        """The percentage of the day's events that failed; None without events."""
        return 100 * self.failed / self.day if self.day and self.failed is not None else None
