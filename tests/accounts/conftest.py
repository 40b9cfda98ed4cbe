"""People with passwords and second factors, and the codes that their apps show."""

import base64
import hashlib
import hmac
import struct
import time
from dataclasses import dataclass
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.test import Client
from django.urls import reverse

from accounts.audit import system_actor
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.services import create_user, grant
from environments.models import Cluster, Environment

PASSWORD = "a long enough phrase 7"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code_of(secret: str, at: float | None = None) -> str:
    """Return the six digits that an authenticator app shows (RFC 6238: SHA-1, 30 seconds)."""
    counter = struct.pack(">Q", int(time.time() if at is None else at) // 30)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


@dataclass
class Cast:
    """One of each role; QA and marketing see production alone."""

    admin: User
    qa: User
    marketing: User
    production: Environment
    staging: Environment


@pytest.fixture
def cast(db: None, plain_static_files: None) -> Cast:
    cluster = Cluster.objects.create(name="C", url="http://127.0.0.1:9")
    facts: dict[str, Any] = {"cluster": cluster, "version": "0.8.1", "tenant": "acme"}
    production = Environment.objects.create(
        name="Production", slug="production", kind="production", **facts
    )
    staging = Environment.objects.create(
        name="Staging", slug="staging", kind="staging", promotes_to=production, **facts
    )
    made = {}
    for role in Role:
        made[role] = create_user(
            system_actor(),
            username=role.value,
            role=role,
            password=PASSWORD,
            email=f"{role.value}@example.com",
        )
        if role is not Role.ADMINISTRATOR:
            grant(system_actor(), made[role], production)
    return Cast(made[Role.ADMINISTRATOR], made[Role.QA], made[Role.MARKETING], production, staging)


def give_factor(user: User) -> None:
    """Set an authenticator app up for a person, with recovery codes."""
    TOTP.activate(user, SECRET)
    RecoveryCodes.activate(user)


def stranger() -> Client:
    """Return a browser that nobody signed in with."""
    return Client(headers={"x-forwarded-proto": "https"})


def sign_in(client: Client, user: User, password: str = PASSWORD) -> Any:
    """Fill the form of the sign-in page in."""
    data = {"login": user.username, "password": password}
    return client.post(reverse("account_login"), data, secure=True)


def told(action: str) -> list[tuple[str, str]]:
    """Return who did, or was refused, an act: name and outcome, the oldest first."""
    events = AuditEvent.objects.filter(action=action).order_by("number")
    return [(one.actor_name, one.outcome) for one in events]
