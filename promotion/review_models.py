"""QA's verdicts, and what is said about a build."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models

from accounts.models import User
from environments.models import Environment

if TYPE_CHECKING:
    from promotion.models import Build


class Checklist(models.Model):
    """One version of what QA goes through before it approves an environment's build."""

    environment = models.ForeignKey(
        Environment, on_delete=models.PROTECT, related_name="checklists"
    )
    version = models.PositiveIntegerField()
    # Each with its `text`, and whether it is `optional`; none where nothing is asked any more.
    items = models.JSONField(default=list, blank=True)
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-version",)
        default_permissions = ()
        constraints: ClassVar = (
            models.UniqueConstraint(
                fields=["environment", "version"], name="promotion_checklist_version_once"
            ),
        )

    def __str__(self) -> str:
        return f"Checklist {self.version} of {self.environment}"

    @classmethod
    def of(cls, environment: Environment) -> Checklist | None:
        """Return the newest version, or None where there is none."""
        return cls.objects.filter(environment=environment).first()

    @property
    def lines(self) -> str:
        """The items as they are written: one a line, an optional one behind a question mark."""
        marks = {True: "?", False: ""}
        return "\n".join(f"{marks[one['optional']]}{one['text']}" for one in self.items)

    def answers(self, ticked: Collection[int]) -> list[dict[str, Any]]:
        """Return the items with what was ticked, by their places from 0."""
        return [{**item, "ticked": place in ticked} for place, item in enumerate(self.items)]


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
    # The version that was gone through, and its items, each with whether it was ticked.
    checklist = models.ForeignKey(
        Checklist, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    answers = models.JSONField(default=list, blank=True)
    # What the suites of workflow tests said of this content then, and what was asked of each.
    proofs = models.JSONField(default=list, blank=True)
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
        # The constraint's own index leaves some out, so that no search for a verdict can use it.
        indexes: ClassVar = [
            models.Index(fields=["environment", "content"], name="promotion_review_of_content")
        ]

    def __str__(self) -> str:
        return f"{self.build}: {self.verdict}"

    @property
    def is_final(self) -> bool:
        return self.verdict != self.Verdict.CHANGES

    @property
    def said(self) -> str:
        """What is said of the build: `is approved`."""
        return str(self.SAID[self.verdict])


class CommentImmutableError(RuntimeError):
    """Somebody tried to change or delete what was said."""


class CommentQuerySet(models.QuerySet["Comment"]):
    def on(self, build: Build) -> CommentQuerySet:
        """What was said about a build's content, whichever of the equal builds it was said of."""
        return self.filter(environment=build.environment_id, build__content=build.content)

    def unresolved(self) -> CommentQuerySet:
        """The threads that nobody settled."""
        return self.filter(parent=None, resolved_at=None)

    def delete(self) -> tuple[int, dict[str, int]]:
        raise CommentImmutableError("Comments are never deleted.")


class Comment(models.Model):
    """Something said about a build, one of its documents or a field; it is never changed."""

    build = models.ForeignKey("promotion.Build", on_delete=models.PROTECT, related_name="comments")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+")
    # Empty for what is about the build as a whole.
    resource = models.CharField(max_length=40, blank=True)
    document = models.CharField(max_length=512, blank=True)
    # Frozen beside the id: the document may be gone from later builds.
    title = models.CharField(max_length=300, blank=True)
    # A field's place in the decoded document; empty for all of it.
    place = models.CharField(max_length=500, blank=True)
    text = models.TextField()
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    # What it answers; an answer has none of its own.
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="answers"
    )
    resolved_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = CommentQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        default_permissions = ()

    def __str__(self) -> str:
        return f"Comment {self.pk} on {self.build}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise CommentImmutableError("Comments are never changed. Write an answer.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise CommentImmutableError("Comments are never deleted.")

    @property
    def is_resolved(self) -> bool:
        return self.resolved_at is not None
