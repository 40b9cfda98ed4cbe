"""The home page: what waits for this person, then each pipeline with the next thing to do."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.audit import request_actor
from accounts.models import User
from accounts.policy import environments_with, may, may_anywhere
from accounts.roles import Verb
from accounts.tour import administrator
from accounts.web import console_page, listing, show, signed_in
from environments.health.summaries import summaries
from environments.models import Cluster, Environment
from environments.start_pages import start_page
from promotion.overview import Pipeline, pipelines
from promotion.views import visible_promotions
from promotion.waiting import queue, work
from tracardi_console.needs import needs

RECENT = 5
# So many to a page: each is judged from a dozen records.
PIPELINES = 10
# Asks for the home page where another page was chosen to begin at.
STAY = "home"


def landing(user: User) -> str:
    """Return where a person begins; empty for the home page.

    That is the page that they chose; without one the first production's dashboard, for whoever has
    no view of builds.
    """
    if chosen := start_page(user):
        return chosen
    if may_anywhere(user, Verb.VIEW_BUILD):
        return ""
    return _first(user, Verb.VIEW_DASHBOARD, "environments:dashboard")


def configured(user: User) -> str:
    """Return where a person reads what is configured, production before staging; may be empty."""
    return _first(user, Verb.VIEW_CONFIGURATION, "environments:configuration")


def _first(user: User, verb: Verb, name: str) -> str:
    seen = Environment.objects.visible_to(user, verb)
    first = seen.production().first() or seen.first()
    return reverse(name, args=[first.slug]) if first is not None else ""


def stays(request: HttpRequest, user: User) -> bool:
    """Answer whether the home page itself is asked for, by somebody who has one."""
    return STAY in request.GET and may_anywhere(user, Verb.VIEW_BUILD)


@console_page
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show what waits, and the pipelines; htmx asks for what moves of it alone."""
    user = signed_in(request)
    seen = Environment.objects.visible_to(user, Verb.VIEW_BUILD)
    stagings = seen.staging().exclude(promotes_to=None)
    found = listing(
        request,
        stagings.select_related("cluster", "promotes_to__cluster"),
        search=["name", "tenant", "promotes_to__name"],
        size=PIPELINES,
    )
    rows = pipelines(request_actor(request), user, list(found.page))
    _add_health(rows, user)
    manages, reviews = bool(may(user, Verb.MANAGE)), may_anywhere(user, Verb.REVIEW)
    if reviews:
        found_work = work([row.staging for row in rows])
        for row in rows:
            row.work = found_work[row.staging.pk]
    partial = bool(getattr(request, "htmx", False))
    return show(
        request,
        "console/pipelines.html" if partial else "console/home.html",
        "Home",
        pipelines=rows,
        queue=queue(user) if reviews else None,
        needs=needs() if manages and (rows or Environment.objects.exists()) else None,
        # One or two need no search.
        listing=found if found.is_narrowed or found.page.paginator.num_pages > 1 else None,
        moving=any(row.moving for row in rows),
        recent=visible_promotions(user)[:RECENT],
        may_manage=manages,
        has_cluster=not rows and Cluster.objects.exists(),
        whom_to_ask=None if rows or manages else administrator(),
        sees_nothing=not rows and not manages and not Environment.objects.visible_to(user).exists(),
    )


def _add_health(rows: Sequence[Pipeline], user: User) -> None:
    """Say of the sides that this person may see how they are, from what was kept."""
    viewed = environments_with(user, Verb.VIEW_DASHBOARD)
    sides = [side for row in rows for side in (row.staging, row.target)]
    health = summaries([s for s in sides if viewed is None or s.pk in viewed], user)
    for row in rows:
        row.health = [health[s.pk] for s in (row.staging, row.target) if s.pk in health]
