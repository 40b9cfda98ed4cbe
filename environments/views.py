"""An environment's configuration: read-only, for every role that may see it."""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.roles import Verb
from accounts.web import FilterForm, console_page, paged, show
from environments.browser import MOST, MOST_ON_WAY, as_text, browsable, on_the_way
from environments.browser import document as read_document
from environments.browser import documents as read_documents
from environments.catalogue import Resource
from environments.documents import title
from environments.elastic import ElasticError
from environments.flowgraph import shown
from environments.models import Environment
from environments.pictures import shown_flow
from environments.waypictures import way_view
from environments.ways import WORDS, read_ways
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
def document(request: HttpRequest, slug: str, resource: str, doc_id: str) -> HttpResponse:
    """Show one document, decoded, with its secrets masked."""
    environment, kind = _resource(request, slug, resource)
    problem, text, name, flow = "", "", doc_id, None
    try:
        # The text of a large flow is many times its picture: it has an address of its own.
        pictured = kind.name == "flow" and "text" not in request.GET
        found = read_document(environment, kind, doc_id, ("backup",) if pictured else ())
        if found is None:
            raise Http404
        name = shown(title(doc_id, found))
        if pictured:
            flow = shown_flow(found)
        if flow is None:
            text = as_text(found)
    except ElasticError as error:
        problem = str(error)
    return show(
        request,
        "environments/document.html",
        name,
        status=503 if problem else 200,
        shown=environment,
        resource=kind,
        text=text,
        flow=flow,
        doc_id=doc_id,
        is_on_way=kind.name in WORDS,
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
