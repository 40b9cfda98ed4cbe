"""Builds and reviews as pages: lists, contents, differences, QA's verdict."""

from collections.abc import Mapping

from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.audit import request_actor
from accounts.policy import may, may_anywhere
from accounts.roles import Verb
from accounts.web import Filter, console_page, forbidden, listing, show
from environments.findings import errors, warnings
from environments.models import Environment
from promotion.buttons import (
    build_url,
    compose_button,
    prepare_button,
    promote_button,
    promotion_url,
    readiness,
    rehearse_button,
)
from promotion.common import (
    build_for,
    done,
    environment_filter,
    environment_for,
    signed_in,
)
from promotion.compositions import composition_of
from promotion.dependencies import findings_of
from promotion.engine.diff import Change, compare
from promotion.engine.errors import RuleBroken
from promotion.engine.manifest import Tree, TreeDigests
from promotion.forms import ReviewForm
from promotion.models import Build, Promotion, Review, StoredGeneration
from promotion.preparing import request_preparation
from promotion.services import authorise, capture, moved_words, review
from promotion.store import DatabaseContent

WAITING = "waiting"
Base = tuple[str, Mapping[str, TreeDigests]]
# So many documents of a resource are listed; the counts are of all.
MOST_LISTED = 200
# So many findings about references are shown.
MOST_FINDINGS = 100


def visible_builds(request: HttpRequest) -> QuerySet[Build]:
    """Return the builds that a person may see, each with the verdict on its content."""
    verdict = Review.objects.filter(
        environment=OuterRef("environment"), content=OuterRef("content")
    ).values("verdict")
    return (
        Build.objects.filter(
            environment__in=Environment.objects.visible_to(signed_in(request), Verb.VIEW_BUILD)
        )
        .select_related("environment", "captured_by")
        .annotate(verdict=Coalesce(Subquery(verdict[:1]), Value(WAITING)))
    )


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
    found = listing(request, rows, filters, ["comment", "reviewed_by__username"])
    return show(request, "promotion/reviews.html", "Reviews", listing=found)


def previous_of(build: Build) -> Build | None:
    """Return the build before, of the same environment; of a composed one its source."""
    if build.composed_from is not None:
        return build.composed_from
    return (
        Build.objects.filter(environment=build.environment, number__lt=build.number)
        .exclude(kind=Build.Kind.COMPOSED)
        .order_by("-number")
        .first()
    )


def differences(before: Mapping[str, TreeDigests], after: Build) -> list[dict[str, object]]:
    """Return what a build changes by resource, with counts and the documents' titles."""
    content = DatabaseContent()
    rows: list[dict[str, object]] = []
    for name, part in after.resources().items():
        held = before.get(name)
        if held is not None and held.content == part.tree.content:
            continue
        base = content.tree(held.digest) if held is not None else Tree.of(name, ())
        found = [
            change
            for change in compare(base, content.tree(part.tree.digest))
            if change.kind is not Change.NOISE
        ]
        if found:
            kinds = [change.kind for change in found]
            rows.append(
                {
                    "resource": name,
                    "label": after.environment.catalogue.get(name).label,
                    "changes": found[:MOST_LISTED],
                    "more": max(0, len(found) - MOST_LISTED),
                    "added": kinds.count(Change.ADDED),
                    "changed": kinds.count(Change.CHANGED),
                    "removed": kinds.count(Change.REMOVED),
                }
            )
    return rows


@console_page
@require_GET
def build(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show one build: what is in it, what changed, and QA's verdict."""
    return _build_page(request, build_for(request, slug, number), None)


def _bases(shown: Build, live: StoredGeneration | None) -> dict[str, Base]:
    """Return what a build can be compared with: words, and the trees, by the key in the address."""
    bases: dict[str, Base] = {}
    before = previous_of(shown)
    if before is not None:
        trees = {name: part.tree for name, part in before.resources().items()}
        bases["previous"] = (f"build {before.number}", trees)
    if live is not None:
        trees = {name: held.tree for name, held in live.generation.resources.items()}
        bases["live"] = (f"{live.environment}, generation {live.number}", trees)
    return bases


def _build_page(
    request: HttpRequest, shown: Build, form: ReviewForm | None, status: int = 200
) -> HttpResponse:
    user, target, made = signed_in(request), shown.target, shown.review
    live = None
    if target is not None and may(user, Verb.VIEW_BUILD, target):
        live = StoredGeneration.live_in(target)
    bases = _bases(shown, live)
    key = request.GET.get("against", "")
    if key not in bases:
        # What goes live is what matters; where nothing is live yet, what is new since last time.
        key = "live" if "live" in bases else "previous"
    base = bases.get(key)
    buttons = []
    if target is not None and may(user, Verb.PROMOTE, target) and shown.is_reviewable:
        ready = readiness(request_actor(request), shown, target)
        buttons.append(promote_button(shown, ready))
        if ready.can_prepare:
            buttons.append(prepare_button(shown))
        buttons.append(rehearse_button(shown, target))
    may_see = target is not None and bool(may(user, Verb.VIEW_BUILD, target))
    if may_see and shown.is_reviewable and may(user, Verb.CAPTURE, shown):
        buttons += compose_button(shown, live)
    due = findings_of(shown) if shown.is_reviewable else []
    return show(
        request,
        "promotion/build.html",
        str(shown),
        status=status,
        build=shown,
        review=made,
        bases=[{"key": k, "words": words} for k, (words, _trees) in bases.items()],
        against=key,
        base_words=base[0] if base is not None else "",
        differences=differences(base[1] if base is not None else {}, shown),
        parts=[
            {"label": shown.environment.catalogue.get(name).label, "tree": part.tree}
            for name, part in shown.resources().items()
        ],
        composition=composition_of(shown),
        moved="" if shown.rests_on(live) else moved_words(shown, target),
        findings=due,
        most_findings=f":{MOST_FINDINGS}",
        findings_more=max(0, len(due) - MOST_FINDINGS),
        stopping=len(errors(due)),
        form=form or ReviewForm(due=warnings(due), initial={"content": shown.content}),
        may_review=made is None and shown.is_reviewable and bool(may(user, Verb.REVIEW, shown)),
        buttons=buttons,
    )


@console_page
@require_POST
def capture_build(request: HttpRequest, slug: str) -> HttpResponse:
    """Capture an environment."""
    environment = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    made: list[Build] = []

    def act() -> str:
        made.append(capture(request_actor(request), environment))
        same = made[0].same_as
        if same is None:
            return f"Captured {made[0]}."
        return f"Captured {made[0]}. It equals build {same.number}, whose verdict holds."

    response = done(request, reverse("admin:index"), act)
    if made:
        return HttpResponseRedirect(build_url(made[0]))
    return response


@console_page
@require_POST
def review_build(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Keep QA's verdict."""
    shown = build_for(request, slug, number)
    form = ReviewForm(request.POST, due=warnings(findings_of(shown)))
    if not form.is_valid():
        return _build_page(request, shown, form, status=400)
    verdict = Review.Verdict(form.cleaned_data["verdict"])

    def act() -> str:
        review(
            request_actor(request),
            shown,
            verdict,
            content=form.cleaned_data["content"],
            comment=form.cleaned_data["comment"],
            acknowledged=form.codes(),
        )
        return f"{shown} is {verdict.value}."

    return done(request, build_url(shown), act)


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
