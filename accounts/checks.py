"""Says at the start what is wrong in the settings of single sign-on, before anybody meets it."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from accounts.openid import is_private
from accounts.roles import GIVEN, Role

_ROLES: Final = " or ".join(role.value for role in GIVEN)


def check_single_sign_on(app_configs: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """Return what a system check of the settings named `OIDC_` finds; nothing where it is off."""
    return [*_roles(), *_addresses()] if settings.OIDC_ISSUER else []


def _roles() -> Iterator[CheckMessage]:
    if not settings.OIDC_ROLES:
        words = "OIDC_ROLES is empty: nobody can come by single sign-on."
        hint = "Give roles to values of the claim, such as OIDC_ROLES=tracardi-qa=qa."
        yield Warning(words, hint=hint, id="single_sign_on.W001")
    for value, role in settings.OIDC_ROLES.items():
        if role == Role.ADMINISTRATOR.value:
            yield Error(
                f"OIDC_ROLES gives the administrator's role to {value!r}.",
                hint=f"It is handed over in the console, never given by a claim. Give {_ROLES}.",
                id="single_sign_on.E002",
            )
        elif not value or role not in {one.value for one in GIVEN}:
            yield Error(
                f"OIDC_ROLES has {f'{value}={role}'.lstrip('=')!r}, which gives no role.",
                hint=f"Write VALUE=ROLE with commas between; a role is {_ROLES}.",
                id="single_sign_on.E001",
            )


def _addresses() -> Iterator[CheckMessage]:
    parts = urlsplit(settings.OIDC_ISSUER)
    if not is_private(settings.OIDC_ISSUER) or parts.query or parts.fragment:
        yield Error(
            f"OIDC_ISSUER is {settings.OIDC_ISSUER!r}, which is no https address of an issuer.",
            hint="The client secret and who signs in go there. Plain http is for a loopback host.",
            id="single_sign_on.E003",
        )
    for origin in settings.OIDC_ORIGINS:
        parts = urlsplit(origin)
        if not is_private(origin) or origin != f"{parts.scheme}://{parts.netloc}" or "*" in origin:
            yield Error(
                f"OIDC_ORIGINS has {origin!r}, which is no origin.",
                hint="Write https://HOST, without a path; forms of the console may lead there.",
                id="single_sign_on.E004",
            )
