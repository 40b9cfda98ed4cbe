"""Selective promotion as pages: choose among a build's changes, see what they need, compose."""

from collections.abc import Mapping
from typing import Any, Final

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_http_methods

from accounts.audit import request_actor
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, forbidden, show, signed_in
from environments.findings import errors
from promotion.buttons import build_url
from promotion.common import build_for, done
from promotion.compose_forms import ChoiceForm, state_of, token_of
from promotion.composing import ACTION, Draft, compose_build, draft, staging_of
from promotion.compositions import MOST_LISTED, reason_words
from promotion.document_views import document_url
from promotion.engine.compose import Choice, Composition
from promotion.engine.dependencies import Key, Need, kind_of
from promotion.engine.diff import Change
from promotion.engine.errors import RuleBroken
from promotion.models import Build

# So many changes are on a page, so many are listed where nothing is to be ticked.
PAGE: Final = 100
MOST_FINDINGS: Final = 100
MOVED_ON: Final = (
    "Production serves another configuration than when you began. Nothing was composed. This is "
    "your choice among what differs now."
)


@console_page
@require_http_methods(["GET", "POST"])
def compose(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Choose among the changes of a build, see what they need, and compose.

    Most POSTs change nothing: the choice is in the form and nowhere else.
    """
    build = build_for(request, slug, number)
    user, staging = signed_in(request), staging_of(build.environment) or build.environment
    target = staging.promotes_to
    for verdict in (
        may(user, Verb.CAPTURE, staging),
        *([may(user, Verb.VIEW_BUILD, target)] if target is not None else []),
    ):
        if not verdict:
            return forbidden(request, verdict, ACTION, build)
    try:
        held = draft(build)
    except RuleBroken as error:
        title = f"Choose changes of {build}"
        return show(request, "promotion/compose.html", title, build=build, problem=str(error))
    if request.method == "GET":
        asked = _asked_for(request, held)
        if asked.documents or asked.whole:
            return _needs_page(request, held, asked)
        return _choose_page(request, held, asked, {})
    form = ChoiceForm(request.POST, draft=held)
    if not form.is_valid():
        messages.error(request, "The page could not be read. Nothing was composed. Choose again.")
        return _choose_page(request, held, Choice(), {}, status=400)
    choice = form.choice()
    if form.cleaned_data["base"] != held.content:
        messages.warning(request, MOVED_ON)
        return _needs_page(request, held, choice)
    step = form.cleaned_data["step"]
    if step == "needs" or (step == "compose" and form.changes_needs()):
        return _needs_page(request, held, choice)
    if step == "compose":
        return _compose(request, held, choice)
    return _choose_page(request, held, choice, form.cleaned_data)


def _asked_for(request: HttpRequest, held: Draft) -> Choice:
    """Return the choice that the address names: one document, or that of an earlier composition."""
    if restore := request.GET.get("restore", ""):
        choice = held.restore((restore, request.GET.get("id", "")))
        if not choice.documents:
            messages.info(request, f"{held.target} serves it as {held.build} has it.")
        return choice
    number = request.GET.get("again", "")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        return Choice()
    earlier = Build.objects.filter(composed_from=held.build, number=int(number)).first()
    if earlier is None or not earlier.choice:
        return Choice()
    return Choice.from_dict(earlier.choice).known(held.changes)


def _compose(request: HttpRequest, held: Draft, choice: Choice) -> HttpResponse:
    made: list[Build] = []

    def act() -> str:
        made.append(compose_build(request_actor(request), held.build, choice, held.content))
        return f"Composed {made[0]}.{made[0].same_words()}"

    response = done(request, build_url(held.build, "promotion:compose"), act)
    return HttpResponseRedirect(build_url(made[0])) if made else response


def _choose_page(
    request: HttpRequest,
    held: Draft,
    choice: Choice,
    asked: Mapping[str, Any],
    status: int = 200,
) -> HttpResponse:
    """Show one page of the changes, ticked as chosen. `asked` are the filters and the page."""
    resource, words = asked.get("resource") or "", (asked.get("q") or "").casefold()
    chosen, catalogue = choice.chosen(held.changes), held.build.environment.catalogue
    keys = [
        key
        for key, change in held.changes.items()
        if (not resource or key[0] == resource)
        and (words in change.entry.title.casefold() or words in key[1].casefold())
    ]
    page = Paginator(keys, PAGE).get_page(asked.get("page"))
    return show(
        request,
        "promotion/compose.html",
        f"Choose changes of {held.build}",
        status=status,
        build=held.build,
        held=held,
        state=state_of(choice),
        resources=_resources(held, choice, chosen),
        rows=[{**_row(held, key), "ticked": key in chosen} for key in page],
        page=page,
        resource=resource,
        q=asked.get("q") or "",
        chosen=len(chosen),
        labels={name: catalogue.get(name).label for name in {key[0] for key in held.changes}},
    )


def _resources(held: Draft, choice: Choice, chosen: set[Key]) -> list[dict[str, Any]]:
    catalogue = held.build.environment.catalogue
    rows: dict[str, dict[str, Any]] = {}
    for key, change in held.changes.items():
        row = rows.setdefault(
            key[0],
            {
                "name": key[0],
                "label": catalogue.get(key[0]).label,
                "whole": key[0] in choice.whole,
                "chosen": 0,
                **dict.fromkeys((Change.ADDED, Change.CHANGED, Change.REMOVED), 0),
            },
        )
        row[change.kind] += 1
        row["chosen"] += key in chosen
    return sorted(rows.values(), key=lambda row: str(row["label"]))


def _row(held: Draft, key: Key) -> dict[str, Any]:
    change = held.changes[key]
    return {
        "token": token_of(key),
        "key": key,
        "kind": kind_of(key[0]),
        "change": change.kind,
        "title": change.entry.title,
        "url": document_url(held.build, key) if change.after is not None else "",
    }


def _needs_page(request: HttpRequest, held: Draft, choice: Choice) -> HttpResponse:
    """Show what a choice takes over, what comes along and why, and what is wrong with it."""
    made: Composition = held.compose(choice)
    due = held.findings(made)
    needed = sorted(made.needed, key=lambda need: (need.left_out, need.key))
    return show(
        request,
        "promotion/compose_needs.html",
        f"What the chosen changes of {held.build} need",
        build=held.build,
        held=held,
        state=state_of(choice),
        chosen=[_row(held, key) for key in sorted(made.chosen)[:MOST_LISTED]],
        chosen_total=len(made.chosen),
        chosen_more=max(0, len(made.chosen) - MOST_LISTED),
        needed=[
            {**_row(held, need.key), "left_out": need.left_out, "why": _why(held, need)}
            for need in needed[:MOST_LISTED]
        ],
        needed_more=max(0, len(needed) - MOST_LISTED),
        added=len(made.added),
        findings=due,
        most_findings=f":{MOST_FINDINGS}",
        findings_more=max(0, len(due) - MOST_FINDINGS),
        stopping=len(errors(due)),
        is_empty=not made.trees,
    )


def _why(held: Draft, need: Need) -> list[str]:
    """Say for whose sake something comes along, by titles; the first few of many."""
    words = [reason_words(held.title, need.key, reason) for reason in need.because[:3]]
    rest = len(need.because) - len(words)
    return [*words, f"and {rest} more"] if rest > 0 else words
