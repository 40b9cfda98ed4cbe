"""What each request passes and gets: bounds, methods that pages know, headers, an id for logs."""

import time
from collections.abc import Callable
from typing import Final

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from accounts import tracing
from tracardi_console.errors import bad_request, too_long, too_much
from tracardi_console.probes import PROBES

log = structlog.get_logger(__name__)

METHODS: Final = ("GET", "POST")
# Files and fields of one form; forms have lower bounds of their own.
LARGEST_BODY: Final = 4 * 1024 * 1024
LONGEST_QUERY: Final = 8 * 1024
_MOST_DIGITS: Final = 15
# What browsers are asked to keep from every page, though none of ours asks for it.
_PERMISSIONS: Final = ", ".join(
    f"{name}=()"
    for name in (
        *("accelerometer", "autoplay", "camera", "display-capture", "encrypted-media"),
        *("geolocation", "gyroscope", "magnetometer", "microphone", "midi", "payment"),
        *("screen-wake-lock", "usb", "xr-spatial-tracking"),
    )
)


class HeadersMiddleware:
    """Give each answer what a page has: static files, redirects and errors of middleware too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.headers = {
            "X-Frame-Options": settings.X_FRAME_OPTIONS,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": _PERMISSIONS,
            # Of a static file it says something else by itself.
            "Cache-Control": "no-store",
        }

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)
        return response


class LimitsMiddleware:
    """Refuse what is too long before any of it is read: nobody has signed in yet.

    A body without a length has none for WSGI: the server hands over what it announced.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if len(request.META.get("QUERY_STRING", "")) > LONGEST_QUERY:
            return too_long(request)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdigit()):
            return bad_request(request)
        # Digits alone can be too many to be turned into a number.
        if len(length) > _MOST_DIGITS or int(length) > LARGEST_BODY:
            return too_much(request)
        return self.get_response(request)


class MethodsMiddleware:
    """Refuse every method but GET and POST, whoever asks and wherever: 405.

    Django's admin takes any other for a GET. Which of the two a page knows, it says itself.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in METHODS:
            return HttpResponseNotAllowed(METHODS)
        return self.get_response(request)


class RequestContextMiddleware:
    """Set `request.request_id`, bind it to the logs, return it as X-Request-ID, and log the answer.

    An id sent by the caller is not taken over, unless the proxy sets it (TRUST_REQUEST_ID): audit
    events would then carry what a stranger wrote.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        sent = request.headers.get("X-Request-ID", "") if settings.TRUST_REQUEST_ID else ""
        number = sent if tracing.is_number(sent) else tracing.new_number()
        request.request_id = number  # type: ignore[attr-defined]
        tracing.begin(number)
        began = time.monotonic()
        response = self.get_response(request)
        response["X-Request-ID"] = number
        self._log(request, response, time.monotonic() - began)
        return response

    @staticmethod
    def _log(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        # The route's name, not the address: addresses hold links to set a password, and searches.
        match = request.resolver_match
        if match is None:
            return
        log.info(
            "request",
            method=request.method,
            route=match.view_name,
            status=response.status_code,
            seconds=round(seconds, 3),
        )


class ProbesMiddleware:
    """Answer the pages for machines before a host is judged or a session is looked for.

    Whoever probes knows an address and no name. What they are told depends on neither.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = PROBES.get(request.path_info)
        if view is None or request.method != "GET":
            return self.get_response(request)
        return view(request)
