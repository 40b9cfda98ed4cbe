"""Tracardi's own accounts as a page, for the administrator."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from accounts.web import console_page, forbidden, show
from environments.elastic import ElasticError
from environments.models import Environment
from environments.tracardi_accounts import MOST, accounts_of


@console_page
@require_GET
def accounts(request: HttpRequest, slug: str) -> HttpResponse:
    """Show who can do what in an environment's Tracardi, and what ought not to be so."""
    user = request.user
    if not isinstance(user, User):
        raise Http404
    environment = get_object_or_404(
        Environment.objects.visible_to(user, Verb.VIEW_DASHBOARD).select_related("cluster"),
        slug=slug,
    )
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
