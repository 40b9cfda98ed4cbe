"""Forms of signing in that differ from django-allauth's."""

from typing import Any

from allauth.account.forms import ResetPasswordForm
from django.http import HttpRequest

from accounts.mail import is_configured
from accounts.tasks import deliver, sealed


class ForgottenPasswordForm(ResetPasswordForm):  # type: ignore[misc]
    """Asks for a link, and takes as long for an address that nobody has."""

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Enqueue one mail for each account of the address, or one that is none."""
        if is_configured() and not self.users:
            deliver.enqueue(sealed(None))
        return str(super().save(request, **kwargs))
