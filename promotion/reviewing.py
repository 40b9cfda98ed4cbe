"""Which verdict counts, and which open reviews are outdated by a newer capture."""

from typing import Final, TypeVar

from django.db.models import (
    BooleanField,
    Case,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from promotion.models import Build, Review

WAITING: Final = "waiting"
T = TypeVar("T", Build, Review)
CHANGES: Final = Review.Verdict.CHANGES.value
# What was read from an environment. Of what was composed or imported none follows another.
OVERTAKEN: Final = (Build.Kind.CAPTURE, Build.Kind.DRIFT)


def is_open(build: Build) -> bool:
    """Answer whether QA may still give a verdict."""
    made = build.review
    return build.is_reviewable and (made is None or not made.is_final)


def overtaken_by(build: Build) -> Build | None:
    """Return the newest capture with another content, if it outdates the open review of a build."""
    if build.kind not in OVERTAKEN or not is_open(build):
        return None
    same = Build.objects.filter(environment=build.environment, kind=build.kind)
    newest = same.select_related("environment").order_by("-number").first()
    if newest is None or newest.number <= build.number or newest.content == build.content:
        return None
    return newest


def with_verdict(rows: QuerySet[Build]) -> QuerySet[Build]:
    """Annotate `verdict`, the one that counts; and as `_outdated` says, for those still open."""
    newest = Review.objects.filter(environment=OuterRef("environment"), content=OuterRef("content"))
    verdict = newest.order_by("-id").values("verdict")[:1]
    rows = rows.annotate(verdict=Coalesce(Subquery(verdict), Value(WAITING)))
    reviewed = Q(kind=Build.Kind.DRIFT) | Q(kind=Build.Kind.CAPTURE, environment__kind="staging")
    return _outdated(rows, "", reviewed & Q(verdict__in=[WAITING, CHANGES]))


def with_outdated(rows: QuerySet[Review]) -> QuerySet[Review]:
    """Annotate as `_outdated` says, for requests that no other verdict followed."""
    later = Review.objects.filter(
        environment=OuterRef("environment"), content=OuterRef("content"), pk__gt=OuterRef("pk")
    )
    return _outdated(rows, "build__", Q(verdict=CHANGES) & ~Exists(later))


def _outdated(rows: QuerySet[T], build: str, unsettled: Combinable | Q) -> QuerySet[T]:
    """Annotate `is_outdated`, and `newest_number` of the capture that came in between.

    `build` is the way from a row to its build.
    """
    captures = Build.objects.filter(
        environment=OuterRef("environment"), kind=OuterRef(f"{build}kind")
    ).order_by("-number")
    newer = Q(newest_number__gt=F(f"{build}number")) & ~Q(newest_content=F("content"))
    return rows.annotate(
        newest_number=Subquery(captures.values("number")[:1]),
        newest_content=Subquery(captures.values("content")[:1]),
    ).annotate(
        is_outdated=Case(
            When(unsettled & newer, then=Value(True)),
            default=Value(False),
            output_field=BooleanField(),
        )
    )
