"""Writes audit events, for what was done and for what was refused."""

import getpass
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.http import HttpRequest

from accounts import tracing
from accounts.models import AuditEvent, User
from accounts.recent import client_address, confirmed_recently

SYSTEM_NAME = "Console"
STRANGER_NAME = "Nobody signed in"


@dataclass(frozen=True)
class Actor:
    """Who acts, and by which way. `user` is None for the console's own work, and for a stranger.

    `user` is whose rights count; `viewer` the administrator who looks at the console as them.
    `is_confirmed` says that the person proved a moment ago who they are.
    """

    user: User | None
    channel: str
    address: str | None = None
    system_user: str = ""
    request_id: str = ""
    group: uuid.UUID = field(default_factory=uuid.uuid4)
    viewer: User | None = None
    is_confirmed: bool = True
    is_stranger: bool = False

    @property
    def responsible(self) -> User | None:
        """Return who is answerable for it."""
        return self.viewer or self.user

    @property
    def name(self) -> str:
        if self.is_stranger:
            return STRANGER_NAME
        if self.user is None:
            return SYSTEM_NAME
        if self.viewer is None:
            return self.user.label
        return f"{self.viewer.label}, viewing as {self.user.label}"


def system_actor() -> Actor:
    """Return the actor of what the console does by itself, if at some request's asking."""
    return Actor(user=None, channel="system", request_id=tracing.current())


def request_actor(request: HttpRequest) -> Actor:
    """Return the actor of a web request; it must be signed in."""
    user = request.user
    if not isinstance(user, User):
        raise TypeError("request_actor needs a signed-in request")
    return Actor(
        user=user,
        channel="web",
        address=client_address(request),
        request_id=getattr(request, "request_id", ""),
        viewer=getattr(request, "viewer", None),
        is_confirmed=confirmed_recently(request),
    )


def stranger_actor(request: HttpRequest) -> Actor:
    """Return the actor of a web request that nobody has signed in for."""
    return Actor(
        user=None,
        channel="web",
        address=client_address(request),
        request_id=getattr(request, "request_id", ""),
        is_stranger=True,
    )


def command_actor(user: User) -> Actor:
    """Return the actor of a command run `--as` that user; the shell's own user is kept too."""
    return Actor(user=user, channel="cli", system_user=getpass.getuser())


def record(
    actor: Actor,
    action: str,
    obj: models.Model | None = None,
    *,
    outcome: AuditEvent.Outcome = AuditEvent.Outcome.DONE,
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> AuditEvent:
    """Append one audit event and return it; an error here must stop the act that it records.

    `detail` holds JSON values and never a secret.
    """
    environment = getattr(obj, "environment", None)
    return AuditEvent.objects.create(
        actor=actor.responsible,
        actor_name=actor.name[:200],
        action=action,
        outcome=outcome,
        object_type=obj._meta.model_name or "" if obj is not None else "",
        object_id=str(obj.pk) if obj is not None else "",
        object_label=str(obj)[:300] if obj is not None else "",
        environment_id=getattr(environment, "pk", None),
        environment_label=str(environment)[:200] if environment is not None else "",
        reason=reason,
        detail=detail or {},
        channel=actor.channel,
        address=actor.address,
        system_user=actor.system_user,
        request_id=actor.request_id,
        group=actor.group,
    )
