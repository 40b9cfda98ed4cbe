"""Promotions as pages: the confirm page, the list, and one promotion as it runs."""

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import request_actor
from accounts.confirming import confirmed_page
from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import Filter, console_page, forbidden, listing, show, signed_in
from environments.models import Environment
from environments.web import environment_filter, environment_for
from promotion.beginning import cancel, refuse
from promotion.buttons import Readiness, promotion_url, readiness, rehearse_button
from promotion.common import done
from promotion.confirming import (
    plan_by_digest,
    plan_differences,
    time_words,
    told,
    untouched_words,
)
from promotion.forms import PromoteForm
from promotion.models import Build, Promotion
from promotion.promotions import promote
from promotion.proofs import proofs
from promotion.receipts import issued
from promotion.smoke import smoke_problem
from promotion.tasks import finish_promotion

ACTION = "promote.requested"
# So many of a promotion's smoke checks are listed.
SMOKES_SHOWN = 5


@console_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def promote_build(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show what a promotion will change, and do it."""
    environment = environment_for(request, slug, Verb.VIEW_BUILD)
    shown = get_object_or_404(
        Build.objects.select_related("environment__promotes_to"),
        environment=environment,
        number=number,
    )
    target, actor = shown.target, request_actor(request)
    if target is None:
        raise Http404
    verdict = may(signed_in(request), Verb.PROMOTE, target)
    if not verdict:
        return forbidden(request, verdict, ACTION, target)
    state = readiness(actor, shown, target)
    ready = state.prepared
    confirmed = request.POST.get("plan") or request.GET.get("confirmed", "")
    current = ready.plan_digest if ready is not None else ""
    if request.method == "POST" and confirmed and confirmed != current:
        return _stale(request, shown, target, state, confirmed)
    form = PromoteForm(
        request.POST or None,
        due=ready.consents_due if ready is not None else (),
        initial={"plan": ready.plan_digest if ready is not None else ""},
    )
    if request.method == "POST" and ready is not None and form.is_valid():
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
            return ""

        # What moved since is named beside what was confirmed, once it is planned again.
        back = f"{request.path}?{urlencode({'confirmed': confirmed})}"
        response = done(request, back, act)
        return HttpResponseRedirect(promotion_url(made[0])) if made else response
    status = 400 if request.method == "POST" else 200
    return _confirm_page(request, shown, target, state, form, confirmed, status)


def _stale(
    request: HttpRequest, shown: Build, target: Environment, state: Readiness, confirmed: str
) -> HttpResponse:
    """Refuse a plan that is not the one any more, and show the new one beside it."""
    words = state.reason or "The plan is not the one that you confirmed. Look at it again."
    error = refuse(request_actor(request), ACTION, target, f"{words} Nothing was changed.")
    ready = state.prepared
    form = PromoteForm(
        due=ready.consents_due if ready is not None else (),
        initial={
            "plan": ready.plan_digest if ready is not None else "",
            "comment": request.POST.get("comment", ""),
        },
    )
    return _confirm_page(request, shown, target, state, form, confirmed, 409, str(error))


def _confirm_page(
    request: HttpRequest,
    shown: Build,
    target: Environment,
    state: Readiness,
    form: PromoteForm,
    confirmed: str,
    status: int,
    problem: str = "",
) -> HttpResponse:
    ready = state.prepared
    plan = ready.plan if ready is not None else None
    moved = bool(confirmed) and (ready is None or ready.plan_digest != confirmed)
    old = plan_by_digest(target, confirmed) if moved else None
    return show(
        request,
        "promotion/promote.html",
        f"Promote {shown}",
        status=status,
        build=shown,
        problem=problem,
        confirmed=confirmed if moved else "",
        poll_url=f"{request.path}?{urlencode({'confirmed': confirmed})}" if moved else request.path,
        old=old,
        plan_rows=plan_differences(old, plan, target) if old is not None and plan else [],
        told=told(plan, shown, target) if plan is not None else None,
        untouched=untouched_words(plan, target) if plan is not None else "",
        takes=time_words(ready) if ready is not None else "",
        target=target,
        ready=ready,
        state=state,
        plan=plan,
        changes=changes(ready) if ready is not None else [],
        rehearse=rehearse_button(shown, target),
        protected=target.catalogue.protected,
        proofs=proofs(shown),
        form=form,
    )


def changes(prepared: Promotion) -> list[dict[str, object]]:
    """Return what a plan changes, one row a resource."""
    plan, catalogue = prepared.plan, prepared.environment.catalogue
    return [
        {"label": catalogue.get(part.resource).label, "counts": part.counts}
        for part in (plan.resources if plan is not None else ())
        if part.counts.any
    ]


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
    user = signed_in(request)
    filters = (
        environment_filter(user, Verb.VIEW_LIVE_PROMOTION),
        Filter("kind", "Kind", "kind", Promotion.Kind.choices),
        Filter("status", "Status", "status", Promotion.Status.choices),
    )
    rows = listing(request, visible_promotions(user), filters)
    return show(request, "promotion/promotions.html", "Promotions", listing=rows)


@console_page
@require_GET
def promotion(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one promotion; htmx asks for its moving part alone."""
    user = signed_in(request)
    shown = get_object_or_404(visible_promotions(user), pk=pk)
    cancellable = shown.is_active and shown.switching_at is None and not shown.cancel_requested
    partial = bool(getattr(request, "htmx", False))
    template = "promotion/progress.html" if partial else "promotion/promotion.html"
    sees_steps = bool(may(user, Verb.VIEW_PROMOTION, shown))
    if partial and sees_steps and request.htmx.target == "smoke":  # type: ignore[attr-defined]
        template = "promotion/smoke.html"
    return show(
        request,
        template,
        str(shown),
        promotion=shown,
        steps=shown.steps.all(),
        changes=changes(shown),
        receipt=receipt_rows(shown),
        is_issued=issued(shown) is not None,
        smokes=shown.smoke_checks.select_related("requested_by")[:SMOKES_SHOWN],
        may_smoke=bool(may(user, Verb.PROMOTE, shown)),
        smoke_reason=smoke_problem(shown),
        may_cancel=cancellable and bool(may(user, Verb.PROMOTE, shown)),
        may_see_batch=bool(may(user, Verb.PROMOTE)),
        may_see_steps=sees_steps,
        may_see_build=bool(may(user, Verb.VIEW_BUILD, shown.build)) if shown.build else False,
    )


def receipt_rows(shown: Promotion) -> list[dict[str, object]]:
    """Return the untouched receipt by index: its UUID before and after, and if all is equal."""
    kept = shown.receipt or {}
    if "after" not in kept:
        return []
    before, after = kept["before"], kept["after"]
    return [
        {
            "index": name,
            "before": before.get(name, [""])[0],
            "after": after.get(name, [""])[0],
            "same": before.get(name) == after.get(name),
            "new": name not in before,
        }
        for name in sorted(before.keys() | after.keys())
    ]


@console_page
@require_GET
def promotion_receipt(request: HttpRequest, pk: int) -> HttpResponse:
    """Download an ended promotion's signed receipt."""
    user = signed_in(request)
    shown = get_object_or_404(visible_promotions(user), pk=pk)
    verdict = may(user, Verb.VIEW_PROMOTION, shown)
    if not verdict:
        return forbidden(request, verdict, "receipt.download", shown)
    found = issued(shown)
    if found is None:
        raise Http404("It has no receipt: it goes on, or ended before receipts were signed.")
    answer = JsonResponse(found, json_dumps_params={"indent": 2})
    answer["Content-Disposition"] = f'attachment; filename="promotion-{shown.pk}-receipt.json"'
    return answer


@console_page
@require_POST
def cancel_promotion(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a promotion to stop before it switches anything."""
    shown = get_object_or_404(visible_promotions(signed_in(request)), pk=pk)

    def act() -> str:
        cancel(request_actor(request), shown)
        if not shown.is_active:
            return f"{shown} is cancelled."
        return f"{shown} will stop before it changes what production serves."

    return done(request, promotion_url(shown), act)
