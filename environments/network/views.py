"""The network checks of a production as a page, for the administrator."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.audit import request_actor
from accounts.authorising import NotAllowedError
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, forbidden, listing, not_allowed, show, signed_in
from environments.models import Environment, NetworkRun, ProbeConsent
from environments.network.facts import State
from environments.network.models import url_of
from environments.network.running import (
    NetworkRefused,
    allow_probe,
    forbid_probe,
    request_check,
)
from environments.web import environment_for

PAST: Final = 10
# A run that waits so long says that no worker runs.
_WAITED_SECONDS: Final = 15
# Told in the table of endpoints, one by one.
_IN_TABLE: Final = "network.reachable"
_BADGES: Final = {
    State.OK: "ok",
    State.BAD: "bad",
    State.WARNING: "warn",
    State.UNKNOWN: "muted",
    State.NOT_ASKED: "muted",
}


_FIRST: Final = (State.BAD, State.WARNING, State.UNKNOWN, State.OK, State.NOT_ASKED)


@dataclass(frozen=True)
class Probed:
    """One address, and whether it may be probed."""

    environment: Environment
    which: str
    label: str
    url: str
    consent: ProbeConsent | None


def network_url(environment: Environment) -> str:
    return reverse("environments:network", args=[environment.slug])


def _page_of(environment: Environment) -> Environment:
    """Return the production on whose page an environment's addresses are."""
    if environment.is_production or environment.promotes_to is None:
        return environment
    return environment.promotes_to


@console_page
@require_GET
def network(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what the last look at a production's network found; htmx asks for that alone."""
    user, environment = signed_in(request), environment_for(request, slug, Verb.VIEW_DASHBOARD)
    verdict = may(user, Verb.MANAGE, environment)
    if not verdict:
        return forbidden(request, verdict, "network.view", environment)
    if not environment.is_production:
        raise Http404
    runs = NetworkRun.objects.filter(environment=environment)
    latest, last = runs.first(), NetworkRun.last_of(environment)
    going = latest if latest is not None and latest.is_active else None
    waited = going is not None and (timezone.now() - going.asked_at).seconds > _WAITED_SECONDS
    partial = bool(getattr(request, "htmx", False))
    return show(
        request,
        "environments/network_result.html" if partial else "environments/network.html",
        f"Network of {environment}",
        shown=environment,
        probed=list(_probed(environment)),
        going=going,
        is_waiting=waited and going is not None and going.status == NetworkRun.Status.WAITING,
        died=latest is not None and latest.status == NetworkRun.Status.ERRORED,
        latest=latest,
        last=last,
        checks=_sorted(last) if last is not None else [],
        every=settings.NETWORK_CHECK_SECONDS / 3600,
        past=listing(request, runs.select_related("requested_by").defer("checks"), size=PAST),
    )


def _probed(environment: Environment) -> Iterator[Probed]:
    which = ProbeConsent.Which
    rows = [(environment, which.PUBLIC), (environment, which.API)]
    rows += [(one, which.API) for one in environment.fed_by.all()]
    for one, kind in rows:
        url = url_of(one, kind)
        yield Probed(one, kind.value, kind.label, url, ProbeConsent.of(one, kind) if url else None)


def _sorted(run: NetworkRun) -> list[dict[str, Any]]:
    """Return a run's checks, what is to be mended first."""
    found = [_shown(one, run) for one in run.checks]
    return sorted(found, key=lambda one: _FIRST.index(State(one["state"])))


def _shown(check: dict[str, Any], run: NetworkRun) -> dict[str, Any]:
    """Return a check as the page has it: what is in its table is not said twice."""
    new = {(one["code"], one["subject"]) for one in run.new}
    said = [one for one in check["findings"] if one["code"] != _IN_TABLE]
    opened = [one for one in check["findings"] if one["code"] == _IN_TABLE]
    return {
        **check,
        "badge": _BADGES[State(check["state"])],
        "said": [{**one, "is_new": (one["code"], one["subject"]) in new} for one in said],
        "open": len(opened),
        "remedy": opened[0]["remedy"] if opened else "",
        "rows": [{**row, "is_new": (_IN_TABLE, row["name"]) in new} for row in check["rows"]],
    }


@console_page
@require_POST
def run_network(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask for a look at the network now."""
    environment = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    actor = request_actor(request)

    def act() -> str:
        request_check(actor, environment)
        # The page shows that it goes on.
        return ""

    return _done(request, environment, act)


@console_page
@require_POST
def set_probe(request: HttpRequest, slug: str, which: str) -> HttpResponse:
    """Allow or forbid that one address is probed; the form says which address was meant."""
    environment = environment_for(request, slug, Verb.VIEW_DASHBOARD)
    actor = request_actor(request)

    def act() -> str:
        if request.POST.get("allow") == "no":
            forbid_probe(actor, environment, which)
            return f"{environment}'s {which} address is probed no more."
        allow_probe(actor, environment, which, request.POST.get("url", ""))
        return f"{environment}'s {which} address may be probed."

    return _done(request, environment, act)


def _done(request: HttpRequest, environment: Environment, act: Callable[[], str]) -> HttpResponse:
    try:
        words = act()
    except NotAllowedError as error:
        return not_allowed(request, error)
    except NetworkRefused as error:
        messages.error(request, str(error))
    else:
        if words:
            messages.success(request, words)
    page = _page_of(environment)
    if not page.is_production:
        # A staging that feeds nothing has no page of checks.
        return HttpResponseRedirect(reverse("promotion:environment", args=[page.slug]))
    return HttpResponseRedirect(network_url(page))
