"""The dashboard of an environment: read-only, for every role that may see it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, show
from environments.charts import DEFAULT_SPAN, SPANS, draw, edges, period
from environments.dashboards import Figures, figures, markers
from environments.elastic import ElasticError
from environments.models import Environment


@console_page
@require_GET
def dashboard(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what happened in an environment during the chosen range."""
    user = request.user
    if not isinstance(user, User):
        raise Http404
    environment = get_object_or_404(
        Environment.objects.visible_to(user, Verb.VIEW_DASHBOARD).select_related("cluster"),
        slug=slug,
    )
    wanted = request.GET.get("range", DEFAULT_SPAN.key)
    known = {span.key: span for span in SPANS}
    span = known.get(wanted, DEFAULT_SPAN)
    now, zone = timezone.now(), timezone.get_current_timezone()
    limits = edges(span, now, zone)
    counted: Figures | None = None
    problem = ""
    try:
        counted = figures(environment, limits)
    except ElasticError as error:
        problem = str(error)
    marked = markers(environment, limits[0], limits[-1], user)
    events = counted.events if counted is not None else None
    filled = events is not None and events.total > 0
    return show(
        request,
        "environments/dashboard.html",
        f"Dashboard of {environment}",
        status=503 if counted is None else 200,
        shown=environment,
        spans=SPANS,
        span=span,
        unknown_range=wanted not in known,
        zone=timezone.get_current_timezone_name(),
        now=now,
        start=limits[0],
        figures=counted,
        events=events,
        problem=problem,
        chart=draw(span, events.buckets, marked, zone, "#markers") if events and filled else None,
        periods=[(period(span, bucket, zone), bucket) for bucket in events.buckets]
        if events and filled
        else [],
        markers=marked,
        may_browse=bool(may(user, Verb.VIEW_CONFIGURATION, environment)),
    )
