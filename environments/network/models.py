"""Which addresses may be probed, and what the looks at the network found.

Part of `environments.models`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import User

if TYPE_CHECKING:
    from environments.models import Environment

# A run begins nothing after its time; one without a sign for so much longer has lost its worker.
GRACE: Final = timedelta(seconds=60)


class ProbeConsent(models.Model):
    """The administrator's word that the console may probe one address of an environment."""

    class Which(models.TextChoices):
        API = "api", "API"
        PUBLIC = "public", "public address"

    environment: models.ForeignKey[Environment, Environment] = models.ForeignKey(
        "environments.Environment", on_delete=models.CASCADE, related_name="probe_consents"
    )
    which = models.CharField(max_length=10, choices=Which.choices)
    # For this address and no other.
    url = models.URLField(max_length=300)
    given_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    given_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment", "which"], name="environments_one_consent_an_address"
            ),
        )

    def __str__(self) -> str:
        return f"{self.environment}, {self.which}"

    @classmethod
    def of(cls, environment: Environment, which: str) -> ProbeConsent | None:
        """Return the word that holds for the address as it is now."""
        found = cls.objects.filter(
            environment=environment, which=which, url=url_of(environment, which)
        )
        return found.exclude(url="").select_related("given_by").first()

    @classmethod
    def drop_changed(cls, environment: Environment) -> None:
        """Forget what was said of addresses that are others now, for good."""
        given = cls.objects.filter(environment=environment)
        changed = [one.pk for one in given if one.url != url_of(environment, one.which)]
        if changed:
            given.filter(pk__in=changed).delete()


def url_of(environment: Environment, which: str) -> str:
    """Return one of an environment's addresses."""
    return environment.public_url if which == ProbeConsent.Which.PUBLIC else environment.api_url


class NetworkRun(models.Model):
    """One look at the network of a production and its stagings."""

    class Status(models.TextChoices):
        # Asked for; no worker has begun it.
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        # Its worker died: nothing is told.
        ERRORED = "errored"

    ACTIVE: ClassVar = (Status.WAITING, Status.RUNNING)

    environment: models.ForeignKey[Environment, Environment] = models.ForeignKey(
        "environments.Environment", on_delete=models.CASCADE, related_name="network_runs"
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    # What was judged, each as `Check.to_dict` says.
    checks: models.JSONField[list[dict[str, Any]], Any] = models.JSONField(default=list, blank=True)
    # What was found that was not at the run before, and the other way round.
    new: models.JSONField[list[dict[str, str]], Any] = models.JSONField(default=list, blank=True)
    mended: models.JSONField[list[dict[str, str]], Any] = models.JSONField(default=list, blank=True)
    errors = models.PositiveIntegerField(default=0)
    warnings = models.PositiveIntegerField(default=0)
    # Whether something took too long or did not answer, so that not all of it is told.
    is_partial = models.BooleanField(default=False)
    connections = models.PositiveIntegerField(default=0)
    requested_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    asked_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    # When its worker last ended a check of it.
    beat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment"],
                condition=models.Q(status__in=["waiting", "running"]),
                name="environments_one_network_run",
            ),
        )

    def __str__(self) -> str:
        return f"Network check {self.pk} of {self.environment}"

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    @property
    def is_old(self) -> bool:
        """Whether it is older than two of the worker's rounds."""
        every = settings.NETWORK_CHECK_SECONDS
        if not every or self.finished_at is None:
            return False
        return timezone.now() - self.finished_at > timedelta(seconds=2 * every)

    @property
    def told(self) -> int:
        """How many of its checks could tell anything."""
        return sum(bool(check["told"]) for check in self.checks)

    @property
    def findings(self) -> list[dict[str, str]]:
        return [one for check in self.checks for one in check["findings"]]

    @classmethod
    def last_of(cls, environment: Environment) -> NetworkRun | None:
        """Return the last one that told something."""
        return cls.objects.filter(environment=environment, status=cls.Status.DONE).first()
