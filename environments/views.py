"""An environment's dashboard and its configuration: read-only, for every role that may see it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.policy import may
from accounts.roles import Verb
from accounts.web import FilterForm, console_page, paged, show, signed_in
from environments.browser import MOST, MOST_ON_WAY, browsable, on_the_way
from environments.browser import documents as read_documents
from environments.catalogue import Resource
from environments.charts import DEFAULT_SPAN, SPANS, draw, edges, period
from environments.dashboards import Figures, figures, markers
from environments.elastic import ElasticError
from environments.marks import TEST_MARK
from environments.models import Environment
from environments.waypictures import way_view
from environments.ways import read_ways
from environments.web import environment_for


@console_page
@require_GET
def dashboard(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what happened in an environment during the chosen range."""
    user, environment = signed_in(request), environment_for(request, slug, Verb.VIEW_DASHBOARD)
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
        test_mark=TEST_MARK,
        may_browse=bool(may(user, Verb.VIEW_CONFIGURATION, environment)),
    )


def _resource(request: HttpRequest, slug: str, name: str) -> tuple[Environment, Resource]:
    """Return an environment whose configuration this person may browse, and one resource of it."""
    environment = environment_for(request, slug, Verb.VIEW_CONFIGURATION)
    resource = browsable(environment, name)
    if resource is None:
        raise Http404
    return environment, resource


@console_page
@require_GET
def documents(request: HttpRequest, slug: str, resource: str) -> HttpResponse:
    """List the documents of one resource as Tracardi reads them now."""
    environment, kind = _resource(request, slug, resource)
    form = FilterForm(request.GET, search=["title"])
    problem, total, rows = "", 0, []
    try:
        found = read_documents(environment, kind)
        wanted = form.chosen().get("q", "").casefold()
        total = found.total
        rows = [r for r in found.rows if wanted in r.title.casefold() or wanted in r.id.casefold()]
    except ElasticError as error:
        problem = str(error)
    return show(
        request,
        "environments/documents.html",
        f"{kind.label} of {environment}",
        status=503 if problem else 200,
        shown=environment,
        resource=kind,
        listing=paged(request, rows, form),
        total=total,
        most=MOST,
        problem=problem,
    )


@console_page
@require_GET
def way(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the way of an event through the configuration, or the part around one document.

    `around` is the document's resource and its id, with a slash between them.
    """
    environment = environment_for(request, slug, Verb.VIEW_CONFIGURATION)
    resource, _, doc_id = request.GET.get("around", "").partition("/")
    key = (resource, doc_id)
    problem, name, read, view = "", "", None, None
    try:
        read = on_the_way(environment)
        ways = read_ways(read.documents)
        if doc_id:
            if key not in ways.stops:
                raise Http404
            name = ways.stops[key].title
        view = way_view(
            ways,
            lambda key: reverse("environments:document", args=[environment.slug, *key]),
            [key] if doc_id else None,
        )
    except ElasticError as error:
        problem = str(error)
    return show(
        request,
        "environments/way.html",
        f"The way of an event around {name}" if name else f"The way of an event in {environment}",
        status=503 if problem else 200,
        shown=environment,
        way=view,
        around=name,
        partial=read.partial if read else (),
        most=MOST_ON_WAY,
        problem=problem,
    )
