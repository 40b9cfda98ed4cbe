"""What each person sets for themselves: the time zone, and whether the tour is over.

It changes nothing of the configuration, so every role may; as somebody else nobody may.
"""

from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor, record
from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent, User
from accounts.time_zones import find

ZONE_CHANGED: Final = "account.time-zone"


def _own(actor: Actor, action: str) -> User:
    """Return the account that is the actor's own to change.

    Raises:
        NotAllowedError: nobody signed in, or an administrator looks at the console as them.
    """
    if actor.user is None:
        raise NotAllowedError("Only a person has settings of their own. Nothing was changed.")
    if actor.viewer is not None:
        words = f"These are the settings of {actor.user.label}. Nothing was changed."
        record(actor, action, actor.user, outcome=AuditEvent.Outcome.REFUSED, reason=words)
        raise NotAllowedError(words)
    return actor.user


def choose_time_zone(actor: Actor, name: str) -> str:
    """Show the actor all times in a time zone, and return its name.

    An empty name is the console's own. The name is judged here and not by the model: one that is
    not known any more must not keep the rest of an account from being changed.

    Raises:
        NotAllowedError: it is not their own account.
        UnknownZoneError: there is no such time zone.
    """
    user = _own(actor, ZONE_CHANGED)
    wanted = find(name) if name.strip() else ""
    before = user.time_zone
    if wanted != before:
        with transaction.atomic():
            user.time_zone = wanted
            user.save(update_fields=["time_zone"])
            record(actor, ZONE_CHANGED, user, detail={"from": before, "to": wanted})
    return wanted


def set_tour(actor: Actor, *, is_over: bool) -> None:
    """End the tour of the console for the actor, or show it again.

    It leaves no audit event: it is a card on a page, and says nothing of what anybody did.

    Raises:
        NotAllowedError: it is not their own account.
    """
    user = _own(actor, "account.tour")
    if is_over == (user.tour_done_at is not None):
        return
    user.tour_done_at = timezone.now() if is_over else None
    user.save(update_fields=["tour_done_at"])
