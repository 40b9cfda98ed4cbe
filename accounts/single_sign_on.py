"""Single sign-on by OpenID Connect: the role comes from a claim, and is never administrator."""

import re
from typing import Any, Final

import structlog
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.audit import record, request_actor, stranger_actor, system_actor
from accounts.claims import Identity, free_name
from accounts.models import AuditEvent, User
from accounts.openid import ConsoleProvider, ProviderDownError, ProviderError
from accounts.people import PeopleError, change_role
from accounts.roles import Role
from accounts.sessions import end_sessions

ACTION: Final = "account.single-sign-on"
PROVIDER_ID: Final = "sso"
NOT_BEGUN: Final = (
    "This sign-in was not begun in this browser, or took longer than ten minutes. Nobody was "
    "signed in. Begin again."
)
TURNED_BACK: Final = "You were not let in there, or turned back. Nobody was signed in."
NOT_TRUSTED: Final = (
    "The single sign-on gave no answer that can be trusted. Nobody was signed in. Try again; if it "
    "stays so, ask the administrator to look at its settings."
)
DOWN: Final = (
    "The single sign-on does not answer. Nobody was signed in. Try again in a few minutes."
)
NOT_CONNECTED: Final = (
    "A single sign-on is not connected to the account that is signed in. Nothing was changed."
)
ADMINISTRATOR: Final = (
    "The administrator signs in with a password and a second factor, not by single sign-on. Nobody "
    "was signed in."
)
SWITCHED_OFF: Final = "This account is switched off. Nobody was signed in. Ask the administrator."
NOT_PROVED: Final = (
    "There is an account of your e-mail address already, and the single sign-on does not prove "
    "that it is yours. Nobody was signed in. Ask the administrator."
)
TWICE: Final = "You came twice at the same moment. Nobody was signed in. Begin again."
TAKEN: Final = (
    "The account of your e-mail address belongs to another person of the single sign-on. Nobody "
    "was signed in. Ask the administrator."
)
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,60}")
log = structlog.get_logger(__name__)


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Lets in whom the provider gives a role of the console."""

    def get_provider(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> ConsoleProvider:
        app = self.get_app(request, provider=provider, client_id=client_id)
        return ConsoleProvider(request, app=app)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        # Accounts are made by `pre_social_login`, before anybody could be asked for more.
        return False

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Say in the console's words that the provider did not let somebody in.

        Raises:
            ImmediateHttpResponse: always.
        """
        if exception is not None:
            raise ImmediateHttpResponse(failure(request, exception))
        if error == AuthError.CANCELLED:
            raise refusal(request, TURNED_BACK)
        if not (extra_context or {}).get("state"):
            raise refusal(request, NOT_BEGUN)
        code = request.GET.get("error", "")
        named = code if _ERROR_CODE.fullmatch(code) else "no code"
        raise ImmediateHttpResponse(
            failure(request, ProviderError(f"authorization: it answered {named}."))
        )

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find or make the person's account, with the role of the claim, or refuse.

        Raises:
            ImmediateHttpResponse: with the page that says why.
        """
        # They served, and would lie in the session while a second factor is asked for.
        sociallogin.token = None
        sociallogin.state.pop("pkce_code_verifier", None)
        if sociallogin.state.get("process") != AuthProcess.LOGIN:
            raise refusal(request, NOT_CONNECTED)
        one: Identity = sociallogin.identity
        known = sociallogin.user if sociallogin.is_existing else None
        role = one.role
        if role is None:
            words = (
                "Your company's account gives you no role here. Nobody was signed in. Ask the "
                f"administrator, or whoever keeps the claim {settings.OIDC_ROLE_CLAIM!r}."
            )
            raise refusal(request, words, known)
        user = known or _account_of_address(request, one)
        if user is not None and user.is_administrator:
            raise refusal(request, ADMINISTRATOR, user)
        if user is not None and not user.is_active:
            raise refusal(request, SWITCHED_OFF, user)
        try:
            with transaction.atomic():
                if user is None:
                    _make(sociallogin, one, role)
                elif known is None:
                    _connect(sociallogin, user)
                if user is not None and user.role != role.value:
                    reason = "The single sign-on's claim changed."
                    change_role(system_actor(), user, role, reason=reason)
        except (IntegrityError, PeopleError):
            raise refusal(request, TWICE) from None
        if user is not None and known is None:
            words = f"Your account is connected to {settings.OIDC_NAME} now, and has no password."
            messages.info(request, words)


def _account_of_address(request: HttpRequest, one: Identity) -> User | None:
    """Return the account that was made for a person's address, where the provider proved it."""
    if not one.email:
        return None
    found = list(User.objects.filter(email__iexact=one.email)[:2])
    if not found:
        return None
    if len(found) > 1 or not one.email_is_verified:
        raise refusal(request, NOT_PROVED, found[0] if len(found) == 1 else None)
    user = found[0]
    # Addresses are given to somebody else after a while.
    others = SocialAccount.objects.filter(user=user, extra_data__iss=one.issuer)
    if not user.is_administrator and others.exists():
        raise refusal(request, TAKEN, user)
    return user


def _make(sociallogin: SocialLogin, one: Identity, role: Role) -> None:
    """Make the account of a person who comes for the first time; it sees no environment yet."""
    user = sociallogin.user
    user.username, user.role = free_name(one), role.value
    # An address that nobody proved would bring mail to somebody else.
    user.email = one.email if one.email_is_verified else ""
    user.set_unusable_password()
    user.save()
    sociallogin.account.user = user
    sociallogin.account.save()
    detail = {"role": role.value, "by": "single sign-on"}
    record(system_actor(), "account.created", user, detail=detail)


def _connect(sociallogin: SocialLogin, user: User) -> None:
    # From now on the provider alone says whether this person may come in.
    user.set_unusable_password()
    user.save(update_fields=["password"])
    sociallogin.user = sociallogin.account.user = user
    sociallogin.account.save()
    detail = {"by": "single sign-on", "sessions": end_sessions(user)}
    record(system_actor(), "account.connected", user, detail=detail)


def failure(request: HttpRequest, error: Exception) -> HttpResponse:
    """Record that the provider's answer was of no use, and return the page that says so."""
    # What the library itself raises may quote an answer: only its kind is told.
    problem = str(error) if isinstance(error, ProviderError) else type(error).__name__
    log.warning("single sign-on failed", problem=problem)
    if isinstance(error, ProviderDownError):
        return _page(request, DOWN, 503, outcome=AuditEvent.Outcome.FAILED, problem=problem)
    return _page(request, NOT_TRUSTED, 403, problem=problem)


def refusal(request: HttpRequest, words: str, user: User | None = None) -> ImmediateHttpResponse:
    """Record a refused sign-in, and return what shows its page."""
    return ImmediateHttpResponse(_page(request, words, 403, user))


def _page(
    request: HttpRequest,
    words: str,
    status: int,
    user: User | None = None,
    *,
    outcome: AuditEvent.Outcome = AuditEvent.Outcome.REFUSED,
    **detail: str,
) -> HttpResponse:
    is_stranger = not isinstance(request.user, User)
    actor = stranger_actor(request) if is_stranger else request_actor(request)
    record(actor, ACTION, user, outcome=outcome, reason=words, detail=dict(detail))
    return render(request, "account/refused.html", {"message": words}, status=status)
