"""Writes audit events, for what was done and for what was refused."""

import getpass
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.http import HttpRequest

from accounts.models import AuditEvent, User

SYSTEM_NAME = "Console"


@dataclass(frozen=True)
class Actor:
    """Who acts, and by which way. `user` is None for the console's own work."""

    user: User | None
    channel: str
    address: str | None = None
    system_user: str = ""
    request_id: str = ""
    group: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def name(self) -> str:
        return self.user.label if self.user is not None else SYSTEM_NAME


def system_actor() -> Actor:
    """Return the actor of what the console does by itself."""
    return Actor(user=None, channel="system")


def request_actor(request: HttpRequest) -> Actor:
    """Return the actor of a web request; it must be signed in."""
    user = request.user
    if not isinstance(user, User):
        raise TypeError("request_actor needs a signed-in request")
    return Actor(
        user=user,
        channel="web",
        address=request.META.get("REMOTE_ADDR") or None,
        request_id=getattr(request, "request_id", ""),
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
        actor=actor.user,
        actor_name=actor.name,
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
