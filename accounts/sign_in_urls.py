"""Addresses of signing in: of django-allauth just those that the console has a use for.

Nobody signs up or changes an address of mail here, and identities are connected by the console.
"""

from allauth.account import views
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import include, path, re_path

from accounts import single_sign_on_views as single_sign_on
from accounts.web import signed_in


@login_required
def change_password(request: HttpRequest) -> HttpResponseBase:
    """Change one's password, where the console keeps one."""
    if not signed_in(request).has_usable_password():
        return render(request, "account/password_elsewhere.html")
    answer: HttpResponseBase = views.password_change(request)
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
        views.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("2fa/", include("allauth.mfa.urls")),
    path("sessions/", include("allauth.usersessions.urls")),
    # It is named by the library, and leads nowhere here.
    path("sso/signup/", views.signup, name="socialaccount_signup"),
    path("sso/<slug:provider_id>/login/", single_sign_on.start, name="openid_connect_login"),
    path(
        "sso/<slug:provider_id>/callback/", single_sign_on.callback, name="openid_connect_callback"
    ),
]
