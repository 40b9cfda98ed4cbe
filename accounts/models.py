"""Who uses the console; what they did or tried is in `accounts.audit_models`."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from django.conf import settings
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.audit_models import AuditEvent as AuditEvent
from accounts.audit_models import AuditImmutableError as AuditImmutableError
from accounts.crypto import EncryptedTextField
from accounts.roles import Role

# How long an offer of the administration waits for its answer.
OFFER_LASTS: Final = timedelta(days=3)


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
    # A part of what each session is checked against: one more, and all of them are over.
    session_epoch = models.PositiveIntegerField(default=0, editable=False)
    invited_at = models.DateTimeField(null=True, blank=True, editable=False)
    # By its IANA name; empty: the console's own. `accounts.time_zones` says which are known.
    time_zone = models.CharField(max_length=64, blank=True, editable=False)
    # When the tour of the first visit was ended; none: it is still shown.
    tour_done_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[ConsoleUserManager] = ConsoleUserManager()

    class Meta(AbstractUser.Meta):
        constraints = (
            models.UniqueConstraint(
                fields=["role"],
                condition=models.Q(role=Role.ADMINISTRATOR.value, is_active=True),
                name="accounts_one_active_administrator",
                violation_error_message="There is an active administrator already.",
            ),
            # Sign-in knows no case: of two such names it would let neither in.
            models.UniqueConstraint(
                Lower("username"),
                name="accounts_user_name_in_any_case",
                violation_error_message="There is an account of this name already.",
            ),
            models.CheckConstraint(
                condition=models.Q(is_superuser=False), name="accounts_nobody_is_superuser"
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=[role.value for role in Role]),
                name="accounts_role_is_known",
            ),
        )

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Return what a session must carry; Django asks for it by this name at each request."""
        held = f"{self.session_epoch}:{self.password}"
        return salted_hmac("accounts.session", held, secret=secret, algorithm="sha256").hexdigest()

    @property
    def is_invited(self) -> bool:
        """Whether an invitation waits: no password was set, and nobody signed in."""
        return (
            self.invited_at is not None
            and self.last_login is None
            and not self.has_usable_password()
        )

    @property
    def is_administrator(self) -> bool:
        return self.role == Role.ADMINISTRATOR.value

    @property
    def label(self) -> str:
        """The name shown to people: the full name, or the user name."""
        return self.get_full_name() or self.username


class Handover(models.Model):
    """The administrator's offer of the role to another person, and what came of it."""

    class Status(models.TextChoices):
        OFFERED = "offered"
        ACCEPTED = "accepted"
        DECLINED = "declined"
        WITHDRAWN = "withdrawn"

    offered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="handovers_offered"
    )
    offered_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="handovers_received"
    )
    # What the present administrator is afterwards; empty: an account that is switched off.
    role_afterwards = models.CharField(max_length=20, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OFFERED)
    reason = models.CharField(max_length=300, blank=True)
    offered_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=["status"],
                condition=models.Q(status="offered"),
                name="accounts_one_handover_offered",
            ),
        )

    def __str__(self) -> str:
        return f"Administration from {self.offered_by.label} to {self.offered_to.label}"

    @property
    def ends_at(self) -> datetime:
        return self.offered_at + OFFER_LASTS

    @property
    def is_open(self) -> bool:
        """Whether it can still be accepted."""
        return self.status == self.Status.OFFERED and timezone.now() < self.ends_at


class DerivationSecret(models.Model):
    """What `accounts.derivation` makes keys of; one row, once keys were rotated."""

    value = EncryptedTextField()

    class Meta:
        default_permissions = ()
        constraints = (
            models.CheckConstraint(condition=models.Q(pk=1), name="accounts_one_derivation_secret"),
        )

    def __str__(self) -> str:
        return "Derivation secret"
