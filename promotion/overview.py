"""What the home page says about pipelines, and which button comes next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.urls import reverse
from django.utils.timezone import localtime

from accounts.audit import Actor, system_actor
from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from environments.health.summaries import Summary
from environments.models import Environment
from promotion.attention import rolled_back_at
from promotion.beginning import running_in
from promotion.buttons import (
    PRIMARY,
    Button,
    Readiness,
    build_url,
    capture_button,
    environment_url,
    prepare_button,
    promote_button,
    promotion_url,
    readiness,
    reconcile_button,
    rollback_button,
)
from promotion.changes import Changed, changes_since
from promotion.models import Build, Drift, LostState, Review, StoredGeneration
from promotion.preparing import newest_approved
from promotion.waiting import Work


@dataclass(frozen=True)
class Stage:
    """One box of the pipeline. `status` colours it as a step's does."""

    title: str
    words: str
    status: str = "pending"
    detail: str = ""
    url: str = ""


@dataclass
class Pipeline:
    """A staging environment, its target, and the next thing to do.

    `moving` says that it will look different soon by itself; `health` is of both sides, and `work`
    for who reviews.
    """

    staging: Environment
    target: Environment
    stages: list[Stage] = field(default_factory=list)
    next_words: str = ""
    buttons: list[Button] = field(default_factory=list)
    moving: bool = False
    health: list[Summary] = field(default_factory=list)
    work: Work | None = None


def latest_build(environment: Environment) -> Build | None:
    """Return the newest capture of an environment."""
    return (
        Build.objects.filter(environment=environment, kind=Build.Kind.CAPTURE)
        .select_related("environment", "captured_by")
        .order_by("-number")
        .first()
    )


def composed_waiting(environment: Environment, live: StoredGeneration | None) -> Build | None:
    """Return the newest build that was composed on what is live, if it has no verdict."""
    newest = (
        Build.objects.filter(environment=environment, kind=Build.Kind.COMPOSED)
        .select_related("environment")
        .order_by("-number")
        .first()
    )
    if newest is None or newest.review is not None or not newest.rests_on(live):
        return None
    return newest


@dataclass(frozen=True)
class _Facts:
    """What is known of a pipeline. `changed` is None where staging cannot be reached."""

    build: Build | None
    review: Review | None
    changed: bool | None
    approved: Build | None
    ready: Readiness
    live: StoredGeneration | None
    drift: Drift | None
    composed: Build | None
    # When the approved build was rolled back, if it was since its approval.
    rolled_back: datetime | None

    @property
    def to_review(self) -> Build | None:
        """The build that waits for QA: the newest capture, or what was composed since."""
        if self.composed is not None and (
            self.build is None or self.composed.number > self.build.number
        ):
            return self.composed
        return self.build if self.review is None else None

    @property
    def promotable(self) -> Build | None:
        """The approved build, if it is not what is live."""
        if self.approved is None or self.live is None:
            return None
        return self.approved if self.live.build.content != self.approved.content else None


def pipelines(actor: Actor, user: User, stagings: Sequence[Environment]) -> list[Pipeline]:
    """Return pipelines at a glance, with the buttons of this person's role.

    What was written to on staging is asked of each cluster once, whatever the number of pipelines.
    """
    builds = {staging.pk: latest_build(staging) for staging in stagings}
    changes = changes_since([(staging, builds[staging.pk]) for staging in stagings])
    return [
        _pipeline(
            actor, user, staging, staging.promotes_to, builds[staging.pk], changes[staging.pk]
        )
        for staging in stagings
        if staging.promotes_to is not None
    ]


def _pipeline(
    actor: Actor,
    user: User,
    staging: Environment,
    target: Environment,
    build: Build | None,
    change: Changed,
) -> Pipeline:
    row = Pipeline(staging, target)
    changed, words = change.changed, change.words
    approved = newest_approved(target)
    # What stands in one's own way is no matter of the stage's.
    who = actor if may(user, Verb.PROMOTE, target) else system_actor()
    live = StoredGeneration.live_in(target)
    facts = _Facts(
        build,
        build.review if build is not None else None,
        changed,
        approved,
        readiness(who, approved, target) if approved is not None else Readiness(),
        live,
        Drift.open_in(target),
        composed_waiting(staging, live),
        rolled_back_at(approved) if approved is not None else None,
    )
    statuses = {True: "running", False: "succeeded", None: "errored"}
    titles = {True: "Changed", False: "No change", None: "Cannot be reached"}
    url = environment_url(staging) if may(user, Verb.VIEW_CONFIGURATION, staging) else ""
    row.stages = [
        Stage("Staging", titles[changed], statuses[changed], words, url),
        _review_stage(facts.to_review or facts.build, None if facts.to_review else facts.review),
        _prepared_stage(approved, facts.ready, facts.live),
        _live_stage(target, facts.live, facts.drift),
    ]
    row.moving = facts.ready.moving
    _next(user, row, facts)
    return row


def _review_stage(build: Build | None, review: Review | None) -> Stage:
    if build is None:
        return Stage("QA", "No build yet")
    if review is None:
        return Stage("QA", f"Build {build.number} waits for QA", "running", url=build_url(build))
    words, status = {
        Review.Verdict.APPROVED.value: ("approved", "succeeded"),
        Review.Verdict.REJECTED.value: ("rejected", "failed"),
        Review.Verdict.CHANGES.value: ("needs changes", "failed"),
    }[review.verdict]
    return Stage(
        "QA",
        f"Build {build.number} {words}",
        status,
        f"by {review.reviewed_by.label}",
        build_url(build),
    )


def _prepared_stage(
    approved: Build | None, ready: Readiness, live: StoredGeneration | None
) -> Stage:
    if approved is None:
        return Stage("Prepared", "Nothing approved yet")
    if live is None:
        return Stage("Prepared", "Waits for adoption")
    if live.build.content == approved.content:
        return Stage("Prepared", "The approved build is live", "succeeded")
    if ready.prepared is not None:
        url = promotion_url(ready.prepared)
        return Stage("Prepared", f"Build {approved.number} is ready", "succeeded", url=url)
    if ready.moving:
        return Stage("Prepared", f"Build {approved.number}", "running", ready.reason)
    return Stage("Prepared", f"Build {approved.number} is not", "failed", ready.reason)


def _live_stage(target: Environment, live: StoredGeneration | None, drift: Drift | None) -> Stage:
    url = environment_url(target)
    if live is None:
        return Stage("Production", "Not adopted", "pending", "", url)
    if drift is not None:
        url = reverse("promotion:drift", args=[target.slug])
        return Stage("Production", "Drift", "errored", drift.words.capitalize(), url)
    who = live.promotion.requested_by
    by = f" by {who.label}" if who is not None else ""
    what = "found" if live.is_found else "since"
    since = f"{live.build}, {what} {localtime(live.live_since):%-d %b %Y %H:%M %Z}{by}"
    return Stage("Production", f"Generation {live.number}", "succeeded", since, url)


def _next(user: User, row: Pipeline, facts: _Facts) -> None:
    running = running_in(row.target)
    if running is not None:
        row.next_words, row.moving = f"{running} is running.", True
        row.buttons = [Button("Watch it", promotion_url(running), style=PRIMARY)]
        return
    row.next_words = _next_words(facts)
    admin = bool(may(user, Verb.PROMOTE, row.target))
    if (lost := LostState.of(row.target)) is not None:
        row.next_words = f"{lost.message} An administrator reconciles it."
        url = environment_url(row.target)
        row.stages[-1] = Stage("Production", "Not as recorded", "failed", "", url)
        row.buttons = [reconcile_button(row.target)] if admin else []
        return
    if facts.drift is not None:
        url = reverse("promotion:drift", args=[row.target.slug])
        row.buttons.append(Button("Settle the drift" if admin else "See the drift", url))
    if admin and facts.live is None:
        url = reverse("promotion:adopt", args=[row.target.slug])
        row.buttons.append(Button("Adopt production", url, style=PRIMARY))
    if admin and (build := facts.promotable) is not None:
        row.buttons.append(promote_button(build, facts.ready))
        if facts.ready.can_prepare:
            row.buttons.append(prepare_button(build))
    if (build := facts.to_review) is not None and may(user, Verb.REVIEW, row.staging):
        row.buttons.append(Button("Review the build", build_url(build), style=PRIMARY))
    if may(user, Verb.CAPTURE, row.staging):
        row.buttons.append(capture_button(row.staging, "" if row.buttons else PRIMARY))
    if admin and facts.live is not None:
        row.buttons.append(rollback_button(row.target, facts.live, ""))


def _next_words(facts: _Facts) -> str:
    if facts.live is None:
        return "Production is not adopted yet."
    if facts.drift is not None:
        return "Production was edited by hand: settle the drift."
    if facts.promotable is not None and facts.rolled_back is None:
        return f"{facts.promotable} is approved and may go live."
    if facts.to_review is not None:
        return f"{facts.to_review} waits for QA."
    if facts.changed:
        return "Staging changed: capture a build for QA."
    if facts.changed is None:
        return "Staging cannot be reached: see to its cluster first."
    if facts.review is not None and facts.review.verdict == Review.Verdict.REJECTED:
        return f"{facts.build} was rejected: change staging, then capture again."
    if facts.review is not None and not facts.review.is_final:
        return f"QA requested changes of {facts.build}: change staging, then capture again."
    if facts.promotable is not None and facts.rolled_back is not None:
        until = f"{localtime(facts.rolled_back):%-d %b %Y %H:%M %Z}"
        return (
            f"{facts.promotable} was live until {until} and was rolled back: change staging, then "
            "capture again."
        )
    return "Nothing: production has what staging has."
