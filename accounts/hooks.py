"""Records what django and django-allauth tell of sign-ins and second factors by their signals."""

from typing import Any

from allauth.account import signals as account
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.core import context
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth import signals as auth
from django.db.models import signals as models
from django.http import HttpRequest

from accounts.adapters import FACTORS
from accounts.audit import Actor, record, request_actor, stranger_actor
from accounts.models import AuditEvent, User
from accounts.recent import client_address
from accounts.sessions import end_sessions

REFUSED = AuditEvent.Outcome.REFUSED


def connect() -> None:
    """Listen to them."""
    auth.user_logged_in.connect(_signed_in, dispatch_uid="accounts.signed-in")
    auth.user_logged_out.connect(_signed_out, dispatch_uid="accounts.signed-out")
    account.password_changed.connect(_password_changed, dispatch_uid="accounts.changed")
    account.password_reset.connect(_password_reset, dispatch_uid="accounts.reset")
    mfa.authenticator_added.connect(_added, dispatch_uid="accounts.added")
    kept = {"sender": Authenticator, "weak": False}
    models.post_save.connect(_factor_saved, dispatch_uid="accounts.factor-saved", **kept)
    models.post_delete.connect(_factor_deleted, dispatch_uid="accounts.factor-deleted", **kept)
    mfa.authentication_failed.connect(_wrong_code, dispatch_uid="accounts.wrong-code")


def _actor(request: HttpRequest, user: User) -> Actor:
    """Return the actor of a request that is being signed in: `request.user` is not set yet."""
    return Actor(
        user=user,
        channel="web",
        address=client_address(request),
        request_id=getattr(request, "request_id", ""),
    )


def _signed_in(request: HttpRequest | None, user: User, **_kwargs: Any) -> None:
    if request is not None and hasattr(request, "request_id"):
        records = request.session.get("account_authentication_methods", [])
        how = sorted({str(one.get("method")) for one in records})
        record(_actor(request, user), "account.signed-in", user, detail={"by": how})


def _signed_out(request: HttpRequest, user: User | None, **_kwargs: Any) -> None:
    if user is not None and hasattr(request, "request_id"):
        record(_actor(request, user), "account.signed-out", user)


def _password_changed(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    record(request_actor(request), "account.password-changed", user)


def _password_reset(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    # Whoever held a session with the old password holds none now.
    end_sessions(user)
    get_adapter(request).forget_attempts(request, user)
    record(stranger_actor(request), "account.password-set", user, detail={"by": "link"})


def _added(request: HttpRequest, user: User, authenticator: Authenticator, **_kwargs: Any) -> None:
    if authenticator.type not in FACTORS:
        return
    # It was just used, and the password was proved before.
    record_authentication(request, user, "mfa", type=str(authenticator.type))
    if authenticator.type == Authenticator.Type.TOTP:
        # The code that set it up is used, too.
        TOTP(authenticator)._mark_code_used(str(request.POST.get("code", "")))


def _own_request(authenticator: Authenticator) -> HttpRequest | None:
    """Return the request in which a person changes their own factors."""
    request = context.request
    same = request is not None and request.user.pk == authenticator.user_id
    return request if same and hasattr(request, "request_id") else None


def _factor_saved(instance: Authenticator, created: bool, **_kwargs: Any) -> None:
    # Of the model and not of the library: those are sent once nothing can be taken back.
    if created and (request := _own_request(instance)):
        detail = {"type": str(instance.type)}
        record(request_actor(request), "account.factor-added", instance.user, detail=detail)


def _factor_deleted(instance: Authenticator, **_kwargs: Any) -> None:
    if request := _own_request(instance):
        detail = {"type": str(instance.type)}
        record(request_actor(request), "account.factor-removed", instance.user, detail=detail)


def _wrong_code(request: HttpRequest, user: User, **_kwargs: Any) -> None:
    words = "The code of the second factor is wrong."
    record(stranger_actor(request), "account.signed-in", user, outcome=REFUSED, reason=words)
