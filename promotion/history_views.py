"""History as pages: a document's versions, and what was live in production at a moment."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import PAGE_SIZE, FilterForm, console_page, paged, show, signed_in
from environments.browser import browsable
from environments.catalogue import Resource
from environments.models import Environment
from environments.web import environment_for
from promotion.buttons import Button, restore_button
from promotion.compare_views import compare_url, difference_url
from promotion.composing import staging_of
from promotion.document_views import document_url, history_url
from promotion.forms import MomentForm
from promotion.history import Pipeline, Version, pipeline_of, versions
from promotion.models import StoredGeneration
from promotion.sides import GENERATION, LIVE
from promotion.store import DatabaseContent
from promotion.timeline import How, Period, period_at, periods, was_open

FUTURE: Final = "That is yet to come. Nobody knows what will be live then."


def live_at_url(environment: Environment, moment: datetime | None = None, **more: str) -> str:
    """Return the address of what was live at a moment; without one, of the question."""
    address = reverse("promotion:live-at", args=[environment.slug])
    # With its offset: an hour that a clock shows twice is one of both then.
    at = {"at": timezone.localtime(moment).isoformat()} if moment else {}
    words = urlencode({**at, **more})
    return f"{address}?{words}" if words else address


@dataclass
class Row:
    """A version with where it leads; `buttons` are what can be done with it."""

    version: Version
    url: str = ""
    changes_url: str = ""
    pin_url: str = ""
    is_marked: bool = False
    buttons: list[Button] = field(default_factory=list)

    @property
    def words(self) -> str:
        return f"{self.version.build}"


@console_page
@require_GET
def history(request: HttpRequest, slug: str, resource: str) -> HttpResponse:
    """List the versions of one document, and offer to compare any two."""
    environment = environment_for(request, slug, Verb.VIEW_BUILD)
    kind = browsable(environment, resource)
    doc_id = request.GET.get("id", "")
    if kind is None or not doc_id:
        raise Http404
    pipeline = pipeline_of(signed_in(request), environment)
    found = versions(pipeline, kind.name, doc_id)
    marked = request.GET.get("version", "")
    places = [
        place
        for place, one in enumerate(found)
        if one.entry is not None and one.entry.exact == marked
    ]
    # The one that is marked is seen at once.
    page = places[0] // PAGE_SIZE + 1 if places else 1
    reason = _why_not_restored(signed_in(request), pipeline)
    # What comes before the first live place is newer than what production serves.
    live_place = next((n for n, version in enumerate(found) if version.is_live), None)
    refs = {one.ref: one for one in found}
    pinned = refs.get(request.GET.get("before", ""))
    query = {"id": doc_id} | ({"before": pinned.ref} if pinned is not None else {})
    listing = paged(request, found, FilterForm({}), query=query, page=page)
    shown: list[Version] = list(listing.page)
    start = listing.page.start_index() - 1 if found else 0
    rows = []
    for place, version in enumerate(shown, start=start):
        row = Row(version, is_marked=place in places)
        if version.entry is not None:
            row.url = document_url(version.build, (kind.name, doc_id))
        if place + 1 < len(found):
            row.changes_url = _changes_url(found[place + 1], version, kind, doc_id)
        if reason is not None and (label := _label(version, place, live_place)):
            row.buttons = [restore_button(version.build, (kind.name, doc_id), label, reason)]
        if listing.page.paginator.num_pages > 1:
            row.pin_url = history_url(environment, kind.name, doc_id, before=version.ref)
        rows.append(row)
    title = next((one.entry.title for one in found if one.entry is not None), doc_id)
    return show(
        request,
        "promotion/history.html",
        f"History of {title}",
        shown=environment,
        pipeline=pipeline,
        resource=kind,
        doc_id=doc_id,
        rows=rows,
        total=len(found),
        listing=listing,
        # Two that follow each other, unless one was chosen before.
        before=pinned.ref if pinned is not None else shown[1].ref if len(shown) > 1 else "",
        after=shown[0].ref if shown else "",
        elsewhere=pinned if pinned is not None and pinned not in shown else None,
    )


def _why_not_restored(user: User, pipeline: Pipeline) -> str | None:
    """Return why no version can be restored just now, or an empty string; None if not by them."""
    production = pipeline.production
    staging = staging_of(production) if production is not None else None
    if production is None or staging is None or not may(user, Verb.CAPTURE, staging):
        return None
    is_adopted = StoredGeneration.live_in(production) is not None
    return "" if is_adopted else f"{production} is not adopted."


def _label(version: Version, place: int, live_place: int | None) -> str:
    """Return what restoring a version is called; empty where production has it that way."""
    if version.entry is None:
        return "Remove it…" if live_place is not None else ""
    if version.is_live:
        return ""
    return "Choose it…" if live_place is not None and place < live_place else "Restore…"


def _changes_url(before: Version, after: Version, kind: Resource, doc_id: str) -> str:
    return difference_url(before.ref, after.ref, (kind.name, doc_id))


@console_page
@require_GET
def live_at(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what was live in production at a moment."""
    environment = environment_for(request, slug, Verb.VIEW_BUILD)
    if not environment.is_production:
        raise Http404
    form = MomentForm(request.GET if "at" in request.GET else None)
    known = periods(environment)
    context: dict[str, Any] = {"problem": "", "status": 200}
    if not form.is_bound:
        made = [(one, live_at_url(environment, _within(one))) for one in reversed(known)]
        context["listing"] = paged(request, made, FilterForm({}))
    elif not form.is_valid():
        context |= {"status": 400, "problem": "That is no moment. Give a date and a time of day."}
    else:
        moment = form.cleaned_data["at"]
        period = period_at(known, moment)
        if moment > timezone.now():
            context["problem"] = FUTURE
        elif period is None:
            context["problem"] = _too_early(environment, known)
        else:
            # The field takes no offset and no fraction, which the address may have.
            form = MomentForm(initial={"at": moment})
            context |= _was_live(request, environment, moment, period)
    return show(
        request,
        "promotion/live_at.html",
        f"What was live in {environment}",
        shown=environment,
        form=form,
        zone=timezone.get_current_timezone_name(),
        **context,
    )


def _within(period: Period) -> datetime:
    """Return the first whole second of a period, which the form can show; else its beginning."""
    whole = period.since.replace(microsecond=0) + timedelta(seconds=1)
    return whole if whole < (period.until or timezone.now()) else period.since


def _too_early(environment: Environment, known: Sequence[Period]) -> str:
    if not known:
        return f"Nothing of this console was ever live in {environment}: it was not adopted."
    since = f"{timezone.localtime(known[0].since):%-d %b %Y %H:%M:%S %Z}"
    if known[0].how is How.FOUND:
        return f"Nothing is recorded before {since}, when reconcile found what was live."
    return f"{environment} was not adopted yet: that was on {since}. What it served was not kept."


def _was_live(
    request: HttpRequest, environment: Environment, moment: datetime, period: Period
) -> dict[str, Any]:
    """Return what a page tells about the generation of a period."""
    stored = period.generation
    told: dict[str, Any] = {"moment": moment, "period": period, "stored": stored}
    if stored is None:
        return told
    trees = {name: held.tree for name, held in stored.generation.resources.items()}
    live = StoredGeneration.live_in(environment)
    ref = f"{environment.slug}:{GENERATION}{stored.number}"
    is_live = live == stored
    told |= {
        "is_live": is_live,
        "was_open": was_open(environment, moment),
        "sees_build": bool(may(signed_in(request), Verb.VIEW_BUILD, stored.build)),
        "compare_url": ""
        if is_live or live is None
        else compare_url(ref, f"{environment.slug}:{LIVE}"),
        "now_url": compare_url(ref, f"{environment.slug}:now"),
        "parts": [
            {
                "resource": resource,
                "tree": trees[resource.name],
                "url": live_at_url(environment, moment, resource=resource.name),
            }
            for resource in environment.catalogue.promoted
            if resource.name in trees
        ],
    }
    chosen = browsable(environment, request.GET.get("resource", ""))
    if chosen is not None and chosen.name in trees:
        told["chosen"] = chosen
        told["listing"] = _documents(request, environment, moment, chosen, stored)
    return told


def _documents(
    request: HttpRequest,
    environment: Environment,
    moment: datetime,
    chosen: Resource,
    stored: StoredGeneration,
) -> Any:
    """Return a page of one resource's documents, each with the address of its version."""
    tree = DatabaseContent().tree(stored.generation.resources[chosen.name].tree.digest)
    entries = sorted(tree.entries, key=lambda one: (one.title.casefold(), one.id))
    at = timezone.localtime(moment).isoformat()
    query = {"at": at, "resource": chosen.name}
    listing = paged(request, entries, FilterForm({}), query=query)
    listing.page.object_list = [
        (entry, history_url(environment, chosen.name, entry.id, version=entry.exact))
        for entry in listing.page.object_list
    ]
    return listing
