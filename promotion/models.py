"""Builds and their content, addressed by digest as in git."""

from typing import ClassVar

from django.db import models

from accounts.models import User
from environments.models import Environment
from promotion.engine.manifest import TreeDigests
from promotion.engine.ports import CapturedResource, Fingerprint


class Blob(models.Model):
    """One document's exact source: compressed, encrypted, named by the SHA-256 of its bytes."""

    oid = models.CharField(max_length=64, primary_key=True)
    body = models.BinaryField()

    def __str__(self) -> str:
        return self.oid[:12]


class StoredTree(models.Model):
    """One resource's list of documents, encrypted: titles may tell what is nobody's business."""

    digest = models.CharField(max_length=64, primary_key=True)
    resource = models.CharField(max_length=60)
    exact = models.CharField(max_length=64)
    content = models.CharField(max_length=64)
    count = models.PositiveIntegerField()
    size = models.PositiveBigIntegerField()
    body = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.resource} {self.digest[:12]}"

    @property
    def digests(self) -> TreeDigests:
        return TreeDigests(self.digest, self.exact, self.content, self.count, self.size)


class Build(models.Model):
    """An immutable, numbered capture of an environment's promoted resources."""

    class Kind(models.TextChoices):
        CAPTURE = "capture"
        BASELINE = "baseline"

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
    def review(self) -> "Review | None":
        """The verdict on this content, whichever of the equal builds it was given to."""
        return Review.objects.filter(
            environment_id=self.environment_id, content=self.content
        ).first()

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


class Review(models.Model):
    """QA's verdict on a build. It holds for the content digest, so for equal builds too."""

    class Verdict(models.TextChoices):
        APPROVED = "approved"
        REJECTED = "rejected"

    build = models.ForeignKey(Build, on_delete=models.PROTECT, related_name="reviews")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    # Frozen beside the key: this is what was looked at.
    content = models.CharField(max_length=64)
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    comment = models.TextField(blank=True)
    reviewed_by = models.ForeignKey(User, on_delete=models.PROTECT)
    reviewed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment", "content"], name="promotion_one_verdict_on_a_content"
            ),
        )

    def __str__(self) -> str:
        return f"{self.build}: {self.verdict}"
