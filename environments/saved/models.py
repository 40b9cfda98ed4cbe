"""Saved views of dashboards and weekly summaries; part of `environments.models`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, ClassVar, Final, Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.policy import environments_with
from accounts.roles import Role, Verb

if TYPE_CHECKING:
    from environments.models import Environment

LONGEST_QUERY: Final = 2000


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def visible_to(self, user: User) -> Self:
        """Keep a person's own views and those shared with their role, where they may look."""
        ids = environments_with(user, Verb.VIEW_DASHBOARD)
        rows = self if ids is None else self.filter(environment__in=ids)
        shared = Share.objects.filter(view=models.OuterRef("pk"), role=user.role)
        return rows.filter(models.Q(owner=user) | models.Exists(shared))


class SavedView(models.Model):
    """Days and filters of an environment's dashboard under a name."""

    environment: models.ForeignKey[Environment, Environment] = models.ForeignKey(
        "environments.Environment", on_delete=models.CASCADE, related_name="saved_views"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views"
    )
    name = models.CharField(max_length=80)
    # As `Chosen.query()` writes it, so that an address is compared with it as text.
    query = models.CharField(max_length=LONGEST_QUERY)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ("name", "pk")
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                "environment", "owner", Lower("name"), name="environments_view_name"
            )
        ]

    def __str__(self) -> str:
        return f"View “{self.name}” of {self.environment}"

    @property
    def roles(self) -> list[str]:
        """The roles that it is shared with."""
        return sorted(share.role for share in self.shares.all())

    @property
    def url(self) -> str:
        return f"{reverse('environments:dashboard', args=[self.environment.slug])}?{self.query}"


class Share(models.Model):
    """That people of one role see a view, who may see its environment's dashboard."""

    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, related_name="shares")
    role = models.CharField(
        max_length=20, choices=[(role.value, role.value.capitalize()) for role in Role]
    )

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["view", "role"], name="environments_one_share")
        ]

    def __str__(self) -> str:
        return f"{self.view} for {self.role}"


class Pin(models.Model):
    """The view that a person begins with; none once it was removed, until they forget it."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="pin"
    )
    # Not gone with the view: the person has to be told why they begin elsewhere.
    view = models.ForeignKey(SavedView, null=True, on_delete=models.SET_NULL, related_name="pins")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.view or 'A view that was removed'} of {self.user.label}"


class Summary(models.Model):
    """That a person wants a mail about each week, and what became of the last one."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="summaries"
    )
    environment: models.ForeignKey[Environment, Environment] = models.ForeignKey(
        "environments.Environment", on_delete=models.CASCADE, related_name="summaries"
    )
    # Its filters, and the last whole week instead of its days. None: the whole environment.
    view = models.ForeignKey(
        SavedView, null=True, blank=True, on_delete=models.CASCADE, related_name="summaries"
    )
    # Where the person opened the console when they asked for it: the links lead there.
    site = models.CharField(max_length=300)
    asked_at = models.DateTimeField(default=timezone.now)
    # When a worker took it on; of two, one does.
    begun_at = models.DateTimeField(null=True, blank=True)
    # The Monday of the last week that was sent, and when that was.
    sent_week: models.DateField[date | None, date | None] = models.DateField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    # Why the last try failed, how many did since one succeeded, and not before when the next is.
    problem = models.TextField(blank=True)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "environment"],
                condition=models.Q(view=None),
                name="environments_one_summary",
            ),
            models.UniqueConstraint(fields=["user", "view"], name="environments_view_summary"),
        ]

    def __str__(self) -> str:
        return f"Weekly summary of {self.title}"

    @property
    def title(self) -> str:
        view = self.view
        return f"{self.environment}, {view.name}" if view is not None else str(self.environment)
