"""What a change asks before it begins: whether this person may, and is still the same one."""

from typing import Final

from django.db import models

from accounts.audit import Actor, record
from accounts.models import AuditEvent
from accounts.policy import may
from accounts.roles import Verb

CONFIRM_FIRST: Final = "This asks for your password or second factor again. Nothing was changed."


class NotAllowedError(Exception):
    """The person's role does not allow it; the attempt is in the audit trail."""


class ConfirmationNeededError(NotAllowedError):
    """The person may, and has to prove first that it is still they who ask."""


def authorise(
    actor: Actor, verb: Verb, action: str, obj: models.Model | None, *, confirmed: bool = False
) -> None:
    """Let the actor pass or refuse, and record the refusal. The console's own work passes.

    Without an object, what counts is what the actor may do everywhere. `confirmed` asks also for a
    proof, a moment ago, of who it is.

    Raises:
        ConfirmationNeededError: the actor may, and did not prove it.
        NotAllowedError: the actor may not, with the reason in words.
    """
    if actor.user is None:
        return
    verdict = may(actor.user, verb, obj)
    if actor.viewer is not None:
        words = f"You look at the console as {actor.user.label}, and change nothing meanwhile."
        raise _refused(actor, action, obj, NotAllowedError(words))
    if not verdict:
        raise _refused(actor, action, obj, NotAllowedError(verdict.reason))
    if confirmed:
        confirm(actor, action, obj)


def confirm(actor: Actor, action: str, obj: models.Model | None) -> None:
    """Let an actor pass who proved a moment ago who it is, or record that it has to first.

    Raises:
        ConfirmationNeededError: it did not.
    """
    if not actor.is_confirmed:
        raise _refused(actor, action, obj, ConfirmationNeededError(CONFIRM_FIRST))


def _refused(
    actor: Actor, action: str, obj: models.Model | None, error: NotAllowedError
) -> NotAllowedError:
    record(actor, action, obj, outcome=AuditEvent.Outcome.REFUSED, reason=str(error))
    return error
