"""One document of two sides, by field, and the way of an event around what differs, as pages."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from accounts.policy import may, may_anywhere
from accounts.roles import Verb
from accounts.web import console_page, forbidden, show, signed_in
from environments.browser import as_text, browsable
from environments.masking import shown
from environments.pictures import flow_view
from environments.waypictures import WayView
from promotion import comparison
from promotion.comment_links import About, about_document
from promotion.compare_views import anchor, asked_sides, compare_url, difference_url
from promotion.comparison import Row
from promotion.document_views import history_url
from promotion.engine.dependencies import Key
from promotion.engine.diff import Change
from promotion.engine.fields import FieldChange
from promotion.engine.words import label, secret_words, words_of
from promotion.line_diff import Line, line_diff
from promotion.sides import Side
from promotion.way_around import way_around

# Shorter texts are read beside each other.
LEAST_LINES: Final = 4


@dataclass(frozen=True)
class FieldRow:
    """One field of a document's page."""

    anchor: str
    label: str
    place: str
    kind: Change
    before: str
    after: str
    # Where both are secret, or were: what became of it.
    secret: str = ""
    comment_url: str = ""
    comments: int = 0
    # Of long texts what differs, line by line; both whole ones are a click away.
    lines: Sequence[Line] = ()

    @property
    def is_long(self) -> bool:
        """Whether a value is scrolled in its cell: then it must be reachable by keyboard."""
        return max(text.count("\n") + len(text) // 60 for text in (self.before, self.after)) > 12


def _field_row(one: FieldChange, names: Mapping[str, str], about: About | None) -> FieldRow:
    texts = [_text(value) for value in (one.before, one.after)]
    said = [shown(text) for text in texts]
    hidden = texts != said
    return FieldRow(
        anchor(one.place),
        label(tuple(names.get(step, step) for step in one.path)),
        one.place,
        one.kind,
        "" if one.kind is Change.ADDED else said[0],
        "" if one.kind is Change.REMOVED else said[1],
        secret_words(one.before, one.after) if hidden and said[0] == said[1] else "",
        about.url(one.place) if about is not None else "",
        about.count(one.place) if about is not None else 0,
        _lines(one, said),
    )


def _lines(one: FieldChange, said: Sequence[str]) -> list[Line]:
    """Return a long text's difference by line; nothing where it is seen at a glance."""
    before, after = (text.splitlines() for text in said)
    if one.kind is not Change.CHANGED or min(len(before), len(after)) < LEAST_LINES:
        return []
    return line_diff(before, after)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return words_of(value) if value is None else as_text(value)


@console_page
@require_GET
def compare_document(request: HttpRequest) -> HttpResponse:
    """Show one document's difference, by field."""
    user = signed_in(request)
    if not may_anywhere(user, Verb.VIEW_BUILD):
        return forbidden(request, may(user, Verb.VIEW_BUILD), "builds.compare")
    asked = asked_sides(request)
    before, after = asked.before, asked.after
    if before is None or after is None:
        if not asked.problem:
            raise Http404
        return show(
            request,
            "promotion/compare_document.html",
            "Compare",
            status=asked.status,
            problem=asked.problem,
        )
    resource = browsable(after.environment, request.GET.get("resource", ""))
    if resource is None:
        raise Http404
    doc_id, old_id = request.GET.get("id", ""), request.GET.get("was", "")
    change = comparison.find(before, after, resource, doc_id, old_id)
    if change is None:
        raise Http404
    row = Row(resource, change)
    details = comparison.details(before.content, after.content, resource.name, change)
    flow = None
    if resource.name == "flow":
        versions = [(one or {}).get("production") for one in (details.before, details.after)]
        flow = flow_view(*versions, names=(before.words, after.words))
    about = about_document(before, after, row)
    names = {f"[#{key}]": f"[#{name}]" for key, name in details.node_names().items()}

    def rows(some: Sequence[FieldChange]) -> list[FieldRow]:
        return [_field_row(one, names, about) for one in some]

    return show(
        request,
        "promotion/compare_document.html",
        row.title,
        problem=details.problem,
        before=before,
        after=after,
        row=row,
        details=details,
        sentences=[(one.text, anchor(one.place)) for one in details.main],
        aside=[(one.text, anchor(one.place)) for one in details.aside],
        fields=rows([one for one in details.real if not details.is_aside(one)]),
        aside_fields=rows([one for one in details.real if details.is_aside(one)]),
        noise=rows(details.noise),
        texts=[
            (words, shown(as_text(value)))
            for words, value in ((before.words, details.before), (after.words, details.after))
            if value is not None
        ],
        flow=flow,
        way=None if flow else _way(before, after, [row.key]),
        touches=comparison.touched(before, after, [row])[row.key],
        history_url=history_url(after.environment, resource.name, row.id),
        build=after.build,
        threads=about.threads if about is not None else (),
        comment_url=about.url() if about is not None else "",
        list_url=compare_url(before.ref, after.ref),
        resource_url=compare_url(before.ref, after.ref, resource=resource.name),
    )


def _way(before: Side, after: Side, changed: Collection[Key]) -> WayView | None:
    return way_around(
        before, after, changed, lambda key: difference_url(before.ref, after.ref, key)
    )


@console_page
@require_GET
def compare_way(request: HttpRequest) -> HttpResponse:
    """Show the way of an event where anything of it differs between two sides."""
    user = signed_in(request)
    if not may_anywhere(user, Verb.VIEW_BUILD):
        return forbidden(request, may(user, Verb.VIEW_BUILD), "builds.compare")
    asked = asked_sides(request)
    before, after = asked.before, asked.after
    way, changed = None, 0
    if before is not None and after is not None:
        keys = [row.key for row in comparison.rows(before, after) if row.kind is not Change.NOISE]
        way, changed = _way(before, after, keys), len(keys)
    elif not asked.problem:
        raise Http404
    return show(
        request,
        "promotion/compare_way.html",
        "The way of an event, where it changes",
        status=asked.status,
        problem=asked.problem,
        before=before,
        after=after,
        way=way,
        changed=changed,
        list_url=compare_url(before.ref, after.ref) if before and after else "",
    )
