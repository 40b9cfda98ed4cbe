"""Addresses of signing in: of django-allauth just those that the console has a use for.

Nobody signs up or changes an address of mail here, and identities are connected by the console.
"""

from allauth.account import views
from allauth.mfa.adapter import get_adapter as get_factor_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import views as keys
from allauth.usersessions.views import list_usersessions
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import include, path, re_path

from accounts import single_sign_on_views as single_sign_on
from accounts.audit import record, request_actor
from accounts.web import signed_in


@login_required
def change_password(request: HttpRequest) -> HttpResponseBase:
    """Change one's password, where the console keeps one."""
    if not signed_in(request).has_usable_password():
        return render(request, "account/password_elsewhere.html")
    # The password and its event together, or neither.
    with transaction.atomic():
        answer: HttpResponseBase = views.password_change(request)
    return answer


def set_password(request: HttpRequest, uidb36: str, key: str) -> HttpResponseBase:
    """Set a password by a link, with its event."""
    with transaction.atomic():
        answer: HttpResponseBase = views.password_reset_from_key(request, uidb36=uidb36, key=key)
    return answer


@login_required
def remove_key(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Remove one's security key, but not the last factor where the role asks for one."""
    held = get_object_or_404(
        Authenticator, pk=pk, user=signed_in(request), type=Authenticator.Type.WEBAUTHN
    )
    if not get_factor_adapter().can_delete_authenticator(held):
        messages.error(request, "It is your last second factor. Add another one first.")
        return redirect("mfa_list_webauthn")
    answer: HttpResponseBase = keys.remove_webauthn(request, pk=pk)
    return answer


@login_required
def sessions(request: HttpRequest) -> HttpResponseBase:
    """List one's sessions, and end all others."""
    with transaction.atomic():
        answer: HttpResponseBase = list_usersessions(request)
        if request.method == "POST":
            record(request_actor(request), "account.sessions-ended", signed_in(request))
    return answer


@login_required
def no_password(request: HttpRequest) -> HttpResponse:
    """Say that who comes by single sign-on has no password here."""
    return render(request, "account/password_elsewhere.html")


urlpatterns = [
    path("login/", views.login, name="account_login"),
    path("logout/", views.logout, name="account_logout"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("signup/", views.signup, name="account_signup"),
    path("reauthenticate/", views.reauthenticate, name="account_reauthenticate"),
    path("password/change/", change_password, name="account_change_password"),
    path("password/set/", no_password, name="account_set_password"),
    path("password/reset/", views.password_reset, name="account_reset_password"),
    path("password/reset/done/", views.password_reset_done, name="account_reset_password_done"),
    path(
        "password/reset/key/done/",
        views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        set_password,
        name="account_reset_password_from_key",
    ),
    path("2fa/", include("allauth.mfa.base.urls")),
    path("2fa/totp/", include("allauth.mfa.totp.urls")),
    path("2fa/recovery-codes/", include("allauth.mfa.recovery_codes.urls")),
    path("2fa/webauthn/", keys.list_webauthn, name="mfa_list_webauthn"),
    path("2fa/webauthn/add/", keys.add_webauthn, name="mfa_add_webauthn"),
    path(
        "2fa/webauthn/reauthenticate/",
        keys.reauthenticate_webauthn,
        name="mfa_reauthenticate_webauthn",
    ),
    path("2fa/webauthn/keys/<int:pk>/edit/", keys.edit_webauthn, name="mfa_edit_webauthn"),
    path("2fa/webauthn/keys/<int:pk>/remove/", remove_key, name="mfa_remove_webauthn"),
    path("sessions/", sessions, name="usersessions_list"),
    # It is named by the library, and leads nowhere here.
    path("sso/signup/", views.signup, name="socialaccount_signup"),
    path("sso/<slug:provider_id>/login/", single_sign_on.start, name="openid_connect_login"),
    path(
        "sso/<slug:provider_id>/callback/", single_sign_on.callback, name="openid_connect_callback"
    ),
]
