"""What the console knows of edits by hand in what it promoted; part of `promotion.models`."""

from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from environments.models import Environment

# So many missed checks, and what was seen last is said to be old.
MISSED_CHECKS = 5


class Watch(models.Model):
    """How an adopted environment was checked for drift last."""

    environment = models.OneToOneField(Environment, on_delete=models.CASCADE, related_name="watch")
    # When a worker took the check on; of two, one does.
    begun_at = models.DateTimeField(default=timezone.now)
    checked_at = models.DateTimeField(null=True, blank=True)
    # When not only the sequence numbers were compared.
    looked_at = models.DateTimeField(null=True, blank=True)
    # The marker of what was live then, and a digest of the sequence numbers behind its names.
    marker = models.CharField(max_length=255, blank=True)
    seen = models.CharField(max_length=64, blank=True)
    # Why it could not be checked.
    problem = models.TextField(blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.environment}, checked {self.checked_at}"

    @property
    def is_old(self) -> bool:
        """Whether nobody has checked it for a while, such as where no worker runs."""
        limit = timedelta(seconds=settings.DRIFT_SECONDS * MISSED_CHECKS)
        return self.checked_at is None or timezone.now() - self.checked_at > limit


class Drift(models.Model):
    """A time in which an environment served other content than was last promoted."""

    class Outcome(models.TextChoices):
        UNDONE = "undone", "Undone by hand"
        KEPT = "kept", "Kept: approved and promoted as it was"
        DISCARDED = "discarded", "Discarded"
        REPLACED = "replaced", "Replaced by what was promoted next"

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="drifts")
    # Of the generation that was edited.
    marker = models.CharField(max_length=255)
    # By resource: the digests of the tree that was promoted and of the one that is served.
    resources = models.JSONField()
    # How many documents were added, changed and removed.
    counts = models.JSONField()
    # The content digest of all that is served: what a person was shown.
    content = models.CharField(max_length=64)
    found_at = models.DateTimeField(auto_now_add=True)
    # When it was seen to be another drift than before.
    moved_at = models.DateTimeField(default=timezone.now)
    # The build that holds it, once it was kept for review.
    build = models.ForeignKey(
        "promotion.Build", null=True, blank=True, on_delete=models.PROTECT, related_name="drifts"
    )
    carried_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment"],
                condition=models.Q(ended_at=None),
                name="promotion_one_open_drift",
            ),
        )

    def __str__(self) -> str:
        return f"Drift {self.pk} of {self.environment}"

    @property
    def documents(self) -> int:
        """How many documents differ."""
        return int(sum(self.counts.values()))

    @property
    def words(self) -> str:
        """Say how many documents were changed, and how."""
        parts = [f"{count} {kind}" for kind, count in self.counts.items() if count]
        return f"{', '.join(parts)} by hand"

    @classmethod
    def open_in(cls, environment: Environment) -> "Drift | None":
        """Return the drift that an environment has now, as far as was seen."""
        return cls.objects.filter(environment=environment, ended_at=None).first()

    @classmethod
    def end(cls, environment: Environment, outcome: "Drift.Outcome") -> None:
        """End the open drift of an environment, if there is one."""
        cls.objects.filter(environment=environment, ended_at=None).update(
            ended_at=timezone.now(), outcome=outcome.value
        )
