"""What each request passes: a time zone, a second factor where due, and "view as"."""

from collections.abc import Callable
from typing import Final

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import resolve, reverse
from django.urls.exceptions import Resolver404
from django.utils import timezone
from django.utils.http import urlencode

from accounts.adapters import FACTORS
from accounts.audit import record, request_actor
from accounts.models import AuditEvent, User
from accounts.recent import needs_second_factor, used_second_factor
from accounts.time_zones import zone_of
from accounts.view_as import end, is_over, target_of

Answer = Callable[[HttpRequest], HttpResponse]
# What one may open to prove a second factor; and to set one up, where there is none yet.
_DOOR: Final = frozenset(
    {
        "account_logout",
        "admin:logout",
        "mfa_reauthenticate",
        "mfa_reauthenticate_webauthn",
        "openid_connect_login",
        "openid_connect_callback",
    }
)
_SET_UP: Final = _DOOR | {
    "account_reauthenticate",
    "mfa_index",
    "mfa_activate_totp",
    "mfa_add_webauthn",
}
END_VIEW_AS: Final = "accounts:end-view-as"


def route(request: HttpRequest) -> str:
    """Return the name of what a request asks for; empty where there is nothing."""
    try:
        return resolve(request.path_info).view_name
    except Resolver404:
        return ""


class TimeZoneMiddleware:
    """Tell times in the zone that the person chose, for as long as the request takes.

    It stands before "view as": who looks at the console as somebody else keeps their own clock.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        with timezone.override(zone_of(user) if isinstance(user, User) else None):
            return self.get_response(request)


class SecondFactorMiddleware:
    """Open nothing to a role that needs a second factor until the session was proved by one."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if isinstance(user, User) and needs_second_factor(user) and not used_second_factor(request):
            has_one = is_mfa_enabled(user, FACTORS)
            if route(request) not in (_DOOR if has_one else _SET_UP):
                return self._send_on(request, has_one)
        return self.get_response(request)

    def _send_on(self, request: HttpRequest, has_one: bool) -> HttpResponse:
        if not has_one:
            return HttpResponseRedirect(reverse("mfa_index"))
        # It was set up in another session: this one has to prove it, too.
        back = request.get_full_path() if request.method == "GET" else reverse("admin:index")
        return HttpResponseRedirect(f"{reverse('mfa_reauthenticate')}?{urlencode({'next': back})}")


class ViewAsMiddleware:
    """Show an administrator's requests as the person sees them whom they look as; change nothing.

    `request.viewer` is the administrator then. The pages of one's own sign-in are nobody else's.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_over(request):
            return self._end(request)
        target = target_of(request)
        name = route(request) if target is not None else ""
        if target is None or name in {END_VIEW_AS, "admin:logout", "account_logout"}:
            return self.get_response(request)
        request.viewer = request.user  # type: ignore[attr-defined]
        request.user = target
        own = request.path_info.startswith(f"/{settings.ACCOUNT_PREFIX}")
        if request.method not in ("GET", "HEAD") or own:
            return self._refuse(request, target)
        return self.get_response(request)

    def _end(self, request: HttpRequest) -> HttpResponse:
        """End what is over; a click that was meant as somebody else does nothing as oneself."""
        from accounts.web import show

        if not isinstance(request.user, User):
            return self.get_response(request)
        end(request, request_actor(request))
        if request.method in ("GET", "HEAD"):
            return self.get_response(request)
        words = "Your view as another person ended. Nothing was changed. Look again, then do it."
        return show(request, "console/refused.html", "The view ended", status=409, message=words)

    def _refuse(self, request: HttpRequest, target: User) -> HttpResponse:
        from accounts.web import show

        words = (
            f"You look at the console as {target.label}, which is read-only. Nothing was changed. "
            "Stop viewing first."
        )
        refused = AuditEvent.Outcome.REFUSED
        detail = {"method": request.method, "path": request.path[:200]}
        record(request_actor(request), "view-as.refused", target, outcome=refused, detail=detail)
        return show(request, "console/refused.html", "Read-only", status=403, message=words)
