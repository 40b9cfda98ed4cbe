"""Pages about people, for the administrator: list, invite, change, switch off and on."""

from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import mail, people
from accounts.adapters import FACTORS, comes_by_single_sign_on
from accounts.audit import record, request_actor
from accounts.confirming import administrator_page, confirm_first, confirmed_page
from accounts.models import AuditEvent, User
from accounts.people_forms import InviteForm, NamesForm, ReasonForm, RightsForm
from accounts.recent import needs_second_factor
from accounts.roles import Role
from accounts.web import Filter, listing, show, signed_in

_FILTERS = (
    Filter("role", "Role", "role", [(role.value, role.value) for role in Role]),
    Filter("active", "Account", "is_active", [("True", "active"), ("False", "switched off")]),
)
RECENT = 8


people_page = administrator_page("people.view")


def person_url(user: User) -> str:
    return reverse("accounts:person", args=[user.pk])


@people_page
@require_GET
def people_list(request: HttpRequest) -> HttpResponse:
    """List the accounts."""
    rows = User.objects.order_by("-is_active", "username")
    found = listing(request, rows, _FILTERS, ["username", "first_name", "last_name", "email"])
    keys = [one.pk for one in found.page]
    factors = set(
        Authenticator.objects.filter(user__in=keys, type__in=FACTORS).values_list("user", flat=True)
    )
    shown = [
        {
            "user": one,
            "factor": one.pk in factors,
            "lacks_factor": needs_second_factor(one) and one.pk not in factors,
        }
        for one in found.page
    ]
    return show(request, "accounts/people.html", "People", listing=found, rows=shown)


@people_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def invite(request: HttpRequest) -> HttpResponse:
    """Invite a person: fill in, look at what they will see, send."""
    form = InviteForm(request.POST if request.method == "POST" else None)
    preview, step = None, request.POST.get("step")
    if request.method == "POST" and form.is_valid() and step != "edit":
        data = form.cleaned_data
        if step == "send":
            with confirm_first(request, request.path) as asked:
                try:
                    return _invited(request, data)
                except ValidationError as error:
                    # Somebody else took the name meanwhile.
                    messages.error(request, f"{' '.join(error.messages)} Nothing was changed.")
            return asked.answer or HttpResponseRedirect(request.path)
        preview = {
            "name": f"{data['first_name']} {data['last_name']}".strip() or data["username"],
            "role": data["role"],
            "rights": people.rights(Role(data["role"])),
            "environments": list(data["environments"]),
            "needs_factor": needs_second_factor(User(role=data["role"])),
        }
    status = 400 if request.method == "POST" and form.errors else 200
    return show(
        request,
        "accounts/invite.html",
        "Invite a person",
        status=status,
        form=form,
        preview=preview,
        sends_mail=mail.is_configured(),
    )


def _invited(request: HttpRequest, data: dict[str, Any]) -> HttpResponse:
    user = people.invite(
        request_actor(request),
        username=data["username"],
        role=Role(data["role"]),
        email=data["email"],
        first_name=data["first_name"],
        last_name=data["last_name"],
        environments=list(data["environments"]),
    )
    return _hand_over_link(request, user)


def _hand_over_link(request: HttpRequest, user: User) -> HttpResponse:
    """Send the link by mail or, where that cannot be, show it once."""
    link = request.build_absolute_uri(mail.password_path(user))
    problem, unsure = "", False
    invited = user.is_invited
    template = "mail/invitation.txt" if invited else "mail/password_link.txt"
    try:
        mail.send(user, template, {"link": link, "by": signed_in(request)})
    except mail.MailError as error:
        # The link is shown all the same: of two that reach a person, one works once.
        problem, unsure = str(error), isinstance(error, mail.UnsureMailError)
    record(request_actor(request), "account.link-given", user, detail={"shown": bool(problem)})
    if not problem:
        what = "An invitation" if invited else "A link to set a password"
        messages.success(request, f"{what} was sent to {user.email}.")
        return HttpResponseRedirect(person_url(user))
    return show(
        request,
        "accounts/link.html",
        f"Link for {user.label}",
        person=user,
        link=link,
        problem=problem,
        unsure=unsure,
    )


@people_page
@require_http_methods(["GET", "POST"])
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a person, and change what they are called."""
    user = get_object_or_404(User, pk=pk)
    form = NamesForm(request.POST or None, instance=User.objects.get(pk=pk))
    if request.method == "POST" and form.is_valid():
        before = user.email

        def act() -> str:
            people.change_names(request_actor(request), user, **form.cleaned_data)
            if before and before != user.email:
                _tell(request, user, before)
            return "Saved."

        return change(request, person_url(user), act)
    held = people.granted(user)
    status = 400 if form.errors else 200
    sign_on = comes_by_single_sign_on(user)
    return show(
        request,
        "accounts/person.html",
        user.label,
        status=status,
        person=user,
        form=form,
        rights_form=RightsForm(initial={"role": user.role, "environments": sorted(held)}),
        rights=people.rights(Role(user.role)),
        environments=[one for one in people.environments() if one.pk in held],
        factors=[one.type for one in Authenticator.objects.filter(user=user, type__in=FACTORS)],
        lacks_factor=needs_second_factor(user) and not sign_on,
        sign_on=sign_on,
        # Looked at, not cleared up: a GET changes nothing.
        sessions=[one for one in UserSession.objects.filter(user=user) if one.exists()],
        events=AuditEvent.objects.filter(object_type="user", object_id=str(user.pk))[:RECENT],
    )


def change(
    request: HttpRequest, url: str, act: Callable[[], str], *, again: str = ""
) -> HttpResponse:
    """Run a change of people, say how it went, and go to a page.

    Where a proof is needed first, the page to do it again on is `again`, or `url`.
    """
    with confirm_first(request, again or url) as asked:
        try:
            messages.success(request, act())
        except people.PeopleError as error:
            messages.error(request, str(error))
        except ValidationError as error:
            messages.error(request, f"{' '.join(error.messages)} Nothing was changed.")
    return asked.answer or HttpResponseRedirect(url)


def _tell(request: HttpRequest, user: User, address: str) -> None:
    """Tell a person at their former address that mail goes elsewhere now."""
    try:
        mail.send(user, "mail/address.txt", {"by": signed_in(request)}, to=address)
    except mail.UnsureMailError as error:
        messages.warning(request, f"{address} may not have been told of it. {error}")
    except mail.MailError as error:
        messages.warning(request, f"{address} was not told of it: {error}")


def _reason(request: HttpRequest) -> str:
    """Return why, in the person's words.

    Raises:
        PeopleError: they are too long, or hold what no database keeps.
    """
    form = ReasonForm(request.POST)
    if not form.is_valid():
        words = " ".join(str(one) for one in form.errors["reason"])
        raise people.PeopleError(f"The reason: {words} Nothing was changed.")
    return str(form.cleaned_data["reason"])


@people_page
@require_POST
def set_rights(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a person's role and environments."""
    user, form = get_object_or_404(User, pk=pk), RightsForm(request.POST)

    def act() -> str:
        if not form.is_valid():
            raise people.PeopleError("The form was not understood. Nothing was changed.")
        actor, role = request_actor(request), Role(form.cleaned_data["role"])
        if role.value != user.role:
            people.change_role(actor, user, role)
        people.set_environments(actor, user, list(form.cleaned_data["environments"]))
        return f"{user.label} is {user.role}, with {len(people.granted(user))} environments."

    return change(request, person_url(user), act)


@people_page
@require_POST
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch an account off, or on again."""
    user = get_object_or_404(User, pk=pk)

    def act() -> str:
        actor = request_actor(request)
        if request.POST.get("to") == "on":
            people.switch_on(actor, user)
            return f"{user.label} can sign in again."
        people.switch_off(actor, user, reason=_reason(request))
        return f"{user.label} is switched off, and all sessions have ended."

    return change(request, person_url(user), act)


@people_page
@require_POST
def sign_out(request: HttpRequest, pk: int) -> HttpResponse:
    """End all sessions of a person."""
    user = get_object_or_404(User, pk=pk)

    def act() -> str:
        people.sign_out(request_actor(request), user)
        return f"All sessions of {user.label} have ended."

    return change(request, person_url(user), act)


@people_page
@require_POST
def reset_factor(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove a person's second factors."""
    user = get_object_or_404(User, pk=pk)

    def act() -> str:
        people.reset_second_factor(request_actor(request), user, reason=_reason(request))
        return f"{user.label} sets up a second factor anew at the next sign-in."

    return change(request, person_url(user), act)


@people_page
@require_POST
def renew_link(request: HttpRequest, pk: int) -> HttpResponse:
    """Send another link to set a password, or show it; those from before end."""
    user = get_object_or_404(User, pk=pk)
    with confirm_first(request, person_url(user)) as asked:
        try:
            people.renew_link(request_actor(request), user)
        except people.PeopleError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(person_url(user))
        return _hand_over_link(request, user)
    return asked.answer or HttpResponseRedirect(person_url(user))
