"""What a single sign-on says of a person: of its claims just those that the console uses."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts.models import User
from accounts.roles import GIVEN, Role

Claims = Mapping[str, Any]
_NOT_IN_A_NAME: Final = re.compile(r"[^\w.@+-]+")


@dataclass(frozen=True)
class Identity:
    """A person, as one provider knows them. `email` is empty where it is none."""

    issuer: str
    subject: str
    email: str
    email_is_verified: bool
    username: str
    first_name: str
    last_name: str
    roles: tuple[str, ...]

    @property
    def uid(self) -> str:
        """What an account is connected by: two providers may both have a person number 1."""
        return sha256(f"{self.issuer}\n{self.subject}".encode()).hexdigest()

    @property
    def role(self) -> Role | None:
        """The role that the settings give to this person, of several the first of `GIVEN`."""
        given = {settings.OIDC_ROLES.get(value) for value in self.roles}
        return next((role for role in GIVEN if role.value in given), None)


def identity(token: Claims, info: Claims) -> Identity:
    """Return who a verified id token and the user info that goes with it are about.

    What the token does not say is taken from the user info; an address and whether it was verified
    are always of the same one.
    """
    mail = token if token.get("email") else info
    roles = values(token, settings.OIDC_ROLE_CLAIM) or values(info, settings.OIDC_ROLE_CLAIM)
    said = {**info, **token}
    first, _, last = _words(said.get("name")).partition(" ")
    return Identity(
        issuer=str(token["iss"]),
        subject=str(token["sub"]),
        email=_address(mail.get("email")),
        # Some send it as a word.
        email_is_verified=mail.get("email_verified") in (True, "true"),
        username=_words(said.get("preferred_username")),
        first_name=_words(said.get("given_name")) or first,
        last_name=_words(said.get("family_name")) or last,
        roles=roles,
    )


def values(claims: Claims, name: str) -> tuple[str, ...]:
    """Return the values of a claim that is a text or a list of texts; of another one none.

    A name that no claim has as it is leads into nested ones, such as `realm_access.roles`.
    """
    held: Any = claims
    for part in [name] if name in claims else name.split("."):
        held = held.get(part) if isinstance(held, Mapping) else None
    many = held if isinstance(held, list) else [held]
    return tuple(one for one in many if isinstance(one, str))


def free_name(one: Identity) -> str:
    """Return a user name that nobody has, made of what the provider calls the person."""
    called = f"{one.first_name} {one.last_name}".strip().lower()
    wanted = one.username or one.email.partition("@")[0] or called
    name = _NOT_IN_A_NAME.sub("-", wanted)[:140].strip("-") or "person"
    held = User.objects.filter(username__istartswith=name).values_list("username", flat=True)
    # Two names that only their letters' case tells apart are one to people.
    taken = {username.casefold() for username in held}
    numbered = (f"{name}-{n}" for n in range(2, len(taken) + 3))
    return next(one for one in (name, *numbered) if one.casefold() not in taken)


def _words(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    shown = "".join(letter if letter.isprintable() else " " for letter in value)
    return " ".join(shown.split())[:150].strip()


def _address(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 254:
        return ""
    try:
        validate_email(value)
    except ValidationError:
        return ""
    return value.lower()
