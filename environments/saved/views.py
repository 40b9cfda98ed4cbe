"""Saved views and weekly summaries as pages: of an environment, and of whoever looks."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import request_actor
from accounts.authorising import NotAllowedError
from accounts.models import User
from accounts.policy import Verdict, may
from accounts.roles import Verb
from accounts.web import console_page, forbidden, not_allowed, show, signed_in
from environments.models import Environment, Pin, SavedView, Summary
from environments.saved.forms import SaveForm, SummaryForm, ViewForm, role_words
from environments.saved.menu import query_words, views_of
from environments.saved.services import (
    MOST_VIEWS,
    REMOVED,
    NameTakenError,
    SavedError,
    change_view,
    check_own,
    may_remove,
    pin_view,
    remove_view,
    save_view,
    unpin_view,
)
from environments.saved.summaries import ask_for, end, lacks
from environments.saved.weeks import next_due, zone_of
from environments.web import environment_for


@console_page
@require_GET
def views(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a person's views of an environment, those shared with them, and their summaries."""
    return _page(request, environment_for(request, slug, Verb.VIEW_DASHBOARD))


def _page(
    request: HttpRequest,
    environment: Environment,
    *,
    status: int = 200,
    saving: SaveForm | None = None,
    taken: SavedView | None = None,
    changing: tuple[SavedView, ViewForm] | None = None,
    problem: str = "",
) -> HttpResponse:
    user = signed_in(request)
    own, shared = views_of(user, environment)
    pin = Pin.objects.filter(user=user).select_related("view__environment").first()
    begun = pin.view if pin else None
    pinned = begun is not None and SavedView.objects.visible_to(user).filter(pk=begun.pk).exists()
    zone = zone_of(user)
    kept = Summary.objects.filter(user=user, environment=environment)
    return show(
        request,
        "environments/saved/views.html",
        f"Views of {environment}",
        status=status,
        shown=environment,
        own=[_row(user, one, pin, changing) for one in own],
        shared=[_row(user, one, pin, None) for one in shared],
        left_over=_left_over(user, environment, [*own, *shared]),
        pin=pin if pinned else None,
        lost_pin=pin is not None and not pinned,
        most=MOST_VIEWS,
        saving=saving,
        taken=taken,
        taken_roles=[role_words(role) for role in taken.roles] if taken else [],
        problem=problem,
        summaries=kept.select_related("view", "environment"),
        lacks=lacks(user),
        next_due=next_due(timezone.now(), zone).astimezone(zone),
        zone=str(zone),
        address=user.email,
        form=SummaryForm(None, f"All of {environment}", [*own, *shared]),
    )


def _row(
    user: User,
    view: SavedView,
    pin: Pin | None,
    changing: tuple[SavedView, ViewForm] | None,
) -> dict[str, Any]:
    form = changing[1] if changing is not None and changing[0].pk == view.pk else None
    removable = may_remove(user, view)
    return {
        "view": view,
        "words": query_words(view.query),
        "roles": [role_words(role) for role in view.roles],
        "is_pinned": pin is not None and pin.view_id == view.pk,
        "form": form or ViewForm.of(view),
        "is_open": form is not None,
        "may_remove": removable,
        "lost": _lost(view) if removable and view.owner_id != user.pk else "",
    }


def _left_over(user: User, environment: Environment, seen: list[SavedView]) -> list[dict[str, Any]]:
    """Return shared views whose owners cannot remove them any more: the administrator does."""
    if not may(user, Verb.MANAGE, environment):
        return []
    rows = (
        SavedView.objects.filter(environment=environment)
        .exclude(shares=None)
        .exclude(pk__in=[one.pk for one in seen])
        .select_related("owner", "environment")
        .prefetch_related("shares")
    )
    found = [_row(user, one, None, None) for one in rows]
    return [row for row in found if row["may_remove"]]


def _lost(view: SavedView) -> str:
    """Say why its owner cannot remove a view that another person may."""
    if view.owner.is_active:
        return "who may not see this dashboard any more"
    return "whose account is switched off"


@console_page
@require_POST
def save(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep the dashboard's address under a name, and show it."""
    environment = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    form = SaveForm(request.POST, auto_id="id_view_%s")
    if not form.is_valid():
        return _page(request, environment, status=400, saving=form)
    try:
        view = save_view(
            request_actor(request),
            environment,
            form.cleaned_data["name"],
            form.cleaned_data["query"],
            form.shared(),
            replace=form.cleaned_data["replace"],
        )
    except NotAllowedError as error:
        return not_allowed(request, error)
    except NameTakenError as error:
        return _page(
            request, environment, status=400, saving=form, taken=error.view, problem=str(error)
        )
    except SavedError as error:
        return _page(request, environment, status=400, saving=form, problem=str(error))
    messages.success(request, f"“{view.name}” is saved.")
    return HttpResponseRedirect(view.url)


@console_page
@require_POST
def change(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Rename a view, and share it."""
    view = _view(request, slug, pk)
    form = ViewForm.of(view, request.POST)
    actor, complete = request_actor(request), form.is_valid()
    try:
        # Who may, before what is to be.
        check_own(actor, view)
        if complete:
            change_view(actor, view, form.cleaned_data["name"], form.shared())
    except NotAllowedError as error:
        return not_allowed(request, error)
    except SavedError as error:
        form.add_error("name", str(error))
    if form.errors:
        return _page(request, view.environment, status=400, changing=(view, form))
    messages.success(request, f"“{view.name}” is changed.")
    return _back(view.environment)


@console_page
@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Say what goes with a view, and remove it."""
    view, user = _view(request, slug, pk), signed_in(request)
    if request.method == "POST":
        return _done(
            request,
            view.environment,
            lambda: remove_view(request_actor(request), view),
            f"“{view.name}” is removed.",
        )
    if not may_remove(user, view):
        words = f"This view is {view.owner.label}'s: only they remove it."
        return forbidden(request, Verdict(False, words), REMOVED, view)
    others = Pin.objects.filter(view=view).exclude(user=user).count()
    return show(
        request,
        "environments/saved/remove.html",
        f"Remove the view “{view.name}”",
        shown=view.environment,
        view=view,
        words=query_words(view.query),
        roles=[role_words(role) for role in view.roles],
        is_mine=view.owner_id == user.pk,
        lost=_lost(view),
        is_pinned=Pin.objects.filter(view=view, user=user).exists(),
        others=others,
        summaries=Summary.objects.filter(view=view).count(),
    )


@console_page
@require_POST
def pin(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Begin with a view from now on."""
    view = _view(request, slug, pk)
    return _done(
        request,
        view.environment,
        lambda: pin_view(request_actor(request), view),
        f"You begin with “{view.name}” from now on.",
    )


@console_page
@require_POST
def unpin(request: HttpRequest, slug: str) -> HttpResponse:
    """Begin as one's role does."""
    environment = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    return _done(
        request,
        environment,
        lambda: unpin_view(request_actor(request), environment),
        "You begin as people of your role do.",
    )


@console_page
@require_POST
def ask_for_summary(request: HttpRequest, slug: str) -> HttpResponse:
    """Get a mail each Monday about the environment, or about a view of it."""
    environment = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    own, shared = views_of(signed_in(request), environment)
    form = SummaryForm(request.POST, "", [*own, *shared])
    if not form.is_valid():
        words = "There is no such view of yours. Nothing was changed. Choose one of the list."
        return _page(request, environment, status=400, problem=words)
    views = {one.pk: one for one in [*own, *shared]}
    view = views.get(form.cleaned_data["about"])
    # The host is one of ALLOWED_HOSTS, and the mail is their own.
    site = f"{request.scheme}://{request.get_host()}"
    return _done(
        request,
        environment,
        lambda: ask_for(request_actor(request), environment, view, site),
        "The summary comes each Monday.",
    )


@console_page
@require_POST
def end_summary(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """End one of one's own summaries; nobody else learns that it is there."""
    environment = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    own = Summary.objects.filter(user=signed_in(request), environment=environment)
    summary = get_object_or_404(own.select_related("view", "environment"), pk=pk)
    words = f"There is no mail about {summary.title} any more."
    return _done(request, environment, lambda: end(request_actor(request), summary), words)


def _view(request: HttpRequest, slug: str, pk: int) -> SavedView:
    """Return a view that this person may see, or has to tidy up; of others they learn nothing."""
    environment, user = environment_for(request, slug, Verb.VIEW_DASHBOARD), signed_in(request)
    rows = SavedView.objects.filter(environment=environment)
    rows = rows.select_related("owner", "environment").prefetch_related("shares")
    view: SavedView = get_object_or_404(rows, pk=pk)
    seen = SavedView.objects.visible_to(user).filter(pk=pk).exists()
    if not seen and not may_remove(user, view):
        raise Http404
    return view


def _done(
    request: HttpRequest, environment: Environment, act: Callable[[], object], words: str
) -> HttpResponse:
    try:
        act()
    except NotAllowedError as error:
        return not_allowed(request, error)
    except SavedError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, words)
    return _back(environment)


def _back(environment: Environment) -> HttpResponse:
    return HttpResponseRedirect(reverse("environments:views", args=[environment.slug]))
