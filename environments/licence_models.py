"""The licence of Tracardi, and the environments that use it; part of `environments.models`."""

from datetime import date, datetime
from typing import ClassVar

from django.db import models
from django.utils import timezone

from accounts.crypto import EncryptedTextField


def console_day(moment: datetime | None = None) -> date:
    """Return the day of a moment, or of now, in the console's zone.

    A last day is the same for everybody, whatever time zone they have their pages in.
    """
    return timezone.localdate(moment, timezone.get_default_timezone())


class LicenceManager(models.Manager["Licence"]):
    """Leaves keys where they are, until one is asked for."""

    def get_queryset(self) -> models.QuerySet["Licence"]:
        return super().get_queryset().defer("key")


class Licence(models.Model):
    """One licence of Tracardi: it covers a pipeline's both sides, and as many as it says."""

    holder = models.CharField(max_length=200)
    # What Tracardi reads as LICENSE; encrypted, and shown to the administrator on demand alone.
    key = EncryptedTextField()
    # The last day that it covers, in the console's zone; none: without end.
    ends_on = models.DateField(null=True, blank=True)
    note = models.TextField(max_length=2000, blank=True)
    added_at = models.DateTimeField(default=timezone.now, editable=False)
    renewed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The last threshold, in days, that a mail told of; 0 is that it ended.
    told_days = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)

    objects: ClassVar[LicenceManager] = LicenceManager()

    class Meta:
        ordering = ("holder", "pk")
        default_permissions = ()

    def __str__(self) -> str:
        return f"Licence of {self.holder}"

    def days_left(self, today: date) -> int | None:
        """Return how many days come after today; negative: it ended. None: without end."""
        return None if self.ends_on is None else (self.ends_on - today).days


class LicenceUse(models.Model):
    """That an environment uses a licence; of two at once Tracardi would read one."""

    environment = models.OneToOneField(
        "environments.Environment", on_delete=models.CASCADE, related_name="licence_use"
    )
    licence = models.ForeignKey(Licence, on_delete=models.CASCADE, related_name="uses")

    class Meta:
        ordering: ClassVar = ("environment__kind", "environment__name")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.licence} covers {self.environment}"
