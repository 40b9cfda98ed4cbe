"""Suites of workflow tests, in versions, and what their runs on staging showed."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.db import models

from accounts.crypto import EncryptedTextField
from accounts.models import User
from environments.models import Environment
from promotion.engine.workflow import WorkflowTest

M = TypeVar("M", bound=models.Model)


def newest_by(field: str, rows: models.QuerySet[M]) -> models.QuerySet[M]:
    """Return of some rows the newest of each value of a field."""
    last = rows.order_by().values(field).annotate(last=models.Max("pk")).values("last")
    return rows.model._default_manager.filter(pk__in=last)


class SuiteQuerySet(models.QuerySet["Suite"]):
    def in_use(self) -> SuiteQuerySet:
        """Return those that were not retired."""
        return self.filter(retired_at=None)


class Suite(models.Model):
    """A group of workflow tests of a staging environment; each change makes a new version.

    One that was retired stays with its runs, and asks nothing of anybody.
    """

    class Requirement(models.TextChoices):
        """What an approval needs where no run of the suite is green on the build's content."""

        NOTHING = "nothing"
        # A comment that says why it is approved all the same.
        REASON = "reason"
        RUN = "run"

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="suites")
    name = models.CharField(max_length=80)
    version = models.PositiveIntegerField(default=1)
    requirement = models.CharField(
        max_length=10, choices=Requirement.choices, default=Requirement.NOTHING
    )
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = SuiteQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment", "name"],
                condition=models.Q(retired_at=None),
                name="promotion_suite_name_once",
            ),
        )

    def __str__(self) -> str:
        return f"Suite {self.name} of {self.environment}"

    @property
    def tests(self) -> models.QuerySet[SuiteTest]:
        """The tests as they are now, by name."""
        return self.kept.filter(replaced_in=None).order_by("name", "id")


class SuiteTest(models.Model):
    """One version of one workflow test; it stays when another one replaces it."""

    suite = models.ForeignKey(Suite, on_delete=models.PROTECT, related_name="kept")
    name = models.CharField(max_length=120)
    facts = models.JSONField()
    # The versions of the suite that it came with, and went with; none while it is a part of it.
    made_in = models.PositiveIntegerField()
    replaced_in = models.PositiveIntegerField(null=True, blank=True)
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["suite", "name"],
                condition=models.Q(replaced_in=None),
                name="promotion_one_test_of_a_name",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def test(self) -> WorkflowTest:
        return WorkflowTest.from_dict(self.facts)


class SuiteRun(models.Model):
    """One run of a suite on staging. It counts for a content, or for nothing."""

    class Status(models.TextChoices):
        # Asked for; no worker has begun it.
        WAITING = "waiting"
        RUNNING = "running"
        PASSED = "passed"
        FAILED = "failed"
        # A visit got no answer, or the run was cut short: nothing is proved.
        ERRORED = "errored"
        CANCELLED = "cancelled"

    environment = models.ForeignKey(
        Environment, on_delete=models.PROTECT, related_name="suite_runs"
    )
    suite = models.ForeignKey(Suite, on_delete=models.PROTECT, related_name="runs")
    suite_version = models.PositiveIntegerField()
    # The versions of tests that it runs, by their keys: all of the suite's, unless it was asked for
    # some. A change of the suite meanwhile changes nothing of it.
    chosen: models.JSONField[list[int], Any] = models.JSONField(default=list)
    is_whole = models.BooleanField(default=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    # The digest of the build that staging held before and after; empty where it counts for none.
    content = models.CharField(max_length=64, blank=True, db_index=True)
    message = models.TextField(blank=True)
    cancel_requested = models.BooleanField(default=False)
    requested_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # A sign of life: a run whose worker died stands still.
    beat_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment"],
                condition=models.Q(status__in=["waiting", "running"]),
                name="promotion_one_suite_runs_an_environment",
            ),
        )

    # What is not over yet.
    ACTIVE: ClassVar = (Status.WAITING, Status.RUNNING)

    def __str__(self) -> str:
        return f"Run {self.pk} of {self.suite.name}"

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    @property
    def tests(self) -> list[SuiteTest]:
        """The tests that it runs, in order."""
        found = SuiteTest.objects.in_bulk(self.chosen)
        return [found[pk] for pk in self.chosen]


class RunResult(models.Model):
    """What one test of a run showed."""

    class Status(models.TextChoices):
        PASSED = "passed"
        FAILED = "failed"
        ERRORED = "errored"

    run = models.ForeignKey(SuiteRun, on_delete=models.CASCADE, related_name="results")
    test = models.ForeignKey(SuiteTest, on_delete=models.PROTECT, related_name="results")
    status = models.CharField(max_length=10, choices=Status.choices)
    outcomes = models.JSONField(default=list, blank=True)
    message = models.TextField(blank=True)
    # What was sent and answered, masked; encrypted all the same: a visit may tell of people.
    exchange = EncryptedTextField(blank=True)
    # The flows that ran, each with the edges that were gone along.
    edges: models.JSONField[dict[str, list[str]], Any] = models.JSONField(default=dict, blank=True)
    # The rules that fired, by id.
    rules: models.JSONField[list[str], Any] = models.JSONField(default=list, blank=True)
    seconds = models.FloatField(default=0.0)

    class Meta:
        ordering = ("id",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(fields=["run", "test"], name="promotion_one_result_a_test"),
        )

    def __str__(self) -> str:
        return f"{self.test}: {self.status}"
