"""What people do with funnels: make, change, remove. Who may only look changes nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.funnels.models import (
    LEAST_STEPS,
    LONGEST_NAME,
    LONGEST_STEP,
    MOST_STEPS,
    Funnel,
)
from environments.models import Environment
from environments.visible import visible

# Who works on the configuration says what is counted; marketing looks at it.
CHANGES: Final = Verb.CAPTURE
ADDED, CHANGED, REMOVED = "funnel.added", "funnel.changed", "funnel.removed"
# Each one asks the engine again and again.
MOST_FUNNELS: Final = 10


class FunnelError(Exception):
    """A rule said no; nothing was changed. `str()` is fit for people."""


def problem_of(name: str, steps: Sequence[str]) -> str:
    """Return why a funnel cannot be called or built so, or nothing."""
    if not name:
        return "Give the funnel a name. Nothing was saved."
    if len(name) > LONGEST_NAME:
        return f"The name has more than {LONGEST_NAME} characters. Nothing was saved."
    if not LEAST_STEPS <= len(steps) <= MOST_STEPS:
        return (
            f"A funnel has {LEAST_STEPS} to {MOST_STEPS} steps, and this one has {len(steps)}. "
            "Nothing was saved. Enter an event type for each step."
        )
    for number, step in enumerate(steps, 1):
        if not step or len(step) > LONGEST_STEP:
            return (
                f"Step {number} is no event type of 1 to {LONGEST_STEP} characters. Nothing was "
                "saved."
            )
    for text in (name, *steps):
        if "\n" in text or "\t" in text or text != visible(text):
            return (
                f"“{visible(text)}” holds characters that nobody sees. Nothing was saved. Type it "
                "by hand."
            )
    return ""


def make_funnel(actor: Actor, environment: Environment, name: str, steps: Sequence[str]) -> Funnel:
    """Make a funnel and return it; its history is counted in the background.

    Raises:
        NotAllowedError: the actor may not.
        FunnelError: it cannot be so, its name is taken, or there are MOST_FUNNELS already.
    """
    authorise(actor, CHANGES, ADDED, environment)
    if actor.user is None:
        raise TypeError("A funnel is made by a person.")
    with _changing(actor, ADDED, environment):
        _check(name, steps)
        Environment.objects.select_for_update().get(pk=environment.pk)
        funnels = Funnel.objects.filter(environment=environment)
        if funnels.count() >= MOST_FUNNELS:
            raise FunnelError(
                f"{environment} has {MOST_FUNNELS} funnels, and has no more at a time: each asks "
                "the engine again and again. Nothing was saved. Remove one first."
            )
        _check_free(environment, name)
        made = Funnel.objects.create(
            environment=environment,
            name=name,
            steps=list(steps),
            zone=str(timezone.get_default_timezone()),
            created_by=actor.user,
        )
        record(actor, ADDED, made, detail={"steps": made.steps})
    return made


def change_funnel(
    actor: Actor, funnel: Funnel, name: str, steps: Sequence[str], *, version: int
) -> None:
    """Change a funnel, which was of that version on the page; with other steps its days go.

    Raises:
        NotAllowedError: the actor may not.
        FunnelError: it cannot be so, its name is taken, or it was changed or removed meanwhile.
    """
    authorise(actor, CHANGES, CHANGED, funnel)
    with _changing(actor, CHANGED, funnel):
        _check(name, steps)
        held = _held(funnel)
        if held.version != version:
            raise FunnelError(
                f"{held} was changed meanwhile. Nothing was saved. Open the page again, and look "
                "at what it is now."
            )
        changed: dict[str, object] = {}
        if held.name != name:
            _check_free(held.environment, name)
            changed["name"] = [held.name, name]
        if held.steps != list(steps):
            changed["steps"] = [held.steps, list(steps)]
            held.days.all().delete()
        if not changed:
            return
        held.name, held.steps, held.version = name, list(steps), held.version + 1
        held.changed_at = timezone.now()
        held.save(update_fields=["name", "steps", "version", "changed_at"])
        record(actor, CHANGED, held, detail=changed)


def remove_funnel(actor: Actor, funnel: Funnel) -> None:
    """Remove a funnel and all that was counted of it. Nothing in the cluster is touched.

    Raises:
        NotAllowedError: the actor may not.
        FunnelError: it was removed meanwhile.
    """
    authorise(actor, CHANGES, REMOVED, funnel)
    with _changing(actor, REMOVED, funnel):
        held = _held(funnel)
        record(actor, REMOVED, held, detail={"steps": held.steps, "days": held.days.count()})
        held.delete()


@contextmanager
def _changing(actor: Actor, action: str, obj: Funnel | Environment) -> Iterator[None]:
    """Do it whole or not at all, and record that a rule said no."""
    try:
        try:
            with transaction.atomic():
                yield
        except IntegrityError as error:
            # Somebody else took the name at the same moment.
            raise FunnelError(
                "Another funnel has this name. Nothing was saved. Take another one."
            ) from error
    except FunnelError as error:
        refused = AuditEvent.Outcome.REFUSED
        record(actor, action, obj, outcome=refused, reason=str(error))
        raise


def _check(name: str, steps: Sequence[str]) -> None:
    if problem := problem_of(name, steps):
        raise FunnelError(problem)


def _check_free(environment: Environment, name: str) -> None:
    if Funnel.objects.filter(environment=environment, name=name).exists():
        raise FunnelError(
            f"Another funnel of {environment} is called “{name}”. Nothing was saved. Take another "
            "name."
        )


def _held(funnel: Funnel) -> Funnel:
    held = Funnel.objects.select_for_update().filter(pk=funnel.pk).first()
    if held is None:
        raise FunnelError("The funnel was removed meanwhile. Nothing was changed.")
    return held
