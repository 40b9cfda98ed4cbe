"""Who uses the console; what they did or tried is in `accounts.audit_models`."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models

from accounts.audit_models import AuditEvent as AuditEvent
from accounts.audit_models import AuditImmutableError as AuditImmutableError
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
