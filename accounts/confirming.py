"""Sends a person to prove who they are, before what asks for it, and back again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from accounts.audit import request_actor
from accounts.authorising import ConfirmationNeededError, confirm
from accounts.models import User
from accounts.policy import may
from accounts.recent import confirmed_recently
from accounts.roles import Verb
from accounts.web import console_page, forbidden, signed_in

P = ParamSpec("P")
AGAIN = "Confirm that it is you first. Nothing was changed: do it again then."


def to_confirm(request: HttpRequest, back: str) -> HttpResponse:
    """Return the way to a proof of who one is; it leads to the page `back` afterwards."""
    methods = get_adapter(request).get_reauthentication_methods(request.user)
    url = methods[0]["url"] if methods else reverse("account_reauthenticate")
    return HttpResponseRedirect(f"{url}?{urlencode({'next': back})}")


@dataclass
class Asked:
    """What came of it: the way to a proof, where one is needed."""

    answer: HttpResponse | None = None


@contextmanager
def confirm_first(request: HttpRequest, back: str) -> Iterator[Asked]:
    """Turn a change that needs a proof first into the way there; it has to be asked for again."""
    asked = Asked()
    try:
        yield asked
    except ConfirmationNeededError:
        messages.warning(request, AGAIN)
        asked.answer = to_confirm(request, back)


def lacks_proof(request: HttpRequest, verb: Verb) -> bool:
    """Answer whether a person may, and has to prove first who it is; who only looks need not."""
    if hasattr(request, "viewer") or not isinstance(request.user, User):
        return False
    return bool(may(request.user, verb)) and not confirmed_recently(request)


def confirmed_page(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Ask for the proof when the page of a change is opened, so that nothing is typed in vain."""

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.method == "GET" and lacks_proof(request, Verb.PROMOTE):
            return to_confirm(request, request.get_full_path())
        return view(request, *args, **kwargs)

    return wrapped


def administrator_page(
    action: str, *, proof: bool = False
) -> Callable[
    [Callable[Concatenate[HttpRequest, P], HttpResponse]],
    Callable[Concatenate[HttpRequest, P], HttpResponse],
]:
    """Let the administrator in alone and, with `proof`, once it is sure who it is.

    The proof is asked for before a form is shown, and again before it is read. `action` is what a
    refused attempt is recorded as.
    """

    def decorated(
        view: Callable[Concatenate[HttpRequest, P], HttpResponse],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
        @wraps(view)
        def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            verdict = may(signed_in(request), Verb.MANAGE)
            if not verdict:
                return forbidden(request, verdict, action)
            if proof and lacks_proof(request, Verb.MANAGE):
                back = request.get_full_path()
                with confirm_first(request, back) as asked:
                    if request.method == "POST":
                        confirm(request_actor(request), action, None)
                return asked.answer or to_confirm(request, back)
            return view(request, *args, **kwargs)

        return console_page(wrapped)

    return decorated
