"""The console's addresses, and some more where a page meets what no page should meet."""

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.urls import path

from environments.models import Cluster
from tracardi_console.urls import (
    handler400,
    handler403,
    handler404,
    handler500,
    urlpatterns,
)

__all__ = ["handler400", "handler403", "handler404", "handler500"]


def broken(request: HttpRequest) -> HttpResponse:
    """Fail, with all that a request and a cluster hold in reach of whoever reports it."""
    held = {**request.POST, **request.COOKIES, **request.headers}
    cluster = Cluster.objects.first()
    secret = cluster.secret if cluster is not None else ""
    raise ZeroDivisionError(f"{len(held)} and {len(secret)}")


def denied(_request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def without_database(_request: HttpRequest) -> HttpResponse:
    raise DatabaseError("the database is gone")


urlpatterns = [
    path("broken/", broken),
    path("denied/", denied),
    path("without-database/", without_database),
    *urlpatterns,
]
