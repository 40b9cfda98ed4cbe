"""What the home page and the lists say about pipelines, and which button comes next."""

from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse

from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from environments.elastic import ElasticError, connect
from environments.models import Environment
from promotion.cluster import ClusterReader
from promotion.engine.capture import fingerprints
from promotion.engine.errors import PromotionError
from promotion.models import Build, Promotion, Review, StoredGeneration
from promotion.preparing import current_preparation, newest_approved


@dataclass(frozen=True)
class Button:
    """What a person can do; `reason` says why not just now."""

    label: str
    url: str = ""
    method: str = "get"
    style: str = "tc-button--primary"
    reason: str = ""


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
    """A staging environment, its target, and the next thing to do."""

    staging: Environment
    target: Environment
    stages: list[Stage] = field(default_factory=list)
    next_words: str = ""
    buttons: list[Button] = field(default_factory=list)


def latest_build(environment: Environment) -> Build | None:
    """Return the newest capture of an environment."""
    return (
        Build.objects.filter(environment=environment, kind=Build.Kind.CAPTURE)
        .select_related("environment", "captured_by")
        .order_by("-number")
        .first()
    )


def staging_changed(staging: Environment, build: Build | None) -> tuple[bool | None, str]:
    """Answer whether staging was written to since a build; None and the reason if unreachable."""
    if build is None:
        return True, "Never captured"
    try:
        _states, now = fingerprints(ClusterReader(connect(staging.cluster)), staging.naming)
    except (PromotionError, ElasticError) as error:
        return None, str(error)
    held = {name: part.fingerprint for name, part in build.resources().items()}
    moved = [name for name, mark in now.items() if held.get(name) != mark]
    if not moved:
        return False, f"As in build {build.number}"
    return True, f"Written to since build {build.number}: {', '.join(moved[:4])}"


def pipeline(user: User, staging: Environment, target: Environment) -> Pipeline:
    """Return a pipeline at a glance, with the buttons of this person's role."""
    row = Pipeline(staging, target)
    build = latest_build(staging)
    changed, words = staging_changed(staging, build)
    statuses = {True: "running", False: "succeeded", None: "errored"}
    titles = {True: "Changed", False: "No change", None: "Cannot be reached"}
    row.stages.append(
        Stage("Staging", titles[changed], statuses[changed], words, environment_url(staging))
    )
    review = build.review if build is not None else None
    row.stages.append(_review_stage(build, review))
    approved, ready = newest_approved(target), current_preparation(target)
    row.stages.append(_prepared_stage(target, approved, ready))
    live = StoredGeneration.live_in(target)
    row.stages.append(_live_stage(target, live))
    _next(user, row, build, review, changed, approved, ready, live)
    return row


def environment_url(environment: Environment) -> str:
    return reverse("promotion:environment", args=[environment.slug])


def build_url(build: Build, name: str = "promotion:build") -> str:
    return reverse(name, args=[build.environment.slug, build.number])


def _review_stage(build: Build | None, review: Review | None) -> Stage:
    if build is None:
        return Stage("QA", "No build yet")
    if review is None:
        return Stage("QA", f"Build {build.number} waits for QA", "running", url=build_url(build))
    good = review.verdict == Review.Verdict.APPROVED
    return Stage(
        "QA",
        f"Build {build.number} {review.verdict}",
        "succeeded" if good else "failed",
        f"by {review.reviewed_by.label}",
        build_url(build),
    )


def _prepared_stage(target: Environment, approved: Build | None, ready: Promotion | None) -> Stage:
    live = StoredGeneration.live_in(target)
    if approved is None:
        return Stage("Prepared", "Nothing approved yet")
    if live is not None and live.build.content == approved.content:
        return Stage("Prepared", "The approved build is live", "succeeded")
    if ready is not None and ready.build is not None and ready.build.content == approved.content:
        url = reverse("promotion:promotion", args=[ready.pk])
        return Stage("Prepared", f"Build {approved.number} is ready", "succeeded", url=url)
    last = Promotion.objects.filter(environment=target, kind=Promotion.Kind.PREPARE).first()
    over = last is not None and last.build_id == approved.pk and not last.is_active
    if last is not None and over and last.status != Promotion.Status.SUCCEEDED:
        url = reverse("promotion:promotion", args=[last.pk])
        return Stage("Prepared", f"Preparation {last.status}", "failed", last.message, url)
    if live is None:
        return Stage("Prepared", "Waits for adoption", "pending")
    return Stage("Prepared", f"Build {approved.number} is being prepared", "running")


def _live_stage(target: Environment, live: StoredGeneration | None) -> Stage:
    url = environment_url(target)
    if live is None:
        return Stage("Production", "Not adopted", "pending", "", url)
    who = live.promotion.requested_by
    by = f" by {who.label}" if who is not None else ""
    since = f"since {live.live_since:%d %b %Y %H:%M} UTC{by}"
    return Stage("Production", f"Generation {live.number}", "succeeded", since, url)


def _next(
    user: User,
    row: Pipeline,
    build: Build | None,
    review: Review | None,
    changed: bool | None,
    approved: Build | None,
    ready: Promotion | None,
    live: StoredGeneration | None,
) -> None:
    running = (
        Promotion.objects.filter(environment=row.target, status__in=Promotion.ACTIVE)
        .exclude(kind=Promotion.Kind.PREPARE)
        .first()
    )
    admin = bool(may(user, Verb.PROMOTE, row.target))
    capture_url = reverse("promotion:capture", args=[row.staging.slug])
    capture_label = "Capture a build"
    if running is not None:
        row.next_words = f"{running} is running."
        url = reverse("promotion:promotion", args=[running.pk])
        row.buttons = [Button("Watch it", url)]
        return
    waiting = build is not None and review is None
    promotable = (
        live is not None and approved is not None and live.build.content != approved.content
    )
    is_ready = (
        ready is not None
        and approved is not None
        and ready.build is not None
        and ready.build.content == approved.content
    )
    if live is None:
        row.next_words = "Production is not adopted yet."
        if admin:
            url = reverse("promotion:adopt", args=[row.target.slug])
            row.buttons.append(Button("Adopt production", url))
    elif promotable and approved is not None:
        row.next_words = f"{approved} is approved and may go live."
        if admin:
            reason = "" if is_ready else "It is being prepared. This page will say when."
            row.buttons.append(
                Button(
                    "Promote to production",
                    build_url(approved, "promotion:promote"),
                    reason=reason,
                )
            )
    elif waiting and build is not None:
        row.next_words = f"{build} waits for QA."
    elif changed:
        row.next_words = "Staging changed: capture a build for QA."
    else:
        row.next_words = "Nothing: production has what staging has."
    if waiting and build is not None and may(user, Verb.REVIEW, row.staging):
        row.buttons.append(Button("Review the build", build_url(build)))
    if may(user, Verb.CAPTURE, row.staging):
        style = "" if row.buttons else "tc-button--primary"
        row.buttons.append(Button(capture_label, capture_url, "post", style))
    if admin and live is not None:
        reason = "" if live.previous_id else "There is no earlier generation."
        url = reverse("promotion:rollback", args=[row.target.slug])
        row.buttons.append(Button("Roll back", url, style="", reason=reason))


def changes(prepared: Promotion) -> list[dict[str, Any]]:
    """Return what a plan changes, one row a resource, for a page."""
    plan = prepared.plan
    if plan is None:
        return []
    rows = []
    for part in plan.resources:
        if part.counts.any:
            resource = prepared.environment.catalogue.get(part.resource)
            rows.append({"label": resource.label, "counts": part.counts})
    return rows
