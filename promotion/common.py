"""What the promotion pages share: of what they are, and how a change ends."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404

from accounts.authorising import NotAllowedError
from accounts.confirming import confirm_first
from accounts.roles import Verb
from accounts.web import not_allowed
from environments.web import environment_for
from promotion.engine.errors import PromotionError
from promotion.models import Build
from promotion.sides import Side, seen_with, side, split


def done(
    request: HttpRequest, url: str, act: Callable[[], str], *, again: str = ""
) -> HttpResponse:
    """Run a change, say how it went, and go to a page; a refusal is a 403 page.

    Where the person has to prove first who it is, the way there is the answer, and the page to do
    it again on is `again`, or `url`.
    """
    try:
        with confirm_first(request, again or url) as asked:
            words = act()
    except NotAllowedError as error:
        return not_allowed(request, error)
    except PromotionError as error:
        messages.error(request, str(error))
    else:
        if asked.answer is not None:
            return asked.answer
        if words:
            messages.success(request, words)
    return HttpResponseRedirect(url)


def build_for(request: HttpRequest, slug: str, number: int) -> Build:
    """Return a build that this person may see."""
    environment = environment_for(request, slug, Verb.VIEW_BUILD)
    build = get_object_or_404(
        Build.objects.select_related(
            "environment__promotes_to__cluster", "captured_by", "composed_from__environment"
        ),
        environment=environment,
        number=number,
    )
    for other in seen_with(build)[1:]:
        environment_for(request, other.slug, Verb.VIEW_BUILD)
    return build


def side_for(request: HttpRequest, ref: str) -> Side:
    """Return one of two sides that are compared, if this person may see it.

    Raises:
        RuleBroken, PromotionError, ElasticError: as `split` and `side` say.
    """
    slug, which = split(ref)
    found = side(environment_for(request, slug, Verb.VIEW_BUILD), which)
    if found.build is not None:
        for other in seen_with(found.build)[1:]:
            environment_for(request, other.slug, Verb.VIEW_BUILD)
    return found
