"""Builds, reviews and promotions as pages. Each change is a POST to a service."""

from collections.abc import Callable

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import request_actor
from accounts.models import User
from accounts.policy import may, may_anywhere
from accounts.roles import Verb
from accounts.web import console_page, forbidden, paged, show
from environments.models import Environment
from promotion.engine.diff import compare
from promotion.engine.errors import PromotionError
from promotion.engine.manifest import Tree
from promotion.forms import PromoteForm, ReviewForm
from promotion.models import Build, Promotion, Review
from promotion.overview import build_url, changes
from promotion.preparing import current_preparation
from promotion.promotions import cancel, promote, promote_problem
from promotion.services import NotAllowedError, capture, review
from promotion.store import DatabaseContent
from promotion.tasks import finish_promotion


def signed_in(request: HttpRequest) -> User:
    """Return the person; `console_page` let nobody else in."""
    if not isinstance(request.user, User):
        raise Http404
    return request.user


def done(request: HttpRequest, url: str, act: Callable[[], str]) -> HttpResponse:
    """Run a change, say how it went, and go to a page; a refusal is a 403 page."""
    try:
        messages.success(request, act())
    except NotAllowedError as error:
        return show(request, "console/refused.html", "Not allowed", status=403, message=str(error))
    except PromotionError as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(url)


def environment_for(request: HttpRequest, slug: str, verb: Verb) -> Environment:
    """Return an environment that this person may see; one of others is not there at all."""
    user = signed_in(request)
    return get_object_or_404(
        Environment.objects.visible_to(user, verb).select_related("cluster", "promotes_to"),
        slug=slug,
    )


@console_page
@require_GET
def builds(request: HttpRequest) -> HttpResponse:
    """List builds, the newest first."""
    user = signed_in(request)
    verdict = may_anywhere(user, Verb.VIEW_BUILD)
    if not verdict:
        return forbidden(request, may(user, Verb.VIEW_BUILD), "builds.list")
    rows = paged(
        request,
        Build.objects.filter(
            environment__in=Environment.objects.visible_to(user, Verb.VIEW_BUILD)
        ).select_related("environment", "captured_by"),
    )
    return show(request, "promotion/builds.html", "Builds", rows=rows)


def _build(request: HttpRequest, slug: str, number: int) -> Build:
    environment = environment_for(request, slug, Verb.VIEW_BUILD)
    return get_object_or_404(
        Build.objects.select_related("environment__promotes_to", "captured_by"),
        environment=environment,
        number=number,
    )


def previous_of(build: Build) -> Build | None:
    """Return the build before, of the same environment."""
    return (
        Build.objects.filter(environment=build.environment, number__lt=build.number)
        .order_by("-number")
        .first()
    )


def differences(before: Build | None, after: Build) -> list[dict[str, object]]:
    """Return what differs between two builds by resource, with the documents' titles."""
    content, old = DatabaseContent(), before.resources() if before is not None else {}
    rows: list[dict[str, object]] = []
    for name, part in after.resources().items():
        held = old.get(name)
        if held is not None and held.tree.content == part.tree.content:
            continue
        base = content.tree(held.tree.digest) if held is not None else Tree.of(name, ())
        found = [c for c in compare(base, content.tree(part.tree.digest)) if c.kind != "noise"]
        if found:
            label = after.environment.catalogue.get(name).label
            rows.append({"label": label, "changes": found[:200], "more": max(0, len(found) - 200)})
    return rows


@console_page
@require_GET
def build(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show one build: what is in it, what changed, and QA's verdict."""
    return _build_page(request, _build(request, slug, number), None)


def _build_page(
    request: HttpRequest, shown: Build, form: ReviewForm | None, status: int = 200
) -> HttpResponse:
    user, before = signed_in(request), previous_of(shown)
    review_made = shown.review
    catalogue = shown.environment.catalogue
    target = shown.environment.promotes_to
    return show(
        request,
        "promotion/build.html",
        str(shown),
        status=status,
        build=shown,
        review=review_made,
        before=before,
        differences=differences(before, shown),
        parts=[
            {"label": catalogue.get(name).label, "tree": part.tree}
            for name, part in shown.resources().items()
        ],
        form=form or ReviewForm(initial={"content": shown.content}),
        may_review=review_made is None
        and shown.kind == Build.Kind.CAPTURE
        and bool(may(user, Verb.REVIEW, shown)),
        promotable=target is not None
        and review_made is not None
        and review_made.verdict == Review.Verdict.APPROVED
        and bool(may(user, Verb.PROMOTE, target)),
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
    shown = _build(request, slug, number)
    form = ReviewForm(request.POST)
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
        )
        return f"{shown} is {verdict.value}."

    return done(request, build_url(shown), act)


@console_page
@require_http_methods(["GET", "POST"])
def promote_build(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show what a promotion will change, and do it."""
    shown = _build(request, slug, number)
    target, actor = shown.environment.promotes_to, request_actor(request)
    if target is None:
        raise Http404
    verdict = may(signed_in(request), Verb.PROMOTE, target)
    if not verdict:
        return forbidden(request, verdict, "promote.requested", target)
    ready = current_preparation(target)
    if ready is not None and (ready.build is None or ready.build.content != shown.content):
        ready = None
    problem = promote_problem(actor, shown, target)
    if not problem and ready is None:
        problem = f"{shown} is being prepared. Open this page again in a moment."
    form = PromoteForm(
        request.POST or None,
        prepared=ready,
        initial={"plan": ready.plan_digest if ready is not None else ""},
    )
    if request.method == "POST" and not problem and form.is_valid():
        made: list[Promotion] = []

        def act() -> str:
            made.append(
                promote(
                    actor,
                    shown,
                    target,
                    plan_digest=form.cleaned_data["plan"],
                    consents=form.consents(),
                    comment=form.cleaned_data["comment"],
                )
            )
            finish_promotion.enqueue(made[0].pk)
            return f"{shown} is live in {target}. It is being verified."

        response = done(request, request.path, act)
        if made:
            return HttpResponseRedirect(reverse("promotion:promotion", args=[made[0].pk]))
        return response
    return show(
        request,
        "promotion/promote.html",
        f"Promote {shown}",
        status=400 if request.method == "POST" else 200,
        build=shown,
        target=target,
        ready=ready,
        plan=ready.plan if ready is not None else None,
        changes=changes(ready) if ready is not None else [],
        protected=target.catalogue.protected,
        problem=problem,
        form=form,
    )


def visible_promotions(user: User) -> QuerySet[Promotion]:
    """Return the promotions that a person may see: all, or only those that went live."""
    everything = Environment.objects.visible_to(user, Verb.VIEW_PROMOTION)
    live = Environment.objects.visible_to(user, Verb.VIEW_LIVE_PROMOTION)
    rows = Promotion.objects.select_related("environment", "build__environment", "requested_by")
    return rows.filter(environment__in=everything) | rows.filter(
        environment__in=live, live_at__isnull=False, status=Promotion.Status.SUCCEEDED
    )


@console_page
@require_GET
def promotions(request: HttpRequest) -> HttpResponse:
    """List promotions, the newest first; marketing sees those that went live."""
    rows = paged(request, visible_promotions(signed_in(request)))
    return show(request, "promotion/promotions.html", "Promotions", rows=rows)


@console_page
@require_GET
def promotion(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one promotion; htmx asks for its moving part alone."""
    user = signed_in(request)
    shown = get_object_or_404(visible_promotions(user), pk=pk)
    cancellable = shown.is_active and shown.live_at is None and not shown.cancel_requested
    partial = bool(getattr(request, "htmx", False))
    template = "promotion/progress.html" if partial else "promotion/promotion.html"
    return show(
        request,
        template,
        str(shown),
        promotion=shown,
        steps=shown.steps.all(),
        changes=changes(shown),
        may_cancel=cancellable and bool(may(user, Verb.PROMOTE, shown)),
        may_see_steps=bool(may(user, Verb.VIEW_PROMOTION, shown)),
        may_see_build=bool(may(user, Verb.VIEW_BUILD, shown.build)) if shown.build else False,
    )


@console_page
@require_POST
def cancel_promotion(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a promotion to stop before it switches anything."""
    shown = get_object_or_404(visible_promotions(signed_in(request)), pk=pk)

    def act() -> str:
        cancel(request_actor(request), shown)
        return f"{shown} will stop before it changes what production serves."

    return done(request, reverse("promotion:promotion", args=[shown.pk]), act)
