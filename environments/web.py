"""What pages about environments share."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from accounts.models import User
from accounts.roles import Verb
from accounts.web import Filter, signed_in
from environments.models import Environment


def environment_for(request: HttpRequest, slug: str, verb: Verb) -> Environment:
    """Return an environment that this person may see; one of others is not there at all."""
    user = signed_in(request)
    return get_object_or_404(
        Environment.objects.visible_to(user, verb).select_related("cluster", "promotes_to"),
        slug=slug,
    )


def environment_filter(user: User, verb: Verb) -> Filter:
    """Return the filter of a list by the environments that a person may see."""
    rows = Environment.objects.visible_to(user, verb)
    choices = [(environment.slug, environment.name) for environment in rows]
    return Filter("environment", "Environment", "environment__slug", choices)
