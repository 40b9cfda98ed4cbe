"""What the promotion pages share: who asks, for what, and how a change ends."""

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404

from accounts.models import User
from accounts.roles import Verb
from accounts.web import Filter, show
from environments.models import Environment
from promotion.engine.errors import PromotionError
from promotion.models import Build
from promotion.services import NotAllowedError


def signed_in(request: HttpRequest) -> User:
    """Return the person; `console_page` let nobody else in."""
    if not isinstance(request.user, User):
        raise Http404
    return request.user


def done(request: HttpRequest, url: str, act: Callable[[], str]) -> HttpResponse:
    """Run a change, say how it went, and go to a page; a refusal is a 403 page."""
    try:
        words = act()
    except NotAllowedError as error:
        return show(request, "console/refused.html", "Not allowed", status=403, message=str(error))
    except PromotionError as error:
        messages.error(request, str(error))
    else:
        if words:
            messages.success(request, words)
    return HttpResponseRedirect(url)


def environment_for(request: HttpRequest, slug: str, verb: Verb) -> Environment:
    """Return an environment that this person may see; one of others is not there at all."""
    user = signed_in(request)
    return get_object_or_404(
        Environment.objects.visible_to(user, verb).select_related("cluster", "promotes_to"),
        slug=slug,
    )


def build_for(request: HttpRequest, slug: str, number: int) -> Build:
    """Return a build that this person may see; what was composed holds what production serves."""
    environment = environment_for(request, slug, Verb.VIEW_BUILD)
    build = get_object_or_404(
        Build.objects.select_related(
            "environment__promotes_to__cluster", "captured_by", "composed_from__environment"
        ),
        environment=environment,
        number=number,
    )
    target = build.target
    if build.kind == Build.Kind.COMPOSED and target is not None:
        environment_for(request, target.slug, Verb.VIEW_BUILD)
    return build


def environment_filter(user: User, verb: Verb) -> Filter:
    """Return the filter of a list by the environments that a person may see."""
    rows = Environment.objects.visible_to(user, verb)
    choices = [(environment.slug, environment.name) for environment in rows]
    return Filter("environment", "Environment", "environment__slug", choices)
