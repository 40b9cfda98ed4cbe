"""Builds as pages: the lists of them and of verdicts, capturing one, having one prepared."""

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.audit import request_actor
from accounts.authorising import authorise
from accounts.policy import may, may_anywhere
from accounts.roles import Verb
from accounts.web import Filter, console_page, forbidden, listing, show, signed_in
from environments.models import Environment
from environments.web import environment_filter, environment_for
from promotion.buttons import (
    build_url,
    promotion_url,
    readiness,
)
from promotion.common import build_for, done
from promotion.engine.errors import RuleBroken
from promotion.models import Build, Promotion, Review
from promotion.preparing import request_preparation
from promotion.reviewing import WAITING, with_outdated, with_verdict
from promotion.services import capture


def visible_builds(request: HttpRequest) -> QuerySet[Build]:
    """Return the builds that a person may see, each with the verdict on its content."""
    rows = Build.objects.filter(
        environment__in=Environment.objects.visible_to(signed_in(request), Verb.VIEW_BUILD)
    )
    return with_verdict(rows.select_related("environment", "captured_by"))


@console_page
@require_GET
def builds(request: HttpRequest) -> HttpResponse:
    """List builds, the newest first."""
    user = signed_in(request)
    if not may_anywhere(user, Verb.VIEW_BUILD):
        return forbidden(request, may(user, Verb.VIEW_BUILD), "builds.list")
    filters = (
        environment_filter(user, Verb.VIEW_BUILD),
        Filter("kind", "Kind", "kind", Build.Kind.choices),
        Filter(
            "verdict",
            "Verdict",
            "verdict",
            [*Review.Verdict.choices, (WAITING, "No verdict")],
        ),
    )
    rows = listing(request, visible_builds(request), filters, ["number", "content"])
    return show(request, "promotion/builds.html", "Builds", listing=rows)


@console_page
@require_GET
def reviews(request: HttpRequest) -> HttpResponse:
    """List QA's verdicts, the newest first."""
    user = signed_in(request)
    if not may_anywhere(user, Verb.VIEW_BUILD):
        return forbidden(request, may(user, Verb.VIEW_BUILD), "reviews.list")
    filters = (
        environment_filter(user, Verb.VIEW_BUILD),
        Filter("verdict", "Verdict", "verdict", Review.Verdict.choices),
    )
    rows = Review.objects.filter(
        environment__in=Environment.objects.visible_to(user, Verb.VIEW_BUILD)
    ).select_related("build__environment", "reviewed_by")
    found = listing(request, with_outdated(rows), filters, ["comment", "reviewed_by__username"])
    return show(request, "promotion/reviews.html", "Reviews", listing=found)


@console_page
@require_POST
def capture_build(request: HttpRequest, slug: str) -> HttpResponse:
    """Capture an environment."""
    environment = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    made: list[Build] = []

    def act() -> str:
        made.append(capture(request_actor(request), environment))
        return f"Captured {made[0]}.{made[0].same_words()}"

    response = done(request, reverse("admin:index"), act)
    if made:
        return HttpResponseRedirect(build_url(made[0]))
    return response


@console_page
@require_POST
def prepare_build(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Have the worker prepare a build, such as an older one, or after a failure."""
    shown = build_for(request, slug, number)
    target, actor = shown.target, request_actor(request)
    if target is None:
        raise Http404
    made: list[Promotion] = []

    def act() -> str:
        authorise(actor, Verb.PROMOTE, "prepare.requested", target)
        state = readiness(actor, shown, target)
        if state.reason and not state.can_prepare:
            raise RuleBroken(state.reason)
        promotion = request_preparation(shown, target, actor)
        if promotion is None:
            return f"{shown} is prepared."
        made.append(promotion)
        return ""

    response = done(request, build_url(shown), act)
    return HttpResponseRedirect(promotion_url(made[0])) if made else response
