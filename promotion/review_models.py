"""QA's verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from django.db import models

from accounts.models import User
from environments.models import Environment

if TYPE_CHECKING:
    from promotion.models import Build


class ReviewQuerySet(models.QuerySet["Review"]):
    def of(self, build: Build) -> ReviewQuerySet:
        """The verdicts on a build's content, the newest first, whichever build they were given to.

        The newest counts. Only a request for changes is followed by another one.
        """
        return self.filter(environment=build.environment_id, content=build.content)

    def final(self) -> ReviewQuerySet:
        """Those that no other one follows."""
        return self.exclude(verdict=Review.Verdict.CHANGES)


class Review(models.Model):
    """QA's verdict on a build. It holds for the content digest, so for equal builds too."""

    class Verdict(models.TextChoices):
        APPROVED = "approved"
        REJECTED = "rejected"
        # No approval, and not the end: the same content may still be approved or rejected.
        CHANGES = "changes", "Changes requested"

    SAID: ClassVar = {
        Verdict.APPROVED.value: "is approved",
        Verdict.REJECTED.value: "is rejected",
        Verdict.CHANGES.value: "needs changes",
    }

    build = models.ForeignKey("promotion.Build", on_delete=models.PROTECT, related_name="reviews")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    # Frozen beside the key: this is what was looked at.
    content = models.CharField(max_length=64)
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    comment = models.TextField(blank=True)
    # The warnings that were acknowledged by name.
    acknowledged = models.JSONField(default=list, blank=True)
    reviewed_by = models.ForeignKey(User, on_delete=models.PROTECT)
    reviewed_at = models.DateTimeField(auto_now_add=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment", "content"],
                condition=~models.Q(verdict="changes"),
                name="promotion_one_final_verdict_on_a_content",
            ),
        )

    def __str__(self) -> str:
        return f"{self.build}: {self.verdict}"

    @property
    def is_final(self) -> bool:
        return self.verdict != self.Verdict.CHANGES

    @property
    def said(self) -> str:
        """What is said of the build: `is approved`."""
        return str(self.SAID[self.verdict])
