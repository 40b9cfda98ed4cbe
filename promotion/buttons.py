"""What a person can do on a page, and why not just now.

The controls of other roles are absent; what a state forbids stays visible, disabled, with its
reason. The services check all of it again.
"""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.http import urlencode

from accounts.audit import Actor
from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from environments.models import Environment
from promotion.beginning import running_in
from promotion.engine.dependencies import Key
from promotion.models import Build, LostState, Promotion, StoredGeneration, Unlocking
from promotion.preparing import current_preparation, is_live_already, last_preparation
from promotion.promotions import promote_problem
from promotion.rehearsing import rehearse_problem

NO_EARLIER = "There is no earlier generation."
LOST = "Reconcile it first."
PRIMARY, DANGER, QUIET = "tc-button--primary", "tc-button--danger", "tc-button--quiet"


@dataclass(frozen=True)
class Button:
    """What a person can do; `reason` says why not just now."""

    label: str
    url: str = ""
    method: str = "get"
    style: str = ""
    reason: str = ""


def environment_url(environment: Environment) -> str:
    return reverse("promotion:environment", args=[environment.slug])


def build_url(build: Build, name: str = "promotion:build") -> str:
    return reverse(name, args=[build.environment.slug, build.number])


def promotion_url(promotion: Promotion) -> str:
    return reverse("promotion:promotion", args=[promotion.pk])


@dataclass(frozen=True)
class Readiness:
    """Whether a build can go live: `reason` is empty if so. `moving` means that it will tell soon.

    `can_prepare` is there where a person may have it prepared, once more or at all.
    """

    reason: str = ""
    prepared: Promotion | None = None
    moving: bool = False
    can_prepare: bool = False


def readiness(actor: Actor, build: Build, target: Environment) -> Readiness:
    """Return whether a build can go live in its target now, and if not, why."""
    if problem := promote_problem(actor, build, target):
        return Readiness(problem)
    live = StoredGeneration.live_in(target)
    is_live = is_live_already(build, target)
    if is_live and not (live is not None and live.may_be_edited):
        return Readiness(f"{target} serves what {build} holds already.")
    if (running := running_in(target)) is not None:
        return Readiness(f"{running} is running.", moving=True)
    ready, last = current_preparation(target), last_preparation(build, target)
    if ready is not None and ready.build is not None and ready.build.content == build.content:
        return Readiness(prepared=ready)
    if last is not None and last.is_active:
        return Readiness(f"{build} is being prepared.", moving=True)
    if is_live:
        words = f"{target} serves {build}, but was open to edits by hand since. Prepare it to see."
        return Readiness(words, can_prepare=True)
    if last is not None and last.status in {Promotion.Status.FAILED, Promotion.Status.ERRORED}:
        words = f"It could not be prepared: {last.message}"
        return Readiness(words, can_prepare=True)
    return Readiness(f"{build} is not prepared for what is live now.", can_prepare=True)


def promote_button(build: Build, ready: Readiness) -> Button:
    """Return the button to the page that confirms a promotion."""
    url = build_url(build, "promotion:promote")
    return Button("Promote to production", url, style=PRIMARY, reason=ready.reason)


def prepare_button(build: Build) -> Button:
    return Button("Prepare it", build_url(build, "promotion:prepare"), "post", PRIMARY)


def compose_button(build: Build, live: StoredGeneration | None) -> list[Button]:
    """Return the button to the choice among a build's changes, or to the same choice once more."""
    if build.kind == Build.Kind.CAPTURE:
        reason = "" if live is not None else f"{build.target} is not adopted."
        return [Button("Choose changes…", build_url(build, "promotion:compose"), reason=reason)]
    if build.composed_from is None:
        return []
    url = f"{build_url(build.composed_from, 'promotion:compose')}?again={build.number}"
    style = QUIET if build.rests_on(live) else PRIMARY
    return [Button("Compose again", url, style=style)]


def restore_button(build: Build, key: Key, label: str, reason: str) -> Button:
    """Return the button to a build of what is live, and of one document as a build has it."""
    words = urlencode({"restore": key[0], "id": key[1]})
    return Button(label, f"{build_url(build, 'promotion:compose')}?{words}", reason=reason)


def rehearse_button(build: Build, target: Environment) -> Button:
    """Return the button that rehearses a promotion; the build need not be approved."""
    reason = rehearse_problem(build, target) or _rehearsing(target)
    return Button("Rehearse it", build_url(build, "promotion:rehearse"), "post", reason=reason)


def rehearse_rollback_button(environment: Environment, live: StoredGeneration) -> Button:
    """Return the button that proves the way back, and changes nothing."""
    url = reverse("promotion:rehearse-rollback", args=[environment.slug])
    reason = _rehearsing(environment) if live.previous_id else NO_EARLIER
    return Button("Rehearse a rollback", url, "post", reason=reason)


def _rehearsing(environment: Environment) -> str:
    """Say which rehearsal runs for an environment, or return an empty string."""
    running = Promotion.objects.filter(
        environment=environment, status__in=Promotion.ACTIVE, kind=Promotion.Kind.REHEARSE
    ).select_related("build__environment")
    return " ".join(f"{one} is running." for one in running)


def capture_button(environment: Environment, style: str = "") -> Button:
    url = reverse("promotion:capture", args=[environment.slug])
    return Button("Capture a build", url, "post", style)


def rollback_button(environment: Environment, live: StoredGeneration, busy: str) -> Button:
    reason = busy or ("" if live.previous_id else NO_EARLIER)
    return Button(
        "Roll back", reverse("promotion:rollback", args=[environment.slug]), reason=reason
    )


def reconcile_button(environment: Environment) -> Button:
    url = reverse("promotion:reconcile", args=[environment.slug])
    return Button("Reconcile…", url, style=PRIMARY)


def environment_buttons(user: User, shown: Environment) -> list[Button]:
    """Return what a person can do to an environment."""
    buttons = [Button("Dashboard", reverse("environments:dashboard", args=[shown.slug]))]
    if may(user, Verb.MANAGE, shown):
        url = reverse("promotion:checklist", args=[shown.slug])
        buttons.append(Button("Checklist", url))
    if not shown.is_production:
        if may(user, Verb.CAPTURE, shown):
            buttons.append(capture_button(shown))
        return buttons
    if not may(user, Verb.PROMOTE, shown):
        return buttons
    live, running = StoredGeneration.live_in(shown), running_in(shown)
    busy = f"{running} is running." if running is not None else ""
    if LostState.of(shown) is not None:
        buttons.append(reconcile_button(shown))
        busy = busy or LOST
    if live is None:
        url = reverse("promotion:adopt", args=[shown.slug])
        return [*buttons, Button("Adopt", url, style=PRIMARY, reason=busy)]
    buttons.append(rollback_button(shown, live, busy))
    buttons.append(rehearse_rollback_button(shown, live))
    url = reverse("promotion:drift", args=[shown.slug])
    buttons.append(Button("Drift", url))
    if Unlocking.of(shown) is not None:
        url = reverse("promotion:lock", args=[shown.slug])
        buttons.append(Button("Lock", url, "post", PRIMARY, busy))
    url = reverse("promotion:release", args=[shown.slug])
    return [*buttons, Button("Release", url, style=QUIET, reason=busy)]
