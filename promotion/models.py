"""Builds and their content, addressed by digest as in git."""

import secrets
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from accounts.models import User
from environments.models import Environment
from promotion.batch_models import Batch
from promotion.content_models import Blob as Blob
from promotion.content_models import StoredLinks as StoredLinks
from promotion.content_models import StoredTree as StoredTree
from promotion.drift_models import Drift as Drift
from promotion.drift_models import Watch as Watch
from promotion.engine.plan import Generation, Plan
from promotion.engine.ports import CapturedResource, Fingerprint
from promotion.lock_models import Unlocking as Unlocking
from promotion.lost_models import LostState as LostState
from promotion.review_models import Checklist as Checklist
from promotion.review_models import Comment as Comment
from promotion.review_models import Review as Review
from promotion.smoke_models import SmokeCheck as SmokeCheck
from promotion.worker_models import EngineLook as EngineLook
from promotion.worker_models import WorkerSign as WorkerSign
from promotion.workflow_models import RunResult as RunResult
from promotion.workflow_models import Suite as Suite
from promotion.workflow_models import SuiteRun as SuiteRun
from promotion.workflow_models import SuiteTest as SuiteTest


class Build(models.Model):
    """An immutable, numbered capture of an environment's promoted resources."""

    class Kind(models.TextChoices):
        CAPTURE = "capture"
        BASELINE = "baseline"
        DRIFT = "drift"
        # What reconcile found in the cluster.
        FOUND = "found"
        # What production served, with some changes of another build.
        COMPOSED = "composed"
        # What a bundle held, of this console or of another one.
        IMPORTED = "imported"

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="builds")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.CAPTURE)
    content = models.CharField(max_length=64, db_index=True)
    exact = models.CharField(max_length=64)
    cluster_uuid = models.CharField(max_length=40)
    version = models.CharField(max_length=10)
    # The earliest build of this environment with equal content; its approval holds here too.
    same_as = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="repeated_by"
    )
    # Of a composed one: the build whose changes were chosen, the content that they were added to,
    # and which were asked for, and which came along and why. By id: titles are kept encrypted.
    composed_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="compositions"
    )
    composed_on = models.CharField(max_length=64, blank=True)
    choice = models.JSONField(null=True, blank=True)
    # Of an imported one: who signed the file, and what it says of where it is from.
    origin = models.JSONField(null=True, blank=True)
    captured_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT)
    captured_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment", "number"], name="promotion_build_number_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.environment.name} build {self.number}"

    @property
    def target(self) -> Environment | None:
        """Where it goes once it is approved: an edit by hand that is kept stays where it is."""
        return self.environment if self.kind == self.Kind.DRIFT else self.environment.promotes_to

    @property
    def is_reviewable(self) -> bool:
        """Whether QA gives a verdict on it: on staging's builds, and on an edit by hand."""
        if self.kind == self.Kind.DRIFT:
            return True
        made_for_review = self.kind in {
            self.Kind.CAPTURE,
            self.Kind.COMPOSED,
            self.Kind.IMPORTED,
        }
        return made_for_review and not self.environment.is_production

    @classmethod
    def last_read(cls, environment: Environment) -> "Build | None":
        """Return the newest build that was read from an environment's indices."""
        # The others were read from nothing here: no index is as they say.
        unread = {cls.Kind.COMPOSED, cls.Kind.IMPORTED}
        read = cls.objects.filter(environment=environment).exclude(kind__in=unread)
        return read.order_by("-number").first()

    def rests_on(self, live: "StoredGeneration | None") -> bool:
        """Whether what it was composed on is live, or it is itself; true of what was captured."""
        if self.kind != self.Kind.COMPOSED or live is None:
            return True
        return live.build.content in {self.composed_on, self.content}

    @property
    def review(self) -> Review | None:
        """The newest verdict on this content, whichever of the equal builds it was given to."""
        return Review.objects.of(self).first()

    def same_words(self, what: str = "It") -> str:
        """Return that it equals an earlier build, behind a space; empty where it equals none."""
        same = self.same_as
        return f" {what} equals build {same.number}, whose verdict holds." if same else ""

    def resources(self) -> dict[str, CapturedResource]:
        """Return what was captured, by resource."""
        return {
            part.tree.resource: CapturedResource(
                part.index,
                Fingerprint.from_dict(part.fingerprint),
                part.mapping_digest,
                part.tree.digests,
            )
            for part in self.parts.select_related("tree").defer("tree__body")
        }


class BuildPart(models.Model):
    """One resource of a build: its tree, and the index and fingerprint that it was read under."""

    build = models.ForeignKey(Build, on_delete=models.CASCADE, related_name="parts")
    tree = models.ForeignKey(StoredTree, on_delete=models.PROTECT, related_name="parts")
    index = models.CharField(max_length=255)
    mapping_digest = models.CharField(max_length=64)
    fingerprint = models.JSONField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(fields=["build", "index"], name="promotion_one_part_an_index"),
        )

    def __str__(self) -> str:
        return f"{self.build}: {self.tree}"


def new_token() -> str:
    """Return a name for one attempt, unique among consoles that share a cluster."""
    return secrets.token_hex(6)


class Promotion(models.Model):
    """One attempt to change what an environment serves, or to prepare for it."""

    class Kind(models.TextChoices):
        ADOPT = "adopt", "Adoption"
        PREPARE = "prepare", "Preparation"
        PROMOTE = "promote", "Promotion"
        ROLLBACK = "rollback", "Rollback"
        RELEASE = "release", "Release"
        RECONCILE = "reconcile", "Reconciliation"
        REHEARSE = "rehearse", "Rehearsal"

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        ERRORED = "errored"
        ABORTED = "aborted"

    class Fate(models.TextChoices):
        USED = "used"
        SUPERSEDED = "superseded"

    ACTIVE: ClassVar = (Status.PENDING.value, Status.RUNNING.value)
    # What changes nothing that is live, so holds no claim, and goes on beside whatever runs.
    ASIDE: ClassVar = (Kind.PREPARE.value, Kind.REHEARSE.value)

    kind = models.CharField(max_length=10, choices=Kind.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    environment = models.ForeignKey(
        Environment, on_delete=models.PROTECT, related_name="promotions"
    )
    build = models.ForeignKey(
        Build, null=True, blank=True, on_delete=models.PROTECT, related_name="promotions"
    )
    # What a promotion puts live; its indices and its plan.
    prepared = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="used_by"
    )
    restores = models.ForeignKey(
        "StoredGeneration", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    batch = models.ForeignKey(
        Batch, null=True, blank=True, on_delete=models.PROTECT, related_name="promotions"
    )
    token = models.CharField(max_length=32, unique=True, default=new_token)
    plan_facts = models.JSONField(null=True, blank=True)
    plan_digest = models.CharField(max_length=64, blank=True)
    made_facts = models.JSONField(null=True, blank=True)
    consents_due = models.JSONField(default=list, blank=True)
    findings = models.JSONField(default=list, blank=True)
    receipt = models.JSONField(null=True, blank=True)
    # What a rehearsal found out.
    report = models.JSONField(null=True, blank=True)
    # What became of a preparation: a promotion took it, or it must not be taken any more.
    fate = models.CharField(max_length=10, choices=Fate.choices, blank=True)
    # A sign of life of long work that holds no claim.
    beats = models.PositiveIntegerField(default=0)
    # Set before the switch is sent: then it can neither be cancelled nor ended by a guess.
    switching_at = models.DateTimeField(null=True, blank=True)
    # Its worker stopped without knowing how it ended: the next one reads the truth back.
    is_left = models.BooleanField(default=False)
    comment = models.TextField(blank=True)
    message = models.TextField(blank=True)
    requested_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT)
    cancel_requested = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    live_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment"],
                condition=models.Q(status__in=["pending", "running"])
                & ~models.Q(kind__in=["prepare", "rehearse"]),
                name="promotion_one_running_a_target",
            ),
            models.UniqueConstraint(
                fields=["environment"],
                condition=models.Q(status__in=["pending", "running"], kind="rehearse"),
                name="promotion_one_rehearsal_a_target",
            ),
            models.UniqueConstraint(
                fields=["batch", "environment"], name="promotion_once_a_batch_and_target"
            ),
        )

    def __str__(self) -> str:
        back = "the rollback to " if self.kind == self.Kind.REHEARSE and self.restores_id else ""
        what = f" of {back}{self.build}" if self.build is not None else ""
        return f"{self.get_kind_display()} {self.pk}{what}"

    @property
    def plan(self) -> Plan | None:
        return Plan.from_dict(self.plan_facts) if self.plan_facts else None

    @property
    def made(self) -> Generation | None:
        """The generation as it was prepared."""
        return Generation.from_dict(self.made_facts) if self.made_facts else None

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    @property
    def is_prepared(self) -> bool:
        """Whether this is a preparation that still belongs to what is live."""
        if self.kind != self.Kind.PREPARE or self.status != self.Status.SUCCEEDED:
            return False
        if self.fate == self.Fate.SUPERSEDED:
            return False
        # Not the whole plan: this is asked often.
        base = (self.plan_facts or {}).get("base_marker", "")
        return bool(base) and base == StoredGeneration.live_marker(self.environment)

    @property
    def duration(self) -> float:
        """Seconds from the request to the end, or until now."""
        return ((self.finished_at or timezone.now()) - self.created_at).total_seconds()


class Step(models.Model):
    """One step of a promotion, recorded before it acts and after."""

    class Status(models.TextChoices):
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    promotion = models.ForeignKey(Promotion, on_delete=models.CASCADE, related_name="steps")
    name = models.CharField(max_length=40)
    label = models.CharField(max_length=200)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    detail = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("id",)
        default_permissions = ()

    def __str__(self) -> str:
        return self.label

    @property
    def duration(self) -> float:
        """Seconds it took, or has taken until now."""
        end: datetime = self.finished_at or timezone.now()
        return (end - self.started_at).total_seconds()


class StoredGeneration(models.Model):
    """A generation that was live, or is."""

    environment = models.ForeignKey(
        Environment, on_delete=models.PROTECT, related_name="generations"
    )
    number = models.PositiveIntegerField()
    marker = models.CharField(max_length=255, unique=True)
    facts = models.JSONField()
    build = models.ForeignKey(Build, on_delete=models.PROTECT, related_name="generations")
    # What put it live, or the reconciliation that found it.
    promotion = models.ForeignKey(Promotion, on_delete=models.PROTECT, related_name="generations")
    # Where Roll back goes from here.
    previous = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    restores = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    is_live = models.BooleanField(default=False)
    # Its indices are kept, so that it can be rolled back to.
    is_kept = models.BooleanField(default=True)
    live_since = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-number",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment", "number"], name="promotion_generation_number_once"
            ),
            models.UniqueConstraint(
                fields=["environment"],
                condition=models.Q(is_live=True),
                name="promotion_one_live_generation",
            ),
        )

    def __str__(self) -> str:
        return f"{self.environment} generation {self.number}"

    @classmethod
    def live_in(cls, environment: Environment) -> "StoredGeneration | None":
        """Return what is live in an adopted environment."""
        return cls.objects.filter(environment=environment, is_live=True).first()

    @classmethod
    def live_marker(cls, environment: Environment) -> str:
        """Return the marker of what is live, or an empty string where nothing is adopted."""
        live = cls.objects.filter(environment=environment, is_live=True).order_by()
        return live.values_list("marker", flat=True).first() or ""

    @property
    def is_found(self) -> bool:
        """Whether nobody recorded when and by whom it went live: reconcile found it."""
        return self.promotion.kind == Promotion.Kind.RECONCILE

    @property
    def may_be_edited(self) -> bool:
        """Whether it was open to edits by hand at any time since it went live, or was edited."""
        if Drift.open_in(self.environment) is not None:
            return True
        open_since = models.Q(locked_at=None) | models.Q(locked_at__gt=self.live_since)
        return Unlocking.objects.filter(open_since, environment=self.environment_id).exists()

    @property
    def generation(self) -> Generation:
        facts: dict[str, Any] = self.facts
        return Generation.from_dict(facts)
