"""Environments as pages: what they hold, adoption, release, lock and roll back."""

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.timezone import localtime
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import Actor, request_actor
from accounts.confirming import confirmed_page
from accounts.policy import may, may_anywhere
from accounts.roles import Verb
from accounts.web import Filter, console_page, forbidden, listing, show, signed_in
from environments.elastic import ElasticError, connect
from environments.health.reading import documents_of
from environments.health.summaries import summaries
from environments.licence_offers import state_of
from environments.models import AccountsLook, Environment
from environments.naming import Side
from environments.web import environment_for
from promotion.adoption import adopt
from promotion.beginning import running_in
from promotion.buttons import (
    environment_buttons,
    environment_url,
    promotion_url,
    rehearse_rollback_button,
)
from promotion.common import done
from promotion.engine.errors import PromotionError
from promotion.forms import ConfirmForm, DurationForm, UnlockForm
from promotion.locking import lock, prolong, unlock
from promotion.models import Drift, LostState, Promotion, StoredGeneration, Unlocking, Watch
from promotion.releasing import request_release
from promotion.rollback import drift_in, rollback
from promotion.tasks import finish_promotion, run_adoption, run_release


@console_page
@require_GET
def environments(request: HttpRequest) -> HttpResponse:
    """List the environments that this person may browse."""
    user = signed_in(request)
    if not may_anywhere(user, Verb.VIEW_CONFIGURATION):
        return forbidden(request, may(user, Verb.VIEW_CONFIGURATION), "environments.list")
    seen = Environment.objects.visible_to(user, Verb.VIEW_CONFIGURATION)
    kinds = Filter("kind", "Kind", "kind", [(side.value, side.value) for side in Side])
    found = listing(
        request,
        seen.select_related("cluster", "promotes_to"),
        [kinds],
        ["name", "slug", "tenant", "cluster__name"],
    )
    shown = list(found.page)
    live = StoredGeneration.objects.filter(environment__in=shown, is_live=True)
    numbers = dict(live.values_list("environment", "number"))
    rows = [{"environment": one, "live": numbers.get(one.pk)} for one in shown]
    return show(request, "promotion/environments.html", "Environments", listing=found, rows=rows)


def _resources(environment: Environment) -> list[dict[str, object]]:
    """Return documents and size of each resource's index, as its alias serves it now."""
    naming = environment.naming
    resources = list(naming.catalogue.promoted)
    path = ",".join(naming.alias(resource.name) for resource in resources)
    connection = connect(environment.cluster)
    stats = connection.request(
        "GET", f"/{path}/_stats/store", params={"ignore_unavailable": "true"}
    )["indices"]
    counts = documents_of(connection.request, [naming.alias(one.name) for one in resources])
    rows: list[dict[str, object]] = []
    for resource in resources:
        for index, facts in stats.items():
            what = naming.classify(index)
            if what is not None and what.resource == resource:
                total = facts["primaries"]
                rows.append(
                    {
                        "name": resource.name,
                        "label": resource.label,
                        "index": index,
                        "documents": counts.get(index, 0) if counts is not None else None,
                        "size": total["store"]["size_in_bytes"],
                        "generation": what.number,
                    }
                )
    return rows


def _is_fresh(rows: list[dict[str, object]]) -> bool:
    """Answer whether an environment surely holds nothing but what Tracardi writes for itself."""
    counts = [row["documents"] for row in rows]
    known = [number for number in counts if isinstance(number, int)]
    # An installation of Tracardi writes one.
    return len(known) == len(counts) and sum(known) <= 1


@console_page
@require_GET
def environment(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one environment: its resources, its generations and its lock."""
    shown = environment_for(request, slug, Verb.VIEW_CONFIGURATION)
    user = signed_in(request)
    manages = bool(may(user, Verb.MANAGE, shown))
    problem, rows = "", []
    try:
        rows = _resources(shown)
    except (ElasticError, PromotionError) as error:
        problem = str(error)
    generations = StoredGeneration.objects.filter(environment=shown).select_related(
        "build__environment", "promotion__requested_by", "restores", "previous"
    )
    live, unlocking, lost = (
        StoredGeneration.live_in(shown),
        Unlocking.of(shown),
        LostState.of(shown),
    )
    return show(
        request,
        "promotion/environment.html",
        shown.name,
        shown=shown,
        rows=rows,
        missing=len(shown.catalogue.promoted) - len({row["name"] for row in rows}),
        fresh=not shown.is_production and _is_fresh(rows),
        problem=problem,
        live=live,
        generations=generations[:20] if may(user, Verb.VIEW_BUILD, shown) else [],
        unlocking=unlocking,
        lost=lost,
        buttons=environment_buttons(user, shown),
        may_unlock=live is not None
        and unlocking is None
        and lost is None
        and running_in(shown) is None
        and bool(may(user, Verb.PROMOTE, shown)),
        unlock_form=UnlockForm(),
        duration_form=DurationForm(),
        may_prolong=unlocking is not None and bool(may(user, Verb.PROMOTE, shown)),
        drift=Drift.open_in(shown) if live is not None else None,
        watch=Watch.objects.filter(environment=shown).first() if live is not None else None,
        may_see_drift=bool(may(user, Verb.VIEW_BUILD, shown)),
        may_manage=manages,
        health=summaries([shown], user)[shown.pk]
        if may(user, Verb.VIEW_DASHBOARD, shown)
        else None,
        accounts_look=AccountsLook.objects.filter(environment=shown).first() if manages else None,
        licence=state_of(shown) if manages else None,
    )


WORDS = {"adopt": "Adopt", "release": "Release", "rollback": "Roll back"}


def _confirmed(
    request: HttpRequest,
    slug: str,
    action: str,
    start: Callable[[Actor, Environment, ConfirmForm], Promotion],
    due: Callable[[Environment], list[dict[str, str]]] | None = None,
) -> HttpResponse:
    """Explain, ask for consent, and start."""
    shown = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    verdict = may(signed_in(request), Verb.PROMOTE, shown)
    if not verdict:
        return forbidden(request, verdict, f"{action}.requested", shown)
    if not shown.is_production:
        raise Http404
    live = StoredGeneration.live_in(shown)
    form = ConfirmForm(
        request.POST or None,
        due=due(shown) if due is not None and live is not None else (),
        initial={"marker": live.marker if live is not None else ""},
    )
    if request.method == "POST" and form.is_valid():
        made: list[Promotion] = []

        def act() -> str:
            made.append(start(request_actor(request), shown, form))
            return ""

        response = done(request, environment_url(shown), act, again=request.path)
        return HttpResponseRedirect(promotion_url(made[0])) if made else response
    return show(
        request,
        f"promotion/{action}.html",
        f"{WORDS[action]} {shown}",
        status=400 if request.method == "POST" else 200,
        shown=shown,
        live=live,
        running=running_in(shown),
        rehearse=rehearse_rollback_button(shown, live) if live is not None else None,
        form=form,
    )


@console_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def adopt_environment(request: HttpRequest, slug: str) -> HttpResponse:
    """Explain and start an adoption."""

    def start(actor: Actor, shown: Environment, form: ConfirmForm) -> Promotion:
        comment = form.cleaned_data["comment"]
        return adopt(actor, shown, comment=comment, task=run_adoption.enqueue)

    return _confirmed(request, slug, "adopt", start)


@console_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def release_environment(request: HttpRequest, slug: str) -> HttpResponse:
    """Explain and start a release."""

    def start(actor: Actor, shown: Environment, form: ConfirmForm) -> Promotion:
        comment = form.cleaned_data["comment"]
        return request_release(actor, shown, comment=comment, task=run_release.enqueue)

    return _confirmed(request, slug, "release", start)


@console_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def rollback_environment(request: HttpRequest, slug: str) -> HttpResponse:
    """Explain and do a rollback."""

    def start(actor: Actor, shown: Environment, form: ConfirmForm) -> Promotion:
        made = rollback(
            actor,
            shown,
            marker=form.cleaned_data["marker"],
            consents=form.consents(),
            comment=form.cleaned_data["comment"],
        )
        finish_promotion.enqueue(made.pk)
        return made

    return _confirmed(request, slug, "rollback", start, _drift_in)


def _drift_in(shown: Environment) -> list[dict[str, str]]:
    """Return what a rollback would overwrite; where that cannot be seen, the service says so."""
    try:
        return drift_in(shown)
    except PromotionError:
        return []


@console_page
@require_POST
def lock_environment(request: HttpRequest, slug: str) -> HttpResponse:
    """Lock an environment again."""
    shown = environment_for(request, slug, Verb.VIEW_DASHBOARD)

    def act() -> str:
        lock(request_actor(request), shown)
        return f"{shown} is locked."

    return done(request, environment_url(shown), act)


@console_page
@require_POST
def unlock_environment(request: HttpRequest, slug: str) -> HttpResponse:
    """Unlock an environment for a reason and a time."""
    shown = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    form = UnlockForm(request.POST)

    def act() -> str:
        # What the form refuses, the service does too, and records it.
        minutes = form.cleaned_data["minutes"] if form.is_valid() else 0
        made = unlock(request_actor(request), shown, request.POST.get("reason", "")[:300], minutes)
        return f"{shown} is unlocked until {_clock(made)}. Then it is locked again by itself."

    return done(request, environment_url(shown), act)


@console_page
@require_POST
def prolong_environment(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep an unlocked environment open for longer."""
    shown = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    form = DurationForm(request.POST)

    def act() -> str:
        minutes = form.cleaned_data["minutes"] if form.is_valid() else 0
        made = prolong(request_actor(request), shown, minutes)
        return f"{shown} stays unlocked until {_clock(made)}."

    return done(request, environment_url(shown), act)


def _clock(unlocking: Unlocking) -> str:
    until = unlocking.until
    return f"{localtime(until):%-d %b %Y %H:%M %Z}" if until is not None else "it is locked"
