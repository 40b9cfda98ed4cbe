"""Ends sessions."""

from allauth.usersessions.models import UserSession
from django.db.models import F

from accounts.models import User


def end_sessions(user: User) -> int:
    """End all sessions of a person at once, and return how many were known.

    The epoch ends also those that no list knows: each request checks it.
    """
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    user.refresh_from_db(fields=["session_epoch"])
    known = list(UserSession.objects.filter(user=user))
    for session in known:
        session.end()
    return len(known)
