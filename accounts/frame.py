"""The frame of the pages that django-allauth renders with a context of its own."""

from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.adapters import FACTORS
from accounts.handover import open_offer
from accounts.models import Handover, User
from accounts.recent import needs_second_factor, used_second_factor
from accounts.tour import lazy_tour


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return what each page says of the session, and the frame where no view of ours gives it."""
    facts: dict[str, Any] = {
        "viewer": getattr(request, "viewer", None),
        "is_demo": settings.DEMO,
        "sign_in_is_easy": _easy(),
        "offer_to_me": SimpleLazyObject(lambda: _offer(request)),
        "tour": lazy_tour(request),
    }
    if request.path_info.startswith(f"/{settings.ACCOUNT_PREFIX}"):
        facts |= admin.site.each_context(request)
        facts["has_people"] = User.objects.exists()
        facts["mail_configured"] = settings.MAIL_CONFIGURED
        facts["second_factor_missing"] = _lacks_factor(request)
        facts["sso_name"] = settings.OIDC_NAME if settings.OIDC_ISSUER else ""
    return facts


def _easy() -> str:
    """Return what a banner says where the settings leave protection out."""
    off = []
    if not settings.REQUIRE_SECOND_FACTOR:
        off.append("a second factor is not asked for")
    if not settings.REAUTHENTICATION_SECONDS:
        off.append("nobody has to confirm who they are before promoting")
    words = ", and ".join(off)
    return (
        f"{words[0].upper()}{words[1:]}. Leave neither out where customers are served."
        if off
        else ""
    )


def _offer(request: HttpRequest) -> Handover | None:
    user = request.user
    if not isinstance(user, User) or user.is_administrator or hasattr(request, "viewer"):
        return None
    waiting = open_offer()
    return waiting if waiting is not None and waiting.offered_to_id == user.pk else None


def _lacks_factor(request: HttpRequest) -> bool:
    user = request.user
    if not isinstance(user, User) or not needs_second_factor(user) or used_second_factor(request):
        return False
    return not is_mfa_enabled(user, FACTORS)
