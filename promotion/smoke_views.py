"""Smoke checks as a page's button; what came of one stands on its promotion's page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from accounts.audit import request_actor
from accounts.web import console_page, signed_in
from promotion.buttons import promotion_url
from promotion.common import done
from promotion.smoke import request_smoke_check
from promotion.tasks import smoke_check
from promotion.views import visible_promotions


@console_page
@require_POST
def smoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Have the worker look at what a promotion brought live."""
    shown = get_object_or_404(visible_promotions(signed_in(request)), pk=pk)

    def act() -> str:
        smoke_check.enqueue(request_smoke_check(request_actor(request), shown).pk)
        return ""

    return done(request, f"{promotion_url(shown)}#smoke", act)
