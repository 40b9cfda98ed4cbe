"""The two addresses of single sign-on: the way to the provider, and the way back."""

from collections.abc import Callable
from functools import wraps
from urllib.parse import urlsplit

import structlog
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.utils import get_request_param
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from accounts.openid import OpenIDAdapter, ProviderError
from accounts.single_sign_on import NOT_CONNECTED, PROVIDER_ID, failure, refusal

View = Callable[[HttpRequest, str], HttpResponse]
log = structlog.get_logger(__name__)


def _single_sign_on(view: View) -> View:
    @wraps(view)
    def wrapped(request: HttpRequest, provider_id: str) -> HttpResponse:
        if provider_id != PROVIDER_ID or not settings.OIDC_ISSUER:
            raise Http404
        try:
            return view(request, provider_id)
        except ImmediateHttpResponse as refused:
            answer: HttpResponse = refused.response
            return answer
        except ProviderError as error:
            return failure(request, error)

    return never_cache(wrapped)


def _too_often(request: HttpRequest) -> HttpResponse | None:
    # Each of them asks the provider, and each that fails is an event of the audit trail.
    if ratelimit.consume(request, app="allauth.account", action="single_sign_on", limit_get=True):
        return None
    words = "Too many sign-ins came from your address. Nobody was signed in. Wait for a minute."
    return render(request, "account/refused.html", {"message": words}, status=429)


@require_http_methods(["GET", "POST"])
@_single_sign_on
def start(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Lead to the provider, after a press of a button: no other site's link signs anybody in."""
    if request.method == "GET":
        return render(request, "account/single_sign_on.html")
    if (busy := _too_often(request)) is not None:
        return busy
    if get_request_param(request, "process", AuthProcess.LOGIN) != AuthProcess.LOGIN:
        raise refusal(request, NOT_CONNECTED)
    adapter = OpenIDAdapter(request, provider_id)
    answer: HttpResponse = OAuth2LoginView.adapter_view(adapter)(request)
    if answer.status_code == 302:
        parts = urlsplit(answer["Location"])
        if (origin := f"{parts.scheme}://{parts.netloc}") not in settings.OIDC_ORIGINS:
            log.warning("browsers block the way to the single sign-on", not_in_oidc_origins=origin)
    return answer


@require_GET
@_single_sign_on
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Take the provider's answer, and sign the person in or say why not."""
    if (busy := _too_often(request)) is not None:
        return busy
    adapter = OpenIDAdapter(request, provider_id)
    answer: HttpResponse = OAuth2CallbackView.adapter_view(adapter)(request)
    return answer
