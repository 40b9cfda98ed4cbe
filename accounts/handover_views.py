"""Pages of handing over the administration, and of looking at the console as another person."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts import handover, mail, view_as
from accounts.audit import request_actor
from accounts.authorising import NotAllowedError
from accounts.confirming import confirmed_page
from accounts.models import Handover, User
from accounts.people import PeopleError
from accounts.people_forms import OfferForm
from accounts.people_views import change, people_page, person_url
from accounts.policy import may
from accounts.roles import Role, Verb
from accounts.web import console_page, forbidden, show, signed_in


def _act(request: HttpRequest, url: str, act: Callable[[], str]) -> HttpResponse:
    return change(request, url, act, again=reverse("accounts:handover"))


@console_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def hand_over(request: HttpRequest) -> HttpResponse:
    """Offer the administration, or look at an offer: who neither may nor was asked is refused."""
    user, waiting = signed_in(request), handover.open_offer()
    verdict = may(user, Verb.MANAGE)
    mine = waiting is not None and waiting.offered_to_id == user.pk
    if not verdict and not mine:
        return forbidden(request, verdict, "handover.view")
    form = OfferForm(request.POST if request.method == "POST" else None) if verdict else None
    if form is not None and request.method == "POST" and form.is_valid():
        return _offer(request, form)
    return show(
        request,
        "accounts/handover.html",
        "Hand over the administration",
        status=400 if form is not None and form.errors else 200,
        form=form,
        waiting=waiting,
        mine=mine,
        problem=handover.offer_problem(user) if mine else "",
        past=Handover.objects.exclude(status=Handover.Status.OFFERED).select_related(
            "offered_by", "offered_to"
        )[:10]
        if verdict
        else [],
    )


def _offer(request: HttpRequest, form: OfferForm) -> HttpResponse:
    chosen, data = form.cleaned_data["afterwards"], form.cleaned_data

    def act() -> str:
        made = handover.offer(
            request_actor(request),
            data["person"],
            afterwards=None if chosen == "off" else Role(chosen),
            reason=data["reason"],
        )
        link = request.build_absolute_uri(reverse("accounts:handover"))
        try:
            mail.send(made.offered_to, "mail/handover.txt", {"made": made, "link": link})
            told = "A mail tells them."
        except mail.MailError as error:
            told = f"{error} Tell them yourself: the console does at their next page."
        return f"The administration is offered to {made.offered_to.label}. {told}"

    return _act(request, reverse("accounts:handover"), act)


@console_page
@require_POST
def accept(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the administration; both people sign in anew."""
    user = signed_in(request)
    made = get_object_or_404(Handover, pk=pk, offered_to=user)

    def act() -> str:
        handover.accept(request_actor(request), made)
        return "You are the administrator. Sign in anew."

    return _act(request, reverse("admin:index"), act)


@console_page
@require_POST
def end_offer(request: HttpRequest, pk: int) -> HttpResponse:
    """Decline an offer, or withdraw it."""
    user = signed_in(request)
    seen = Handover.objects.all()
    if not may(user, Verb.MANAGE):
        seen = seen.filter(offered_to=user)
    made = get_object_or_404(seen, pk=pk)

    def act() -> str:
        handover.end(request_actor(request), made)
        return "The offer is over. Nothing has changed hands."

    return _act(request, reverse("admin:index"), act)


@people_page
@require_POST
def begin_view_as(request: HttpRequest, pk: int) -> HttpResponse:
    """Look at the console as a person does."""
    target = get_object_or_404(User, pk=pk)
    try:
        view_as.begin(request, request_actor(request), target)
    except (PeopleError, NotAllowedError) as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(person_url(target))
    return HttpResponseRedirect(reverse("admin:index"))


@console_page
@require_POST
def end_view_as(request: HttpRequest) -> HttpResponse:
    """Go back to one's own view."""
    view_as.end(request, request_actor(request))
    return HttpResponseRedirect(reverse("admin:index"))
