"""The licence as pages, for the administrator alone."""

from collections.abc import Callable
from datetime import date
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import mail
from accounts.audit import request_actor
from accounts.confirming import administrator_page, confirm_first, confirmed_page
from accounts.crypto import UndecryptableError
from accounts.web import show
from environments import licences
from environments.licence_forms import LicenceForm, NewLicenceForm, RenewForm
from environments.licence_models import console_day
from environments.licence_offers import offers
from environments.licence_warnings import THRESHOLDS, warning
from environments.licences import NO_SECOND, LicenceError
from environments.models import Environment, Licence

licence_page = administrator_page("licence.view")


def _home() -> str:
    return reverse("environments:licence")


@licence_page
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Show the licences, what they cover, and what else they could cover."""
    today = console_day()
    rows: list[dict[str, Any]] = [
        {
            "licence": one,
            "covered": [use.environment for use in one.uses.select_related("environment")],
            "warning": warning(one),
            "left": one.days_left(today),
        }
        for one in Licence.objects.prefetch_related("uses__environment")
    ]
    # What ends first stands first.
    rows.sort(key=lambda row: row["licence"].ends_on or date.max)
    return show(
        request,
        "environments/licence.html",
        "Licence",
        rows=rows,
        offers=offers(),
        bare=Environment.objects.filter(licence_use=None) if rows else [],
        no_second=NO_SECOND,
        thresholds=THRESHOLDS,
        sends_mail=mail.is_configured(),
        zone=timezone.get_default_timezone_name(),
    )


def _answer(
    request: HttpRequest, form: Any, act: Callable[[], str], title: str, **context: Any
) -> HttpResponse:
    """Show a form, or do what it is for."""
    if request.method == "POST" and form.is_valid():
        with confirm_first(request, request.path) as asked:
            try:
                messages.success(request, act())
                return HttpResponseRedirect(_home())
            except LicenceError as error:
                form.add_error(None, str(error))
        if asked.answer is not None:
            return asked.answer
    return show(
        request,
        "environments/licence_form.html",
        title,
        status=400 if form.errors else 200,
        form=form,
        no_second=NO_SECOND,
        zone=timezone.get_default_timezone_name(),
        **context,
    )


@licence_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """Add a licence; all environments that have none are ticked."""
    bare = Environment.objects.filter(licence_use=None).values_list("pk", flat=True)
    sent = request.POST if request.method == "POST" else None
    form = NewLicenceForm(sent, initial={"environments": list(bare)})

    def act() -> str:
        key = form.cleaned_data["key"]
        made = licences.add(request_actor(request), form.terms, key)
        return f"{made} was added. Its key is kept encrypted."

    return _answer(request, form, act, "Add a licence", save="Add the licence")


@licence_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Change who holds a licence, until when, its environments and its note."""
    licence = get_object_or_404(Licence, pk=pk)
    sent = request.POST if request.method == "POST" else None
    form = LicenceForm(sent, initial=LicenceForm.initial_of(licence))

    def act() -> str:
        licences.change(request_actor(request), licence, form.terms)
        return "Saved."

    return _answer(request, form, act, f"Change the licence of {licence.holder}", save="Save")


@licence_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def renew(request: HttpRequest, pk: int) -> HttpResponse:
    """Put another key and another end in."""
    licence = get_object_or_404(Licence, pk=pk)
    form = RenewForm(request.POST if request.method == "POST" else None)

    def act() -> str:
        data = form.cleaned_data
        licences.renew(request_actor(request), licence, data["key"], data["ends_on"])
        return (
            "Renewed; the old key is gone. Give the new one to each covered server as LICENSE, and "
            "start it again."
        )

    title = f"Renew the licence of {licence.holder}"
    return _answer(request, form, act, title, save="Renew", renews=licence)


@licence_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Explain what goes, then remove a licence."""
    licence = get_object_or_404(Licence, pk=pk)
    if request.method == "POST":
        return _done(
            request,
            lambda: licences.remove(request_actor(request), licence),
            f"The licence of {licence.holder} was removed, and its key with it.",
            again=request.path,
        )
    covered = [use.environment for use in licence.uses.select_related("environment")]
    return show(
        request,
        "environments/licence_remove.html",
        f"Remove the licence of {licence.holder}",
        licence=licence,
        covered=covered,
    )


def _done(
    request: HttpRequest, act: Callable[[], object], words: str, *, again: str = ""
) -> HttpResponse:
    with confirm_first(request, again or _home()) as asked:
        try:
            act()
            messages.success(request, words)
        except LicenceError as error:
            messages.error(request, str(error))
    return asked.answer or HttpResponseRedirect(_home())


@licence_page
@require_POST
def key(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a key, once for each time that it is asked for: it is the answer to a POST alone."""
    licence = get_object_or_404(Licence, pk=pk)
    with confirm_first(request, _home()) as asked:
        try:
            held = licences.show_key(request_actor(request), licence)
        except (LicenceError, UndecryptableError) as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(_home())
        return show(
            request,
            "environments/licence_key.html",
            f"Key of the licence of {licence.holder}",
            licence=licence,
            licence_key=held,
        )
    return asked.answer or HttpResponseRedirect(_home())


@licence_page
@require_POST
def cover(request: HttpRequest, pk: int, slug: str) -> HttpResponse:
    """Let a licence cover an environment more, as was offered."""
    licence = get_object_or_404(Licence, pk=pk)
    environment = get_object_or_404(Environment, slug=slug)
    return _done(
        request,
        lambda: licences.cover(request_actor(request), licence, environment),
        f"The licence of {licence.holder} covers {environment} too.",
    )
