"""An environment's configuration in plain words, and one document of it: read-only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import Filter, FilterForm, console_page, paged, show, signed_in
from environments.browser import as_text, browsable
from environments.browser import document as read_document
from environments.configuration import Reading, look_into, read_configuration
from environments.documents import title
from environments.elastic import ElasticError
from environments.flowgraph import shown
from environments.last_changes import Change, Changes, NotYet, Withheld, changes_of
from environments.models import Environment
from environments.pictures import shown_flow
from environments.ways import WORDS, Key
from environments.web import environment_for
from environments.words.configuration import KINDS, Configuration, Entry
from environments.words.flows import flow_facts
from environments.words.parts import Part

RECENT_DAYS: Final = 30
# So many that name a document are listed on its page.
MOST_LISTED: Final = 100


@dataclass(frozen=True)
class Tab:
    """One kind, with how many fit, and its address."""

    label: str
    count: int
    query: str
    is_current: bool


@dataclass(frozen=True)
class Row:
    entry: Entry
    change: Change | NotYet | None


@dataclass(frozen=True)
class Told:
    """What is said of one document above its text."""

    entry: Entry | None
    uses: Sequence[tuple[str, Part]]
    used_by: Sequence[tuple[str, Part]]
    used_by_more: int
    notes: Sequence[str] = field(default=())


def _form(request: HttpRequest, tells_changes: bool) -> FilterForm:
    filters = [
        Filter("kind", "Kind", "", [(kind, labels[0]) for kind, labels in KINDS.items()]),
        Filter("state", "State", "", [("on", "Not switched off"), ("off", "Switched off")]),
    ]
    if tells_changes:
        recently = [("recently", f"In the last {RECENT_DAYS} days")]
        filters.append(Filter("changed", "Changed", "", recently))
    form = FilterForm(request.GET, filters, search=["title"])
    # The tabs choose it.
    form.fields["kind"].widget = forms.HiddenInput()
    return form


@console_page
@require_GET
def configuration(request: HttpRequest, slug: str) -> HttpResponse:
    """List what an environment is configured to do, each document in a sentence."""
    environment = environment_for(request, slug, Verb.VIEW_CONFIGURATION)
    changes, is_withheld = _changes(environment, signed_in(request))
    form = _form(request, changes is not None)
    chosen = form.chosen()
    problem, notes, keys = "", [], []
    reading: Reading | None = None
    try:
        reading = read_configuration(environment)
        notes = list(reading.notes)
        keys = _ordered(reading.configuration)
        total = len(keys)
        if chosen.get("q"):
            notes += _look(environment, reading, reading.configuration.unlearned())
        keys = _narrowed(reading.configuration, keys, chosen, changes)
        kind = chosen.get("kind", "")
        listing = paged(request, [key for key in keys if not kind or key[0] == kind], form)
        page: Sequence[Key] = list(listing.page)
        if not chosen.get("q"):
            notes += _look(environment, reading, [key[1] for key in page if key[0] == "flow"])
        last = changes.last(page) if changes is not None else {}
        rows = [Row(reading.configuration.entry(key), last.get(key)) for key in page]
    except ElasticError as error:
        problem, total, rows = str(error), 0, []
        listing = paged(request, [], form)
    return show(
        request,
        "environments/configuration.html",
        f"Configuration of {environment}",
        status=503 if problem else 200,
        shown=environment,
        problem=problem,
        notes=notes,
        total=total,
        listing=listing,
        rows=rows,
        tabs=_tabs(keys, chosen),
        kind=KINDS.get(chosen.get("kind", ""), ("", ""))[0],
        changes=changes,
        is_withheld=is_withheld,
        others=[one for one in environment.catalogue.promoted if one.name not in KINDS],
    )


def _changes(environment: Environment, user: User) -> tuple[Changes | None, bool]:
    """Return what tells of changes, None where nothing does, and whether it is withheld."""
    found = changes_of(environment, user)
    is_withheld = isinstance(found, Withheld)
    return None if is_withheld else found, is_withheld


def _ordered(known: Configuration) -> list[Key]:
    """Return all that has a sentence: kind by kind, each by title."""
    order = {kind: place for place, kind in enumerate(KINDS)}
    return sorted(
        known.all_keys(), key=lambda key: (order[key[0]], known.names.title(key).casefold(), key)
    )


def _narrowed(
    known: Configuration, keys: list[Key], chosen: Mapping[str, str], changes: Changes | None
) -> list[Key]:
    """Return what the filters leave, of all kinds: the tabs count them."""
    if state := chosen.get("state"):
        keys = [key for key in keys if known.is_off(key) == (state == "off")]
    if changes is not None and chosen.get("changed"):
        moved = changes.since(timezone.now() - timedelta(days=RECENT_DAYS))
        keys = [key for key in keys if key in moved]
    # Each word counts by itself: nobody remembers a sentence as it is.
    for word in chosen.get("q", "").casefold().split():
        keys = [key for key in keys if word in known.entry(key).text]
    return keys


def _look(environment: Environment, reading: Reading, ids: Sequence[str]) -> list[str]:
    """Learn what flows do; return in words that there were too many."""
    left = look_into(environment, reading, ids)
    if not left:
        return []
    were = "flow was" if left == 1 else "flows were"
    return [f"{left:,} {were} not looked into yet. Open the page again for more of them."]


def _tabs(keys: Sequence[Key], chosen: Mapping[str, str]) -> list[Tab]:
    counts: dict[str, int] = {}
    for key in keys:
        counts[key[0]] = counts.get(key[0], 0) + 1
    rest = {name: value for name, value in chosen.items() if name != "kind"}
    current = chosen.get("kind", "")
    tabs = [Tab("All", len(keys), urlencode(rest), not current)]
    for kind, (label, _) in KINDS.items():
        tabs.append(
            Tab(label, counts.get(kind, 0), urlencode({**rest, "kind": kind}), kind == current)
        )
    return tabs


@console_page
@require_GET
def document(request: HttpRequest, slug: str, resource: str, doc_id: str) -> HttpResponse:
    """Show what one document does, and the document itself, decoded, with its secrets masked."""
    environment = environment_for(request, slug, Verb.VIEW_CONFIGURATION)
    user = signed_in(request)
    kind = browsable(environment, resource)
    if kind is None:
        raise Http404
    problem, text, name, flow = "", "", doc_id, None
    key, told, change, changes = (kind.name, doc_id), None, None, None
    is_asked = "text" in request.GET
    try:
        # The text of a large flow is many times its picture: it has an address of its own.
        pictured = kind.name == "flow" and not is_asked
        found = read_document(environment, kind, doc_id, ("backup",) if pictured else ())
        if found is None:
            raise Http404
        name = shown(title(doc_id, found))
        told = _told(environment, key, found)
        changes, change = _last(environment, user, key)
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
        is_asked=is_asked,
        in_words=kind.name in KINDS,
        told=told,
        change=change,
        changes=changes,
        may_see_builds=bool(may(user, Verb.VIEW_BUILD, environment)),
        problem=problem,
    )


def _last(
    environment: Environment, user: User, key: Key
) -> tuple[Changes | None, Change | NotYet | None]:
    changes, _ = _changes(environment, user)
    return changes, changes.last([key]).get(key) if changes is not None else None


def _told(environment: Environment, key: Key, found: Mapping[str, Any]) -> Told:
    reading = read_configuration(environment, also=(key, found))
    known = reading.configuration
    # What uses a segment or a resource is mostly flows.
    notes = [*reading.notes, *_look(environment, reading, known.unlearned())]
    if key[0] == "flow":
        known.learn({key[1]: flow_facts(found.get("production"))})
    uses = sorted(known.uses(key), key=lambda one: known.names.title(one).casefold())
    users = known.used_by(key)
    return Told(
        known.entry(key) if key[0] in KINDS else None,
        [(_word(one), known.names.ref(*one)) for one in uses],
        [(_word(one), known.names.ref(*one)) for one in users[:MOST_LISTED]],
        max(0, len(users) - MOST_LISTED),
        notes,
    )


def _word(key: Key) -> str:
    return KINDS[key[0]][1] if key[0] in KINDS else key[0].replace("-", " ")
