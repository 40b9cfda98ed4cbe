"""One document of a build as a page: what is in it, what it uses, what uses it."""

from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.web import console_page, show
from environments.browser import as_text, browsable
from environments.documents import DocumentError, parse
from environments.links import LACKS_ALL, LACKS_PRODUCTION, Links
from environments.masking import masked
from environments.models import Environment
from environments.pictures import shown_flow
from environments.ways import RESOURCES
from promotion.common import build_for
from promotion.dependencies import configuration_of
from promotion.engine.dependencies import Key, Use, kind_of
from promotion.models import Build
from promotion.sides import of_build
from promotion.store import DatabaseContent
from promotion.way_around import way_around

# So many are listed of what uses a document; it is said how many there are.
MOST_LISTED = 200


def document_url(build: Build, key: Key) -> str:
    """Return the page of one document of a build; its id may hold anything."""
    args = [build.environment.slug, build.number, key[0]]
    return f"{reverse('promotion:document', args=args)}?{urlencode({'id': key[1]})}"


def history_url(environment: Environment, resource: str, doc_id: str, **more: str) -> str:
    """Return the address of a document's history; `version` marks the one of that exact digest."""
    address = reverse("promotion:history", args=[environment.slug, resource])
    return f"{address}?{urlencode({'id': doc_id, **more})}"


@console_page
@require_GET
def document(request: HttpRequest, slug: str, number: int, resource: str) -> HttpResponse:
    """Show one document, decoded, with secrets masked, and what depends on what."""
    build = build_for(request, slug, number)
    kind = browsable(build.environment, resource)
    if kind is None:
        raise Http404
    held = configuration_of(build)
    key = (kind.name, request.GET.get("id", ""))
    entry = held.entry(key)
    if entry is None:
        raise Http404
    source = DatabaseContent().source(entry.oid)
    text, flow = "", None
    try:
        plain = masked(kind.name, parse(source))
        # The text of a large flow is many times its picture: it has an address of its own.
        if kind.name == "flow" and "text" not in request.GET:
            flow = shown_flow(plain)
        if flow is None:
            text = as_text(plain)
    except DocumentError as error:
        text = str(error)
    way = None
    if kind.name in RESOURCES and flow is None:
        way = way_around(None, of_build(build), [key], lambda one: document_url(build, one))
    users = held.used_by(key)
    return show(
        request,
        "promotion/document.html",
        entry.title,
        build=build,
        resource=kind,
        entry=entry,
        text=text,
        flow=flow,
        text_url=f"{document_url(build, key)}&text",
        way=way,
        history_url=history_url(build.environment, kind.name, entry.id, version=entry.exact),
        states=_states(held.links_of(key)),
        uses=_rows(build, held.uses(key)),
        users=_rows(build, users[:MOST_LISTED]),
        users_total=len(users),
        users_more=max(0, len(users) - MOST_LISTED),
    )


def _states(links: Links) -> list[str]:
    """Return in words what keeps a document from working."""
    return [
        words
        for words, holds in (
            ("disabled", links.is_off),
            ("never deployed", links.runs_nothing),
            ("no production credentials", links.lacks == LACKS_PRODUCTION),
            ("no credentials", links.lacks == LACKS_ALL),
        )
        if holds
    ]


def _rows(build: Build, uses: list[Use]) -> list[dict[str, object]]:
    """Return what a page lists, with a link where the other is in the build."""
    catalogue = build.environment.catalogue
    promoted = {resource.name for resource in catalogue.promoted}
    return [
        {
            "use": use,
            "kind": kind_of(use.key[0]),
            "url": document_url(build, use.key) if use.is_there and use.key[0] in promoted else "",
            "note": _note(use),
        }
        for use in uses
    ]


def _note(use: Use) -> str:
    if use.drafted:
        return "in a draft or backup alone"
    if not use.is_there:
        return "not described" if use.soft else "missing"
    return ""
