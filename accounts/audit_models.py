"""The append-only, chained record of what people did or tried; part of `accounts.models`."""

import uuid
from typing import Any, NoReturn

from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone

from accounts.chain import BEGINNING, FIELDS, digest

# Of the lock that appends one event after the other; any number that nobody else takes.
_LOCK = 7_220_183_454_905_661


class AuditImmutableError(RuntimeError):
    """Somebody tried to change or delete an audit event."""


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise AuditImmutableError("Audit events are never changed.")

    def delete(self) -> NoReturn:
        raise AuditImmutableError("Audit events are never deleted.")

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditImmutableError("Audit events are appended one by one: each stands on the last.")


class AuditEvent(models.Model):
    """An append-only fact: who did, or tried, what to what."""

    class Outcome(models.TextChoices):
        DONE = "done"
        REFUSED = "refused"
        FAILED = "failed"

    # Its place in the chain, from 1 without a gap.
    number = models.PositiveBigIntegerField(unique=True, editable=False)
    at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    # The name is frozen beside the key: it must be readable after the account is renamed.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="audit_events",
    )
    actor_name = models.CharField(max_length=200)
    action = models.CharField(max_length=60, db_index=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    object_type = models.CharField(max_length=60, blank=True)
    object_id = models.CharField(max_length=60, blank=True)
    object_label = models.CharField(max_length=300, blank=True)
    environment_id = models.BigIntegerField(null=True, blank=True, db_index=True)
    environment_label = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    detail = models.JSONField(default=dict, blank=True)
    channel = models.CharField(max_length=10)
    address = models.GenericIPAddressField(null=True, blank=True)
    system_user = models.CharField(max_length=100, blank=True)
    request_id = models.CharField(max_length=40, blank=True)
    # All events of one click or command share it.
    group = models.UUIDField(default=uuid.uuid4, editable=False, db_index=True)
    # The digest of the event before, and of this one with it.
    previous = models.CharField(max_length=64, editable=False)
    digest = models.CharField(max_length=64, editable=False)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ("-number",)
        indexes = (models.Index(fields=["object_type", "object_id"]),)

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.object_label} ({self.outcome})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Append it to the chain.

        Raises:
            AuditImmutableError: it is there already.
        """
        if self.pk is not None:
            raise AuditImmutableError("Audit events are never changed.")
        with transaction.atomic():
            # One after the other, until the transaction around ends: SQLite's writer is alone
            # anyway, because its transactions begin as such.
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            last = AuditEvent.objects.order_by("-number").values_list("number", "digest").first()
            number, self.previous = last if last is not None else (0, BEGINNING)
            self.number = number + 1
            # As the database will give it back.
            self.clean_fields(exclude=["digest", "actor"])
            self.digest = digest(self.facts)
            super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AuditImmutableError("Audit events are never deleted.")

    @property
    def facts(self) -> dict[str, Any]:
        """All that the digest is of."""
        return {name: getattr(self, name) for name in FIELDS}
