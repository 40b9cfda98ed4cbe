"""What workers leave of themselves, for whoever watches them; part of `promotion.models`."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from environments.models import Cluster


class WorkerSign(models.Model):
    """A worker's sign of life: which parts of the work it does, and when it was there last."""

    class Part(models.TextChoices):
        QUEUE = "queue", "What people asked for"
        SCHEDULE = "schedule", "What is done again and again"

    # The machine, the process, and a token: one number may come again after a restart.
    name = models.CharField(max_length=120, unique=True)
    parts = models.JSONField(default=list)
    begun_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now, db_index=True)
    # When each act of the schedule ended well last, or else when the worker began, in seconds since
    # 1970, by its name.
    acts = models.JSONField(default=dict)
    # How long the claim of each running promotion stood still, in seconds, by environment.
    stills = models.JSONField(default=dict)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class EngineLook(models.Model):
    """How long a cluster took to answer when the worker asked it last."""

    cluster = models.OneToOneField(Cluster, on_delete=models.CASCADE, related_name="engine_look")
    # When a worker took the look on; of two, one does.
    begun_at = models.DateTimeField(default=timezone.now)
    looked_at = models.DateTimeField(null=True, blank=True)
    answered = models.BooleanField(default=False)
    seconds = models.FloatField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.cluster}: {self.seconds:.3f} s of {self.looked_at}"
