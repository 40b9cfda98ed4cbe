"""Gives a person who lost password and second factor a way in again; for the server's operator."""

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import transaction

from accounts.audit import Actor, record
from accounts.models import User
from accounts.sessions import end_sessions


def renew_sign_in(actor: Actor, user: User, password: str, *, reason: str) -> None:
    """Set a password that was checked, remove all second factors, and end all sessions."""
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        held = Authenticator.objects.filter(user=user)
        detail = {"types": sorted(held.values_list("type", flat=True))}
        held.delete()
        # From now on the way in is the password.
        SocialAccount.objects.filter(user=user).delete()
        end_sessions(user)
        record(actor, "account.sign-in-renewed", user, reason=reason, detail=detail)
