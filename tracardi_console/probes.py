"""The pages for machines: is the process there, can it serve, and how it goes. None has a session.

`ProbesMiddleware` answers them before a host is judged. They tell nothing of documents or people.
"""

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_GET

from tracardi_console.errors import page_not_found
from tracardi_console.metrics import CONTENT_TYPE, exposition
from tracardi_console.readiness import readiness


@require_GET
def live(request: HttpRequest) -> HttpResponse:
    """Answer that the process answers; it asks nothing, not even the database."""
    return JsonResponse({"status": "live"})


@require_GET
def ready(request: HttpRequest) -> HttpResponse:
    """Answer whether pages can be served, 200 or 503, and how each thing is that they need."""
    found = readiness()
    facts = {"status": found.status, "checks": found.checks}
    return JsonResponse(facts, status=200 if found.can_serve else 503)


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer the metrics to who shows METRICS_TOKEN; without such a setting there are none."""
    token = settings.METRICS_TOKEN
    if not token:
        return page_not_found(request)
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not constant_time_compare(shown.strip(), token):
        refused = HttpResponse("Show METRICS_TOKEN.\n", status=401, content_type="text/plain")
        refused["WWW-Authenticate"] = "Bearer"
        return refused
    return HttpResponse(exposition(), content_type=CONTENT_TYPE)


PROBES: Final[dict[str, Callable[[HttpRequest], HttpResponse]]] = {
    "/health/live": live,
    "/health/ready": ready,
    "/metrics": metrics,
}
