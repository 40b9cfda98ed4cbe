"""Rehearsals as pages: the two buttons. What came of one is on its page, as of a promotion."""

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from accounts.audit import request_actor
from accounts.roles import Verb
from accounts.web import console_page
from environments.web import environment_for
from promotion.buttons import build_url, environment_url, promotion_url
from promotion.common import done
from promotion.models import Build, Promotion
from promotion.rehearsing import request_rehearsal, request_rollback_rehearsal
from promotion.tasks import run_rehearsal


def _begun(request: HttpRequest, back: str, start: Callable[[], Promotion]) -> HttpResponse:
    """Start it and go to its page, or back where that is refused."""
    made: list[Promotion] = []

    def act() -> str:
        made.append(start())
        return ""

    response = done(request, back, act)
    return HttpResponseRedirect(promotion_url(made[0])) if made else response


@console_page
@require_POST
def rehearse_build(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Have the worker rehearse the promotion of a build."""
    environment = environment_for(request, slug, Verb.VIEW_BUILD)
    shown = get_object_or_404(
        Build.objects.select_related("environment"), environment=environment, number=number
    )
    target, actor = environment.promotes_to, request_actor(request)
    if target is None:
        raise Http404
    return _begun(
        request,
        build_url(shown),
        lambda: request_rehearsal(actor, shown, target, task=run_rehearsal.enqueue),
    )


@console_page
@require_POST
def rehearse_rollback(request: HttpRequest, slug: str) -> HttpResponse:
    """Have the worker rehearse an environment's rollback."""
    shown, actor = environment_for(request, slug, Verb.VIEW_DASHBOARD), request_actor(request)
    return _begun(
        request,
        environment_url(shown),
        lambda: request_rollback_rehearsal(actor, shown, task=run_rehearsal.enqueue),
    )
