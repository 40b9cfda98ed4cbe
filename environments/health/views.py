"""An environment's health as a page, from what was kept; and a look on request."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.audit import request_actor
from accounts.authorising import NotAllowedError
from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, not_allowed, show, signed_in
from environments.health.figures import (
    DEFAULT_SPAN,
    MEASURES,
    SPANS,
    Part,
    figures,
    parts,
    resource_spark,
    size,
    table,
)
from environments.health.looks import TooSoonError, look_now
from environments.health.summaries import State, summaries
from environments.models import Environment, HealthLook, HealthState
from environments.web import environment_for


class _Row(NamedTuple):
    """What places a look on the time axis."""

    pk: int
    at: datetime
    is_reachable: bool


@console_page
@require_GET
def health(request: HttpRequest, slug: str) -> HttpResponse:
    """Show how an environment is: what was kept of the last looks; no cluster is asked."""
    user, environment = signed_in(request), environment_for(request, slug, Verb.VIEW_DASHBOARD)
    wanted = request.GET.get("range", DEFAULT_SPAN.key)
    span = {one.key: one for one in SPANS}.get(wanted, DEFAULT_SPAN)
    now = timezone.now()
    manages = bool(may(user, Verb.MANAGE, environment))
    kept = HealthState.objects.filter(environment=environment).first()
    looks = HealthLook.objects.filter(environment=environment)
    latest = looks.filter(is_reachable=True).first()
    when = looks.filter(at__gte=now - span.length).order_by("at")
    rows = [_Row(*row) for row in when.values_list("pk", "at", "is_reachable")]
    course = _filled(parts(span, rows, now))
    return show(
        request,
        "environments/health.html",
        f"Health of {environment}",
        shown=environment,
        summary=summaries([environment], user)[environment.pk],
        states=State,
        kept=kept,
        latest=latest,
        figures=figures(latest, course, with_cluster=manages) if latest else [],
        resources=_resources(environment, latest, course) if latest else [],
        table=table(course, with_cluster=manages),
        columns=[one.label for one in MEASURES if manages or not one.of_cluster],
        answered=_answered(rows),
        looks=len(rows),
        spans=SPANS,
        span=span,
        unknown_range=wanted != span.key,
        zone=timezone.get_current_timezone_name(),
        may_manage=manages,
        may_look=_may_look(request, user, environment),
    )


def _may_look(request: HttpRequest, user: User, environment: Environment) -> bool:
    return not hasattr(request, "viewer") and bool(may(user, Verb.CAPTURE, environment))


def _filled(course: Sequence[Part]) -> list[Part]:
    """Return points with their looks as a whole: few of the many that the range has."""
    full = HealthLook.objects.in_bulk([part.answered.pk for part in course if part.answered])
    return [
        replace(part, answered=full.get(part.answered.pk)) if part.answered else part
        for part in course
    ]


def _answered(rows: Sequence[_Row]) -> float | None:
    """Return the percentage of looks that got an answer."""
    return 100 * sum(row.is_reachable for row in rows) / len(rows) if rows else None


def _resources(
    environment: Environment, latest: HealthLook, course: Sequence[Part]
) -> list[dict[str, Any]]:
    found = []
    for resource in environment.catalogue.promoted:
        documents, length = latest.resources.get(resource.name, (None, None))
        found.append(
            {
                "name": resource.name,
                "label": resource.label,
                "is_there": resource.name in latest.resources,
                "documents": documents,
                "size": size(length) if length is not None else "—",
                "spark": resource_spark(resource.name, course),
            }
        )
    return found


@console_page
@require_POST
def look(request: HttpRequest, slug: str) -> HttpResponse:
    """Look at an environment now."""
    environment = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    try:
        look_now(request_actor(request), environment)
    except NotAllowedError as error:
        return not_allowed(request, error)
    except TooSoonError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, f"{environment} was looked at.")
    return HttpResponseRedirect(reverse("environments:health", args=[environment.slug]))
