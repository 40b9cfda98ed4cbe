"""The administrator looks at the console as another person does: read-only and audited."""

import time
from typing import Final

from django.http import HttpRequest

from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.models import User
from accounts.people import refused
from accounts.roles import Verb

SECONDS: Final = 30 * 60
_KEY: Final = "view_as"
BEGUN: Final = "view-as.begun"
ENDED: Final = "view-as.ended"


def begin(request: HttpRequest, actor: Actor, target: User) -> None:
    """Show the pages that follow as `target` sees them.

    Raises:
        NotAllowedError: the actor may not.
        PeopleError: it is the administrator, or an account that is switched off.
    """
    authorise(actor, Verb.MANAGE, BEGUN, target)
    problem = ""
    if target.is_administrator:
        problem = "The administrator's view is your own."
    elif not target.is_active:
        problem = f"{target.label}'s account is switched off, and sees nothing."
    if problem:
        raise refused(actor, BEGUN, target, problem)
    record(actor, BEGUN, target, detail={"seconds": SECONDS})
    request.session[_KEY] = {"user": target.pk, "until": time.time() + SECONDS}


def end(request: HttpRequest, actor: Actor) -> None:
    """Show the administrator's own pages again; again is harmless."""
    if request.session.pop(_KEY, None) is not None and actor.user is not None:
        record(actor, ENDED, actor.user)


def is_over(request: HttpRequest) -> bool:
    """Answer whether a view as somebody ended by itself, and has not been told yet."""
    held = request.session.get(_KEY)
    return held is not None and time.time() >= held["until"]


def target_of(request: HttpRequest) -> User | None:
    """Return as whom the pages are shown; None where it is over, or never was."""
    held = request.session.get(_KEY)
    viewer = request.user
    if not held or not isinstance(viewer, User) or not viewer.is_administrator:
        return None
    if is_over(request):
        return None
    target = User.objects.filter(pk=held["user"], is_active=True).first()
    return None if target is None or target.is_administrator else target
