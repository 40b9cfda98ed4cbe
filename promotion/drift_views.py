"""Drift as pages: what was edited by hand in production, and the three ways to settle it."""

from collections.abc import Iterator

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import request_actor
from accounts.confirming import confirmed_page
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, forbidden, show, signed_in
from environments.browser import as_text
from environments.documents import DocumentError, parse
from environments.masking import masked
from environments.models import Environment
from environments.web import environment_for
from promotion import comparison
from promotion.beginning import running_in
from promotion.buttons import Button, promotion_url
from promotion.carrying import carry, preview
from promotion.common import done
from promotion.compare_views import MOST_SAID
from promotion.drift import check, documents_of
from promotion.engine.carry import Way
from promotion.engine.diff import DocumentChange
from promotion.engine.errors import PromotionError
from promotion.engine.manifest import Entry
from promotion.forms import CarryForm, DiscardForm, DriftForm
from promotion.line_diff import Line, line_diff
from promotion.models import Drift, Promotion, StoredGeneration, Watch
from promotion.settling import discard, keep
from promotion.store import DatabaseContent
from promotion.tasks import finish_promotion

# So many documents of a resource are listed; the counts are of all.
MOST_LISTED = 50
PAST = 10


def drift_url(environment: Environment, name: str = "drift") -> str:
    return reverse(f"promotion:{name}", args=[environment.slug])


def _production(request: HttpRequest, slug: str, verb: Verb) -> Environment:
    shown = environment_for(request, slug, verb)
    if not shown.is_production:
        raise Http404
    return shown


@console_page
@require_GET
def drift(request: HttpRequest, slug: str) -> HttpResponse:
    """Show whether an environment serves what was promoted, and if not, what was changed."""
    user = signed_in(request)
    shown = _production(request, slug, Verb.VIEW_DASHBOARD)
    if not (verdict := may(user, Verb.VIEW_BUILD, shown)):
        return forbidden(request, verdict, "drift.view", shown)
    live = StoredGeneration.live_in(shown)
    now = Drift.open_in(shown)
    admin = bool(may(user, Verb.PROMOTE, shown))
    return show(
        request,
        "promotion/drift.html",
        f"Drift of {shown}",
        shown=shown,
        live=live,
        watch=Watch.objects.filter(environment=shown).first(),
        drift=now,
        rows=list(_rows(now)) if now is not None else [],
        buttons=_buttons(shown, now) if admin and live is not None else [],
        form=DriftForm(initial={"content": now.content}) if now is not None else None,
        keep_reason=_keep_reason(now) if admin else None,
        past=Drift.objects.filter(environment=shown)
        .exclude(ended_at=None)
        .select_related("build__environment")[:PAST],
    )


def _buttons(shown: Environment, now: Drift | None) -> list[Button]:
    buttons = [Button("Check now", drift_url(shown, "check-drift"), "post")]
    if now is None:
        return buttons
    running = running_in(shown)
    busy = f"{running} is running." if running is not None else ""
    fed = "" if shown.fed_by.exists() else "No staging environment promotes here."
    return [
        Button("Carry back to staging", drift_url(shown, "carry-drift"), reason=busy or fed),
        Button(
            "Discard", drift_url(shown, "discard-drift"), style="tc-button--danger", reason=busy
        ),
        *buttons,
    ]


def _keep_reason(now: Drift | None) -> str | None:
    """Return why it cannot be kept, an empty string if it can, None where there is nothing."""
    if now is None:
        return None
    return f"It is kept as {now.build}." if now.build is not None else ""


def _rows(now: Drift) -> Iterator[dict[str, object]]:
    content = DatabaseContent()
    for name, changes in documents_of(now.resources):
        yield {
            "label": now.environment.catalogue.get(name).label,
            "changes": [
                {
                    "change": change,
                    "said": _said(content, name, change),
                    "lines": _lines(content, name, change),
                }
                for change in changes[:MOST_LISTED]
            ],
            "more": max(0, len(changes) - MOST_LISTED),
        }


def _said(content: DatabaseContent, resource: str, change: DocumentChange) -> list[str]:
    """Return what was changed in words; nothing of what is new or gone, where its name says all."""
    if change.before is None or change.after is None:
        return []
    if max(change.before.size, change.after.size) > comparison.LARGEST_IN_A_LIST:
        return []
    details = comparison.details(content, content, resource, change)
    return [one.text for one in details.main or details.aside][:MOST_SAID]


def _lines(content: DatabaseContent, resource: str, change: DocumentChange) -> list[Line]:
    return line_diff(
        _text(content, resource, change.before), _text(content, resource, change.after)
    )


def _text(content: DatabaseContent, resource: str, entry: Entry | None) -> list[str]:
    if entry is None:
        return []
    try:
        return as_text(masked(resource, parse(content.source(entry.oid)))).splitlines()
    except DocumentError as error:
        return [str(error)]


@console_page
@require_POST
def check_drift(request: HttpRequest, slug: str) -> HttpResponse:
    """Check an environment now."""
    shown = _production(request, slug, Verb.VIEW_DASHBOARD)
    if not (verdict := may(signed_in(request), Verb.PROMOTE, shown)):
        return forbidden(request, verdict, "drift.check", shown)

    def act() -> str:
        watch = check(shown, close=True)
        if watch.problem or Drift.open_in(shown) is not None:
            # The page says it.
            return ""
        return f"{shown} serves what was promoted."

    return done(request, drift_url(shown), act)


@console_page
@require_POST
def keep_drift(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep what production serves as a build, for review."""
    shown = _production(request, slug, Verb.VIEW_DASHBOARD)
    form = DriftForm(request.POST)
    content = form.cleaned_data["content"] if form.is_valid() else ""

    def act() -> str:
        build = keep(request_actor(request), shown, content)
        return f"Kept as {build}, for QA to review."

    return done(request, drift_url(shown), act)


@console_page
@confirmed_page
@require_http_methods(["GET", "POST"])
def discard_drift(request: HttpRequest, slug: str) -> HttpResponse:
    """Explain and do: production serves again what was promoted."""
    shown = _production(request, slug, Verb.VIEW_DASHBOARD)
    if not (verdict := may(signed_in(request), Verb.PROMOTE, shown)):
        return forbidden(request, verdict, "drift.discard", shown)
    now = Drift.open_in(shown)
    form = DiscardForm(
        request.POST or None, initial={"content": now.content if now is not None else ""}
    )
    if request.method == "POST" and form.is_valid():
        made: list[Promotion] = []

        def act() -> str:
            content, comment = form.cleaned_data["content"], form.cleaned_data["comment"]
            made.append(discard(request_actor(request), shown, content, comment=comment))
            finish_promotion.enqueue(made[0].pk)
            return ""

        response = done(request, drift_url(shown), act, again=request.path)
        return HttpResponseRedirect(promotion_url(made[0])) if made else response
    return show(
        request,
        "promotion/discard.html",
        f"Discard the edit by hand of {shown}",
        status=400 if request.method == "POST" else 200,
        shown=shown,
        drift=now,
        live=StoredGeneration.live_in(shown),
        running=running_in(shown),
        form=form,
    )


@console_page
@require_http_methods(["GET", "POST"])
def carry_drift(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what would be written to staging, ask about conflicts, and do it."""
    shown = _production(request, slug, Verb.VIEW_DASHBOARD)
    if not (verdict := may(signed_in(request), Verb.PROMOTE, shown)):
        return forbidden(request, verdict, "drift.carry", shown)
    now, problem, rows = Drift.open_in(shown), "", []
    if now is not None:
        try:
            rows = preview(shown, now)
        except PromotionError as error:
            problem = str(error)
    keys = [row.key for row in rows if row.carry.way is Way.CONFLICT]
    form = CarryForm(
        request.POST or None,
        keys=keys,
        initial={"content": now.content if now is not None else ""},
    )
    if request.method == "POST" and form.is_valid():

        def act() -> str:
            carried = carry(
                request_actor(request),
                shown,
                form.cleaned_data["content"],
                form.cleaned_data["overwrite"],
            )
            return f"Carried back to staging: {carried.words}. Capture a build there for QA."

        return done(request, drift_url(shown), act)
    return show(
        request,
        "promotion/carry.html",
        f"Carry the edit by hand of {shown} back to staging",
        status=400 if request.method == "POST" else 200,
        shown=shown,
        staging=shown.fed_by.first(),
        drift=now,
        rows=rows,
        due=sum(row.carry.way is not Way.SAME for row in rows),
        problem=problem,
        form=form,
    )
