"""What makes a link to set a password end: use, time, and whatever ends the account's sessions."""

from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.tokens import PasswordResetTokenGenerator


class LinkTokens(PasswordResetTokenGenerator):
    """Django's, which knows password, last sign-in and address; and the account's own state.

    Whoever has an old link has nothing once the administrator signed the person out everywhere, or
    switched the account off.
    """

    def _make_hash_value(self, user: AbstractBaseUser, timestamp: int | datetime) -> str:
        held = super()._make_hash_value(user, timestamp)  # type: ignore[arg-type]
        return f"{held}{getattr(user, 'session_epoch', '')}{user.is_active}"
