"""An environment's configuration: read-only, for every role that may see it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.roles import Verb
from accounts.web import FilterForm, console_page, paged, show
from environments.browser import MOST, MOST_ON_WAY, browsable, on_the_way
from environments.browser import documents as read_documents
from environments.catalogue import Resource
from environments.elastic import ElasticError
from environments.models import Environment
from environments.waypictures import way_view
from environments.ways import read_ways
from environments.web import environment_for


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
