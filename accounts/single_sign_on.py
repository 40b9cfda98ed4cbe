"""Single sign-on by OpenID Connect: the role comes from a claim, and is never administrator."""

import re
from typing import Any, Final

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import render

from accounts.audit import record, stranger_actor, system_actor
from accounts.models import AuditEvent, User
from accounts.people import change_role
from accounts.roles import Role

ACTION: Final = "account.single-sign-on"
_NOT_IN_A_NAME: Final = re.compile(r"[^\w.@+-]+")


class SingleSignOnAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Lets in whom the provider gives a role of the console."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return role_of(claims_of(sociallogin)) is not None

    def on_authentication_error(self, request: HttpRequest, provider: Any, **kwargs: Any) -> None:
        """Say in the console's words that the provider did not let somebody in.

        Raises:
            ImmediateHttpResponse: always.
        """
        raise refusal(
            request,
            "The single sign-on gave no answer that can be trusted. Nobody was signed in. Try "
            "again, or ask the administrator to look at its settings.",
        )

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find the person's account and role, or refuse.

        Raises:
            ImmediateHttpResponse: with the page that says why.
        """
        if sociallogin.state.get("process") != AuthProcess.LOGIN:
            # An identity is not attached to whoever is signed in.
            raise refusal(request, "A single sign-on is not connected to another account.")
        claims = claims_of(sociallogin)
        role = role_of(claims)
        if role is None:
            raise refusal(
                request,
                "Your company's account gives you no role here. Nobody was signed in. Ask the "
                f"administrator, or whoever keeps the claim {settings.OIDC_ROLE_CLAIM!r}.",
            )
        if not sociallogin.is_existing:
            self._connect(request, sociallogin, claims)
        user = sociallogin.user
        if not sociallogin.is_existing or not isinstance(user, User):
            return
        if user.is_administrator:
            raise refusal(
                request, "The administrator signs in with a password and a second factor.", user
            )
        if user.role != role.value:
            change_role(system_actor(), user, role, reason="The single sign-on's claim changed.")

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Make the account of a person who comes for the first time; it sees no environment yet."""
        role = role_of(claims_of(sociallogin))
        user = sociallogin.user
        if role is None or not isinstance(user, User):
            raise refusal(request, "Your company's account gives you no role here.")
        user.role = role.value
        user.username = _free_name(user.username or user.email or sociallogin.account.uid)
        user.set_unusable_password()
        with transaction.atomic():
            sociallogin.save(request)
            detail = {"role": role.value, "by": "single sign-on"}
            record(system_actor(), "account.created", user, detail=detail)
        return user

    def _connect(
        self, request: HttpRequest, sociallogin: SocialLogin, claims: dict[str, Any]
    ) -> None:
        """Connect to the account that was made for the address, where the provider proved it."""
        address = str(claims.get("email") or "")
        if not address:
            return
        known = list(User.objects.filter(email__iexact=address)[:2])
        if not known:
            return
        if len(known) > 1 or claims.get("email_verified") is not True:
            raise refusal(
                request,
                "There is an account of your e-mail address already, and the single sign-on does "
                "not prove that it is yours. Nobody was signed in. Ask the administrator.",
            )
        user = known[0]
        if user.is_administrator:
            raise refusal(
                request, "The administrator signs in with a password and a second factor.", user
            )
        with transaction.atomic():
            # From now on the provider alone says whether this person may come in.
            user.set_unusable_password()
            sociallogin.connect(request, user)
            record(system_actor(), "account.connected", user, detail={"by": "single sign-on"})


def claims_of(sociallogin: SocialLogin) -> dict[str, Any]:
    """Return what the provider says of a person, of its id token and of its user info.

    Both are of one sign-in; where they differ, the signed one counts.
    """
    held = sociallogin.account.extra_data or {}
    info, token = held.get("userinfo") or {}, held.get("id_token") or {}
    return {**info, **token}


def role_of(claims: dict[str, Any]) -> Role | None:
    """Return the role that the settings give to somebody with these claims; None is no entry.

    Of several the one that may more; administrator is not to be had so, whatever the settings say.
    """
    held = claims.get(settings.OIDC_ROLE_CLAIM)
    values = held if isinstance(held, list) else [held]
    given = {settings.OIDC_ROLES.get(str(value)) for value in values}
    for role in (Role.QA, Role.MARKETING):
        if role.value in given:
            return role
    return None


def refusal(request: HttpRequest, words: str, user: User | None = None) -> ImmediateHttpResponse:
    """Record a refused sign-in, and return what shows its page."""
    refused = AuditEvent.Outcome.REFUSED
    record(stranger_actor(request), ACTION, user, outcome=refused, reason=words)
    page = render(request, "account/refused.html", {"message": words}, status=403)
    return ImmediateHttpResponse(page)


def _free_name(wanted: str) -> str:
    """Return a user name that nobody has, made of what the provider calls the person."""
    name = _NOT_IN_A_NAME.sub("-", wanted)[:140].strip("-") or "person"
    taken = set(User.objects.filter(username__startswith=name).values_list("username", flat=True))
    if name not in taken:
        return name
    return next(f"{name}-{n}" for n in range(2, len(taken) + 3) if f"{name}-{n}" not in taken)
