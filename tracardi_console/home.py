"""The home page: each pipeline at a glance, with the next thing to do."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from accounts.audit import request_actor
from accounts.models import User
from accounts.policy import environments_with, may, may_anywhere
from accounts.roles import Verb
from accounts.web import console_page, listing, show, signed_in
from environments.account_looks import to_look_at
from environments.health.summaries import summaries
from environments.licence_warnings import warnings as licence_warnings
from environments.models import Cluster, Environment
from environments.network.looks import to_mend
from promotion.overview import pipelines
from promotion.views import visible_promotions

RECENT = 5
# So many to a page: each is judged from a dozen records.
PIPELINES = 10


def landing(user: User) -> str:
    """Return where somebody without a view of builds starts; empty for the home page."""
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


@console_page
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show the pipelines whose staging this person may see; htmx asks for them alone."""
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
    viewed = environments_with(user, Verb.VIEW_DASHBOARD)
    sides = [side for row in rows for side in (row.staging, row.target)]
    health = summaries([s for s in sides if viewed is None or s.pk in viewed], user)
    for row in rows:
        row.health = [health[s.pk] for s in (row.staging, row.target) if s.pk in health]
    manages = bool(may(user, Verb.MANAGE))
    productions = [one.promotes_to for one in found.page if one.promotes_to] if manages else []
    partial = bool(getattr(request, "htmx", False))
    return show(
        request,
        "console/pipelines.html" if partial else "console/home.html",
        "Home",
        pipelines=rows,
        # One or two need no search.
        listing=found if found.is_narrowed or found.page.paginator.num_pages > 1 else None,
        moving=any(row.moving for row in rows),
        recent=visible_promotions(user)[:RECENT],
        may_manage=manages,
        has_cluster=not rows and Cluster.objects.exists(),
        account_looks=to_look_at(productions),
        licence_warnings=licence_warnings() if manages else [],
        network_runs=to_mend(productions),
    )
