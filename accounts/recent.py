"""What a request's session proves: where it came from, by which factors, and how long ago."""

import time
from typing import Any, Final

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.models import User
from accounts.roles import Role

# What proves that it is still the same person; a single sign-on may answer without asking anybody.
_PROOFS: Final = ("password", "mfa")


def client_address(request: HttpRequest) -> str | None:
    """Return the address that a request came from, past the proxies that `PROXIES` counts."""
    try:
        return str(get_adapter(request).get_client_ip(request))
    except PermissionDenied:
        return None


def _records(request: HttpRequest) -> list[dict[str, Any]]:
    if not hasattr(request, "session"):
        return []
    user = getattr(request, "viewer", None) or request.user
    return list(get_authentication_records(request, user))


def confirmed_recently(request: HttpRequest) -> bool:
    """Answer whether the person proved who they are within `REAUTHENTICATION_SECONDS`.

    A sign-in with a password or a second factor counts; 0 seconds asks for none.
    """
    if not settings.REAUTHENTICATION_SECONDS:
        return True
    times = [float(one["at"]) for one in _records(request) if one.get("method") in _PROOFS]
    return bool(times) and time.time() - max(times) < settings.REAUTHENTICATION_SECONDS


def came_recently(request: HttpRequest) -> bool:
    """Answer whether the person came by single sign-on within `REAUTHENTICATION_SECONDS`.

    It proves less than `confirmed_recently`, and is enough only where there is nothing else yet.
    """
    times = [float(one["at"]) for one in _records(request) if one.get("method") == "socialaccount"]
    return bool(times) and time.time() - max(times) < (settings.REAUTHENTICATION_SECONDS or 300)


def used_second_factor(request: HttpRequest) -> bool:
    """Answer whether this session was proved by a second factor.

    A single sign-on's counts where `SSO_HAS_SECOND_FACTOR` says that it always asks for one.
    """
    methods = {one.get("method") for one in _records(request)}
    return "mfa" in methods or (settings.SSO_HAS_SECOND_FACTOR and "socialaccount" in methods)


def needs_second_factor(user: User) -> bool:
    """Answer whether a person's role asks for a second factor."""
    return settings.REQUIRE_SECOND_FACTOR and user.role != Role.MARKETING.value
