"""What in builds and promotions needs the administrator now, over all pipelines.

From what is kept alone: no cluster is asked. So many queries, whatever the number of pipelines.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Case, Exists, F, Max, OuterRef, Q, QuerySet, Subquery, When
from django.urls import reverse
from django.utils.text import Truncator
from django.utils.timezone import localtime

from environments.findings import Severity
from environments.models import Environment
from promotion.buttons import build_url, environment_url, promotion_url
from promotion.models import (
    Build,
    Drift,
    LostState,
    Promotion,
    Review,
    StoredGeneration,
    Unlocking,
)
from promotion.workflow_models import newest_by

# A promotion's own words may be long: its page has all of them.
MOST_LETTERS: Final = 160
_BROKEN: Final = (Promotion.Status.FAILED, Promotion.Status.ERRORED)


@dataclass(frozen=True)
class Need:
    """One thing that waits for somebody: `subject` is linked to where it is done.

    An error keeps something from being right, a warning is to be looked at, and what is an INFO is
    an offer: the next step of the work. `words` are followed by `how` and the age, then by `then`.
    """

    severity: Severity
    subject: str
    words: str
    url: str = ""
    since: datetime | None = None
    how: str = "since"
    then: str = ""


def promotion_needs() -> list[Need]:
    """Return what waits: of the same severity what stands in the way of others first."""
    return [*_lost(), *_failed(), *_drifts(), *_unlocked(), *_approved(), *_not_adopted()]


def _lost() -> Iterator[Need]:
    for kept in LostState.objects.select_related("environment"):
        yield Need(
            Severity.ERROR,
            f"{kept.environment} is not as recorded",
            str(kept.finding["message"]).rstrip("."),
            reverse("promotion:reconcile", args=[kept.environment.slug]),
            kept.found_at,
            "found",
            "Reconcile it.",
        )


def _failed() -> Iterator[Need]:
    """Yield those that failed and were followed by no other one."""
    changing = Promotion.objects.exclude(kind__in=Promotion.ASIDE)
    preparing = Promotion.objects.filter(kind=Promotion.Kind.PREPARE)
    for rows in (changing, preparing):
        broken = newest_by("environment", rows).filter(status__in=_BROKEN)
        for one in broken.select_related("environment", "build__environment"):
            words = Truncator(one.message).chars(MOST_LETTERS).rstrip(".") or "it says not why"
            subject = f"{one} for {one.environment} {one.status}"
            yield Need(Severity.ERROR, subject, words, promotion_url(one), one.finished_at, "ended")


def _drifts() -> Iterator[Need]:
    for one in Drift.objects.filter(ended_at=None).select_related("environment"):
        url = reverse("promotion:drift", args=[one.environment.slug])
        subject = f"Drift in {one.environment}"
        yield Need(Severity.WARNING, subject, one.words, url, one.found_at, "found", "Settle it.")


def _unlocked() -> Iterator[Need]:
    for one in Unlocking.objects.filter(locked_at=None).select_related("environment"):
        until = "without an end"
        if one.until is not None:
            until = f"until {localtime(one.until):%-d %b %Y %H:%M %Z}"
        yield Need(
            Severity.WARNING,
            f"{one.environment} is unlocked",
            f"{until}, for “{Truncator(one.reason).chars(MOST_LETTERS)}”",
            environment_url(one.environment),
            one.unlocked_at,
            "opened",
        )


def _aimed(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate `aim`, the key of where a build goes, and `served`, the content that is live there.

    As `Build.target` says of one.
    """
    aim = Case(
        When(kind=Build.Kind.DRIFT, then=F("environment_id")), default=F("environment__promotes_to")
    )
    live = StoredGeneration.objects.filter(environment=OuterRef("aim"), is_live=True).order_by()
    served = Subquery(live.values("build__content")[:1])
    aimed: QuerySet[Any] = rows.annotate(aim=aim).annotate(served=served)
    return aimed


def resting(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Keep what can go live as it is: not what was composed on another content than is live.

    As `Build.rests_on` says of one; annotates as `_aimed` says.
    """
    rests = Q(composed_on=F("served")) | Q(content=F("served")) | Q(served=None)
    return _aimed(rows).filter(~Q(kind=Build.Kind.COMPOSED) | rests)


def _approvals() -> QuerySet[Review]:
    """Return the approvals of a build of an outer query, whichever equal build they were given to.

    There is one at most.
    """
    return Review.objects.filter(
        environment=OuterRef("environment"),
        content=OuterRef("content"),
        verdict=Review.Verdict.APPROVED,
    ).order_by()


def _with_fate(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Annotate `approved_at`, and by what and when its content was left where it was live last.

    `left_by` is the kind of the promotion that followed; what was swapped back was never live.
    Rows have an `aim`, as `_aimed` annotates it.
    """
    stayed = StoredGeneration.objects.filter(environment=OuterRef("aim")).exclude(
        promotion__status=Promotion.Status.FAILED
    )
    last = stayed.filter(build__content=OuterRef("content")).order_by("-number")
    next_one = stayed.filter(number__gt=OuterRef("was_last")).order_by("number")
    with_last = rows.annotate(was_last=Subquery(last.values("number")[:1]))
    told: QuerySet[Any] = with_last.annotate(
        left_by=Subquery(next_one.values("promotion__kind")[:1]),
        left_at=Subquery(next_one.values("live_since")[:1]),
        approved_at=Subquery(_approvals().values("reviewed_at")[:1]),
    )
    return told


def _rolled_back(one: Any) -> datetime | None:
    """Return when what `_with_fate` annotated was rolled back, if that was since its approval."""
    if one.left_by != Promotion.Kind.ROLLBACK or one.approved_at is None:
        return None
    left_at: datetime = one.left_at
    return left_at if left_at > one.approved_at else None


def rolled_back_at(build: Build) -> datetime | None:
    """Return when an approved build was rolled back where it goes; None where it was not since."""
    return _rolled_back(_with_fate(_aimed(Build.objects.filter(pk=build.pk))).get())


def _approved() -> Iterator[Need]:
    """Yield by target the newest approved build, if something else is live there.

    Not one that was rolled back since it was approved: that it may go live again is no news.
    """
    rows = resting(Build.objects.filter(Exists(_approvals())))
    newest = rows.order_by().values("aim").annotate(last=Max("pk")).values("last")
    found = _aimed(Build.objects.filter(pk__in=newest)).exclude(served=None)
    waiting = _with_fate(found.exclude(content=F("served")))
    for one in waiting.select_related("environment__promotes_to"):
        if _rolled_back(one) is not None:
            continue
        subject = f"{one} is approved"
        words = f"it may go live in {one.target}"
        yield Need(Severity.INFO, subject, words, build_url(one, "promotion:promote"))


def _not_adopted() -> Iterator[Need]:
    live = StoredGeneration.objects.filter(environment=OuterRef("pk"), is_live=True)
    targets = Environment.objects.production().exclude(fed_by=None).filter(~Exists(live))
    for one in targets.distinct():
        url = reverse("promotion:adopt", args=[one.slug])
        words = "adopt it once, so that builds can go live there"
        yield Need(Severity.INFO, f"{one} is not adopted yet", words, url)
