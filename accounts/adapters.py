"""What the console decides where django-allauth asks: addresses, refusals, second factors."""

from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.userkit import get_user_by_username
from allauth.core import context as allauth_context
from allauth.core.internal import ratelimit
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.audit import record, stranger_actor
from accounts.crypto import decrypt, encrypt
from accounts.mail import is_configured
from accounts.models import AuditEvent, User
from accounts.recent import came_recently, confirmed_recently, needs_second_factor
from accounts.tasks import deliver, sealed

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
# Whose limits count attempts.
APP = "allauth.account"
SINGLE_SIGN_ON = "single_sign_on"
LOCKED_OUT = "Too many attempts failed. Sign-in to this account waits for a few minutes."


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made by the administrator alone, and each refused sign-in is recorded."""

    error_messages: ClassVar = {
        **DefaultAccountAdapter.error_messages,
        "too_many_login_attempts": "Too many failed attempts. Wait five minutes, or ask the "
        "administrator for a link to set a new password.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Let a redirect lead to the console's own pages alone, not to each allowed host."""
        return url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        if confirmed_recently(self.request):
            return False
        # Who has nothing else to prove it with comes by single sign-on again.
        methods = self.get_reauthentication_methods(self.request.user)
        by_sign_on = [one["id"] for one in methods] == [SINGLE_SIGN_ON]
        return not (by_sign_on and came_recently(self.request))

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Return how a person proves who they are: by single sign-on where there is nothing else.

        Without it, nobody who came so could set up a first second factor.
        """
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if methods or not comes_by_single_sign_on(user):
            return methods
        way = reverse("openid_connect_login", kwargs={"provider_id": "sso"})
        words = f"Sign in with {settings.OIDC_NAME} again"
        return [{"id": SINGLE_SIGN_ON, "description": words, "url": way}]

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address of whoever asks, past the proxies that `PROXIES` counts."""
        try:
            return str(super().get_client_ip(request))
        except ImproperlyConfigured:
            # Fewer addresses than proxies: a caller who went around them.
            return str(request.META["REMOTE_ADDR"])

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # One address of IPv4, and the network of one line of IPv6.
        network = ratelimit.truncate_ip(self.get_client_ip(request))
        return f"{_name(credentials)}:{network}"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            super().pre_authenticate(request, **credentials)
            self._anywhere = ratelimit.consume(
                request, app=APP, action="login_failed_anywhere", key=_name(credentials)
            )
            if not self._anywhere:
                raise self.validation_error("too_many_login_attempts")
        except ValidationError:
            _refused(request, credentials, LOCKED_OUT)
            raise

    def _rollback_login_failed_rl_usage(self) -> None:
        super()._rollback_login_failed_rl_usage()
        if getattr(self, "_anywhere", None):
            self._anywhere.rollback()

    def forget_attempts(self, request: HttpRequest, user: User) -> None:
        """End a lockout: the person proved by a link that the account is theirs."""
        names = {"username": user.username}
        here = self._get_login_attempts_cache_key(request, **names)
        ratelimit.clear(request, app=APP, action="login_failed", key=here)
        ratelimit.clear(request, app=APP, action="login_failed_anywhere", key=_name(names))

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        _refused(request, credentials, "The password is wrong, or the account is switched off.")

    def send_password_reset_mail(
        self, user: AbstractBaseUser, email: str, context: dict[str, Any]
    ) -> None:
        """Send it, but not where a single sign-on keeps the password."""
        if not comes_by_single_sign_on(user):
            super().send_password_reset_mail(user, email, context)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Enqueue it, where mail can be sent; one that is lost stops nothing, and is in the log.

        To say so on a page would tell whether the address has an account, and so would waiting.
        """
        if is_configured():
            request = allauth_context.request
            facts = {"request": request, "email": email, **context}
            deliver.enqueue(sealed(self.render_mail(template_prefix, email, facts)))


def comes_by_single_sign_on(user: Any) -> bool:
    """Answer whether a single sign-on, that is set up, keeps a person's password."""
    # The library asks for this module before its models are there.
    from allauth.socialaccount.models import SocialAccount

    # Whose way in was switched off has a password here again.
    connected = settings.OIDC_ISSUER and SocialAccount.objects.filter(user=user).exists()
    return bool(connected)


def _name(credentials: dict[str, Any]) -> str:
    return str(credentials.get("username", "")).casefold()


def _refused(request: HttpRequest, credentials: dict[str, Any], reason: str) -> None:
    # A name that nobody has may be a password in the wrong field: it is not kept.
    known = get_user_by_username(str(credentials.get("username", "")))
    record(
        stranger_actor(request),
        "account.signed-in",
        known,
        outcome=AuditEvent.Outcome.REFUSED,
        reason=reason,
        detail={} if known else {"name": "unknown"},
    )


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Keys are encrypted at rest, and the last factor stays where the role asks for one."""

    def encrypt(self, text: str) -> str:
        return encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt(encrypted_text.encode()).decode()

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        user = authenticator.user
        if not isinstance(user, User) or not needs_second_factor(user):
            return True
        others = Authenticator.objects.filter(user=user, type__in=FACTORS)
        return bool(others.exclude(pk=authenticator.pk).exists())
