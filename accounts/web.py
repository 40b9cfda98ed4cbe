"""What all pages share: who may open one, and what becomes of a refusal."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.audit import record, request_actor
from accounts.models import AuditEvent
from accounts.policy import Verdict

PAGE_SIZE = 25
P = ParamSpec("P")


def console_page(
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Ask for a sign-in, and forbid every cache to keep the page."""

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        return response

    protected: Callable[Concatenate[HttpRequest, P], HttpResponse] = login_required(wrapped)
    return protected


def show(
    request: HttpRequest, template: str, title: str, status: int = 200, **context: Any
) -> HttpResponse:
    """Render a page in the console's frame."""
    frame = {**admin.site.each_context(request), "title": title, **context}
    return render(request, template, frame, status=status)


def forbidden(request: HttpRequest, verdict: Verdict, action: str, obj: Any = None) -> HttpResponse:
    """Say why a page is not for this person, and record the attempt."""
    refused = AuditEvent.Outcome.REFUSED
    record(request_actor(request), action, obj, outcome=refused, reason=verdict.reason)
    return show(request, "console/refused.html", "Not allowed", status=403, message=verdict.reason)


def paged(request: HttpRequest, rows: QuerySet[Any]) -> Page[Any]:
    """Return the page of rows that the request asks for; a number out of range is the nearest."""
    return Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
