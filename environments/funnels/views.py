"""The funnels of an environment as pages: whoever sees the dashboard looks, some may change."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from accounts.audit import request_actor
from accounts.authorising import NotAllowedError
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, forbidden, not_allowed, show, signed_in
from environments.elastic import ElasticError
from environments.funnels.days import HISTORY
from environments.funnels.figures import explained, funnel_figures
from environments.funnels.forms import OFFERED, FunnelForm
from environments.funnels.offers import DAYS as OFFERED_DAYS
from environments.funnels.offers import event_types
from environments.funnels.services import (
    ADDED,
    CHANGED,
    CHANGES,
    MOST_FUNNELS,
    REMOVED,
    FunnelError,
    change_funnel,
    make_funnel,
    remove_funnel,
)
from environments.models import Environment, Funnel
from environments.small_groups import UNDER
from environments.visible import visible
from environments.web import environment_for

# What the list shows; the dashboard has other ranges.
SHOWN_DAYS: Final = 30
# Figures of today that are older say that nobody counts any more.
_OLD: Final = timedelta(hours=1)


def _home(environment: Environment) -> str:
    return reverse("environments:funnels", args=[environment.slug])


@console_page
@require_GET
def funnels(request: HttpRequest, slug: str) -> HttpResponse:
    """Show each funnel with its figures and how far it is counted; no cluster is asked."""
    user, environment = signed_in(request), environment_for(request, slug, Verb.VIEW_DASHBOARD)
    now = timezone.now()
    today = timezone.localdate(timezone=timezone.get_default_timezone())
    rows = funnel_figures(
        environment, today - timedelta(days=SHOWN_DAYS - 1), today + timedelta(days=1)
    )
    return show(
        request,
        "environments/funnels.html",
        f"Funnels of {environment}",
        shown=environment,
        rows=[(row, row.newest is not None and now - row.newest > _OLD) for row in rows],
        explained=explained(),
        under=UNDER,
        shown_days=SHOWN_DAYS,
        history=HISTORY,
        most=MOST_FUNNELS,
        is_full=len(rows) >= MOST_FUNNELS,
        may_change=not hasattr(request, "viewer") and bool(may(user, CHANGES, environment)),
    )


@console_page
@require_http_methods(["GET", "POST"])
def new_funnel(request: HttpRequest, slug: str) -> HttpResponse:
    """Make a funnel."""
    environment = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    if (refused := _refused(request, environment, ADDED, environment)) is not None:
        return refused
    form = FunnelForm(request.POST if request.method == "POST" else None)

    def act() -> str:
        name = form.cleaned_data["name"]
        made = make_funnel(request_actor(request), environment, name, form.steps)
        return f"{made} was made. Its last {HISTORY} days are counted now, the newest first."

    return _answer(request, environment, form, act, "New funnel")


@console_page
@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Change a funnel's name and steps."""
    environment = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    funnel = get_object_or_404(Funnel, pk=pk, environment=environment)
    if (refused := _refused(request, environment, CHANGED, funnel)) is not None:
        return refused
    form = FunnelForm.of(funnel, request.POST if request.method == "POST" else None)

    def act() -> str:
        data = form.cleaned_data
        version = data["version"] or 0
        change_funnel(request_actor(request), funnel, data["name"], form.steps, version=version)
        return "Saved."

    return _answer(
        request, environment, form, act, f"Change the funnel {visible(funnel.name)}", funnel=funnel
    )


@console_page
@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Say what goes, then remove a funnel."""
    environment = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    funnel = get_object_or_404(Funnel, pk=pk, environment=environment)
    if (refused := _refused(request, environment, REMOVED, funnel)) is not None:
        return refused
    if request.method == "POST":
        try:
            remove_funnel(request_actor(request), funnel)
        except NotAllowedError as error:
            return not_allowed(request, error)
        except FunnelError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"{funnel} was removed, and what was counted of it.")
        return HttpResponseRedirect(_home(environment))
    return show(
        request,
        "environments/funnel_remove.html",
        f"Remove the funnel {visible(funnel.name)}",
        shown=environment,
        funnel=funnel,
        days=funnel.days.exclude(counted_at=None).count(),
    )


def _refused(
    request: HttpRequest, environment: Environment, action: str, obj: Any
) -> HttpResponse | None:
    verdict = may(signed_in(request), CHANGES, environment)
    return None if verdict else forbidden(request, verdict, action, obj)


def _answer(
    request: HttpRequest,
    environment: Environment,
    form: FunnelForm,
    act: Callable[[], str],
    title: str,
    **context: Any,
) -> HttpResponse:
    """Show a form, or do what it is for."""
    if request.method == "POST" and form.is_valid():
        try:
            messages.success(request, act())
            return HttpResponseRedirect(_home(environment))
        except NotAllowedError as error:
            return not_allowed(request, error)
        except FunnelError as error:
            form.add_error(None, str(error))
    offered, problem = [], ""
    try:
        offered = event_types(environment)
    except ElasticError as error:
        problem = str(error)
    return show(
        request,
        "environments/funnel_form.html",
        title,
        status=400 if form.errors else 200,
        shown=environment,
        form=form,
        offered=offered,
        list_id=OFFERED,
        offered_days=OFFERED_DAYS,
        problem=problem,
        history=HISTORY,
        **context,
    )
