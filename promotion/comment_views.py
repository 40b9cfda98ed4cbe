"""Comments as pages: write one or an answer, mark a thread as resolved."""

from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from accounts.audit import request_actor
from accounts.web import console_page, show
from environments.browser import browsable
from promotion.buttons import build_url
from promotion.comment_links import document_page
from promotion.comments import add_comment, settle_comment
from promotion.common import build_for, done, side_for
from promotion.engine.errors import PromotionError
from promotion.forms import CommentForm
from promotion.models import Build, Comment
from promotion.sides import NOW, of_build, split


@dataclass(frozen=True)
class _Part:
    """What is commented on: the build where `resource` is empty."""

    resource: str = ""
    document: str = ""
    title: str = ""
    place: str = ""


@console_page
@require_http_methods(["GET", "POST"])
def comment(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Ask for a comment on what the address names, and keep it."""
    shown = build_for(request, slug, number)
    parent = _thread(shown, request.GET.get("reply", ""))
    if parent is not None:
        part = _Part(parent.resource, parent.document, parent.title, parent.place)
    else:
        part = _part(request, shown)
    back = _back(request, shown, part)
    form = CommentForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():

        def act() -> str:
            add_comment(
                request_actor(request),
                shown,
                form.cleaned_data["text"],
                resource=part.resource,
                document=part.document,
                title=part.title,
                place=part.place,
                parent=parent,
            )
            return "Your comment is kept."

        return done(request, f"{back}#comments", act)
    return show(
        request,
        "promotion/comment.html",
        "Answer" if parent is not None else "Comment",
        status=400 if request.method == "POST" else 200,
        build=shown,
        parent=parent,
        title_of=part.title,
        place=part.place,
        back_url=back,
        form=form,
    )


@console_page
@require_POST
def resolve(request: HttpRequest, slug: str, number: int, pk: int) -> HttpResponse:
    """Mark a thread as resolved, or open it again."""
    shown = build_for(request, slug, number)
    found = _thread(shown, str(pk))
    if found is None:
        raise Http404
    resolved = request.POST.get("resolved") != "no"

    def act() -> str:
        settle_comment(request_actor(request), found, resolved=resolved)
        return "It is resolved." if resolved else "It is open again."

    return done(request, f"{build_url(shown)}#comments", act)


def _thread(build: Build, pk: str) -> Comment | None:
    """Return a comment on this build's content; None where none is asked for."""
    if not pk:
        return None
    if not pk.isdecimal() or len(pk) > 18:
        raise Http404
    rows = Comment.objects.on(build).select_related("environment", "author", "build", "parent")
    return get_object_or_404(rows, pk=int(pk))


def _part(request: HttpRequest, build: Build) -> _Part:
    """Return what the address names; what is in neither of the two compared is not there."""
    name, doc_id = request.GET.get("resource", ""), request.GET.get("id", "")
    if not name:
        return _Part()
    if browsable(build.environment, name) is None:
        raise Http404
    entry = of_build(build).tree(name).by_id.get(doc_id)
    before = request.GET.get("before", "")
    if entry is None and before:
        # It may be gone from the build, and be said to be missed.
        try:
            if split(before)[1] != NOW:
                entry = side_for(request, before).tree(name).by_id.get(doc_id)
        except PromotionError as error:
            raise Http404 from error
    place = request.GET.get("place", "")
    # PostgreSQL keeps no NUL in a text.
    if entry is None or len(doc_id) > 512 or len(place) > 500 or "\0" in place:
        raise Http404
    return _Part(name, doc_id, entry.title, place)


def _back(request: HttpRequest, build: Build, part: _Part) -> str:
    """Return the page that the comment stands on."""
    if not part.resource:
        return build_url(build)
    before, was = request.GET.get("before", ""), request.GET.get("was", "")
    return document_page(build, part.resource, part.document, before, was)
