"""When an adopted environment was open to edits by hand."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from accounts.models import User
from environments.models import Environment


class Unlocking(models.Model):
    """A time in which an adopted environment was open to edits by hand."""

    environment = models.ForeignKey(
        Environment, on_delete=models.PROTECT, related_name="unlockings"
    )
    reason = models.CharField(max_length=300)
    # When the worker locks it again; None where an earlier version unlocked it without an end.
    until = models.DateTimeField(null=True, blank=True)
    unlocked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    unlocked_at = models.DateTimeField(auto_now_add=True)
    locked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment"],
                condition=models.Q(locked_at=None),
                name="promotion_one_open_unlocking",
            ),
        )

    def __str__(self) -> str:
        return f"{self.environment} unlocked: {self.reason}"

    @classmethod
    def of(cls, environment: Environment) -> Unlocking | None:
        """Return the unlocking that is in force, or None where the environment is locked."""
        return cls.objects.filter(environment=environment, locked_at=None).first()
