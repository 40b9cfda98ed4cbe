"""Making a missing set of indices, and filling a fresh staging, as pages."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from accounts.audit import request_actor
from accounts.confirming import confirmed_page
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, forbidden, show, signed_in
from environments.findings import Finding, Severity, errors
from environments.models import Environment
from environments.provisioning import Plan
from environments.web import environment_for
from promotion import provisioning, refreshing
from promotion.again import for_a_page
from promotion.buttons import environment_url
from promotion.common import done
from promotion.engine.errors import PromotionError
from promotion.engine.refresh import Refresh
from promotion.forms import ProvisionForm


def _others(shown: Environment, kind: str = "") -> list[Environment]:
    """Return the environments that one may be made like: those of its version."""
    found = Environment.objects.filter(version=shown.version).exclude(pk=shown.pk)
    return list((found.filter(kind=kind) if kind else found).select_related("cluster"))


def _chosen(
    others: list[Environment], slug: str, preferred: Environment | None
) -> Environment | None:
    for one in others:
        if one.slug == slug:
            return one
    return preferred if preferred in others and not slug else None


@console_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def provision_environment(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask what a missing set is to be like, show the plan, and do it."""
    shown = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    verdict = may(signed_in(request), Verb.MANAGE, shown)
    if not verdict:
        return forbidden(request, verdict, provisioning.ACTION, shown)
    others = _others(shown)
    data = request.POST if request.method == "POST" else request.GET
    like = _chosen(others, data.get("other", ""), None)
    form = ProvisionForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and like is not None:
        chosen = like

        def act() -> str:
            made = provisioning.provision(
                request_actor(request),
                shown,
                chosen,
                digest=form.cleaned_data["plan"],
                reason=form.cleaned_data["reason"],
            )
            return f"{shown} is like {chosen}: {len(made.due)} made, and all of it was read back."

        again = f"{request.path}?other={chosen.slug}"
        return done(request, environment_url(shown), act, again=again)
    plan, problem = _planned(shown, like) if like is not None else (None, "")
    if plan is not None:
        form.initial = {"other": data.get("other", ""), "plan": plan.digest}
    return show(
        request,
        "promotion/provision.html",
        f"Provision {shown}",
        status=400 if request.method == "POST" else 200,
        shown=shown,
        others=others,
        other=like,
        plan=plan,
        wrong=errors(plan.findings) if plan is not None else [],
        problem=problem,
        form=form,
    )


def _planned(shown: Environment, like: Environment) -> tuple[Plan | None, str]:
    try:
        with for_a_page():
            return provisioning.plan(shown, like), ""
    except PromotionError as error:
        return None, str(error)


@console_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def refresh_environment(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what copying a production to a staging would do, and do it."""
    shown = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    verdict = may(signed_in(request), Verb.MANAGE, shown)
    if not verdict:
        return forbidden(request, verdict, refreshing.ACTION, shown)
    others = _others(shown, "production")
    data = request.POST if request.method == "POST" else request.GET
    source = _chosen(others, data.get("other", ""), shown.promotes_to)
    halves = data.get("halves") != "out"
    # What the page asked for, in its own words: no plan is made only to know that again.
    asked = data.get("asked", "")[:300].split()
    form = ProvisionForm(
        request.POST or None, due=[{"code": one, "message": "", "remedy": ""} for one in asked]
    )
    if request.method == "POST" and form.is_valid() and source is not None:
        chosen = source

        def act() -> str:
            made, kept = refreshing.refresh(
                request_actor(request),
                shown,
                chosen,
                digest=form.cleaned_data["plan"],
                halves=halves,
                consents=form.consents(),
                reason=form.cleaned_data["reason"],
            )
            words = f"{shown} holds what {chosen} serves: {made.due} documents were changed."
            return f"{words} What it held is {kept}." if kept is not None else words

        out = "" if halves else "&halves=out"
        again = f"{request.path}?other={chosen.slug}{out}"
        return done(request, environment_url(shown), act, again=again)
    # A form that came back with an error shows the plan anew; what is done is planned by the doing.
    plan, problem = _copied(shown, source, halves=halves) if source is not None else (None, "")
    due = [one.to_dict() for one in plan.findings if _asks(one)] if plan is not None else []
    form = ProvisionForm(
        request.POST or None,
        due=due,
        initial={
            "other": source.slug if source is not None else "",
            "plan": plan.digest if plan is not None else "",
        },
    )
    return show(
        request,
        "promotion/refresh.html",
        f"Refresh {shown} from production",
        status=400 if request.method == "POST" else 200,
        shown=shown,
        others=others,
        other=source,
        halves=halves,
        plan=plan,
        labels=_labels(plan, shown),
        wrong=errors(plan.findings) if plan is not None else [],
        remains=refreshing.remains_words(plan) if plan is not None else "",
        problem=problem,
        form=form,
    )


def _asks(finding: Finding) -> bool:
    return finding.severity is Severity.WARNING


def _labels(plan: Refresh | None, shown: Environment) -> list[tuple[str, object]]:
    parts = plan.resources if plan is not None else ()
    return [(shown.catalogue.get(part.resource).label, part) for part in parts]


def _copied(shown: Environment, source: Environment, *, halves: bool) -> tuple[Refresh | None, str]:
    try:
        with for_a_page():
            return refreshing.plan(shown, source, halves=halves), ""
    except PromotionError as error:
        return None, str(error)
