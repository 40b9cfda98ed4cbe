"""Who uses the console, and the append-only record of what they did or tried."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils import timezone

from accounts.roles import Role


class ConsoleUserManager(UserManager["User"]):
    """Creates users without ever making a superuser."""

    def create_superuser(self, *args: Any, **kwargs: Any) -> "User":
        """Refuse: a superuser would pass every permission check.

        Raises:
            ValueError: always, with the way to go.
        """
        raise ValueError(
            "The console has no superusers, and none was created. "
            "Create the administrator with `manage.py create_admin`."
        )


class User(AbstractUser):
    """A person with one role. What the role permits is in `accounts.roles`."""

    role = models.CharField(
        max_length=20, choices=[(role.value, role.value.capitalize()) for role in Role]
    )
    # Django's admin asks for it at sign-in; here the role alone decides what a person sees.
    is_staff = models.BooleanField(default=True, editable=False)

    objects: ClassVar[ConsoleUserManager] = ConsoleUserManager()

    class Meta(AbstractUser.Meta):
        constraints = (
            models.UniqueConstraint(
                fields=["role"],
                condition=models.Q(role=Role.ADMINISTRATOR.value, is_active=True),
                name="accounts_one_active_administrator",
                violation_error_message="There is an active administrator already.",
            ),
            models.CheckConstraint(
                condition=models.Q(is_superuser=False), name="accounts_nobody_is_superuser"
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]),
                name="accounts_role_is_known",
            ),
        )

    @property
    def label(self) -> str:
        """The name shown to people: the full name, or the user name."""
        return self.get_full_name() or self.username


class AuditImmutableError(RuntimeError):
    """Somebody tried to change or delete an audit event."""


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def update(self, **kwargs: Any) -> int:
        raise AuditImmutableError("Audit events are never changed.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AuditImmutableError("Audit events are never deleted.")


class AuditEvent(models.Model):
    """An append-only fact: who did, or tried, what to what."""

    class Outcome(models.TextChoices):
        DONE = "done"
        REFUSED = "refused"
        FAILED = "failed"

    at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    # The name is frozen beside the key: it must be readable after the account is renamed.
    actor = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="audit_events"
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

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=["object_type", "object_id"]),)

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.object_label} ({self.outcome})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise AuditImmutableError("Audit events are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AuditImmutableError("Audit events are never deleted.")
