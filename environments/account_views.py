"""Tracardi's own accounts as a page, for the administrator."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, forbidden, show, signed_in
from environments.elastic import ElasticError
from environments.tracardi_accounts import MOST, accounts_of
from environments.web import environment_for


@console_page
@require_GET
def accounts(request: HttpRequest, slug: str) -> HttpResponse:
    """Show who can do what in an environment's Tracardi, and what ought not to be so."""
    user, environment = signed_in(request), environment_for(request, slug, Verb.VIEW_DASHBOARD)
    verdict = may(user, Verb.MANAGE, environment)
    if not verdict:
        return forbidden(request, verdict, "tracardi-accounts.list", environment)
    found, problem = None, ""
    try:
        found = accounts_of(environment)
    except ElasticError as error:
        problem = str(error)
    return show(
        request,
        "environments/accounts.html",
        f"Tracardi's accounts of {environment}",
        status=503 if problem else 200,
        shown=environment,
        found=found,
        most=MOST,
        problem=problem,
    )
