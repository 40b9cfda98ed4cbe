"""What the administrator does with licences: add, change, renew, remove, look at a key, cover.

Of a key nothing is ever written but the encrypted key itself.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.models import Environment, Licence, LicenceUse

NO_SECOND: Final = (
    "One licence covers staging and production alike: both servers of Tracardi get the same key. "
    "No second licence is needed when one of them is added."
)


class LicenceError(Exception):
    """A rule said no; nothing was changed. `str()` is fit for people."""


@dataclass(frozen=True)
class Terms:
    """What a licence says, but for its key."""

    holder: str
    ends_on: date | None
    note: str
    environments: Collection[Environment]


def add(actor: Actor, terms: Terms, key: str) -> Licence:
    """Keep a licence, and return it.

    Raises:
        NotAllowedError: the actor may not, or has to prove first who it is.
        LicenceError: another licence covers one of the environments.
    """
    action = "licence.added"
    authorise(actor, Verb.MANAGE, action, None, confirmed=True)
    with _changing(actor, action, None):
        _check_free(None, terms.environments)
        made = Licence.objects.create(
            holder=terms.holder, ends_on=terms.ends_on, note=terms.note, key=key
        )
        _cover(made, terms.environments)
        record(actor, action, made, detail=_facts(terms))
    return made


def change(actor: Actor, licence: Licence, terms: Terms) -> None:
    """Change what a licence says, but for its key.

    Raises: as `add`, and LicenceError where it was removed meanwhile.
    """
    action = "licence.changed"
    authorise(actor, Verb.MANAGE, action, licence, confirmed=True)
    with _changing(actor, action, licence):
        held = _held(licence)
        _check_free(held, terms.environments)
        now = [use.environment for use in _uses(held)]
        before = _facts(Terms(held.holder, held.ends_on, held.note, now))
        after = _facts(terms)
        changed = {
            name: [before[name], after[name]] for name in after if before[name] != after[name]
        }
        if held.note != terms.note:
            changed["note"] = ["", "another one"]
        if held.ends_on != terms.ends_on:
            held.told_days = None
        held.holder, held.ends_on, held.note = terms.holder, terms.ends_on, terms.note
        held.save(update_fields=["holder", "ends_on", "note", "told_days"])
        _cover(held, terms.environments)
        record(actor, action, held, detail=changed)


def renew(actor: Actor, licence: Licence, key: str, ends_on: date | None) -> None:
    """Put another key and another end in the place of those that are there, which are gone.

    Raises: as `change`.
    """
    action = "licence.renewed"
    authorise(actor, Verb.MANAGE, action, licence, confirmed=True)
    with _changing(actor, action, licence):
        held = _held(licence)
        detail = {"ends_on": [_day(held.ends_on), _day(ends_on)]}
        held.key, held.ends_on = key, ends_on
        held.renewed_at, held.told_days = timezone.now(), None
        held.save(update_fields=["key", "ends_on", "renewed_at", "told_days"])
        record(actor, action, held, detail=detail)


def remove(actor: Actor, licence: Licence) -> None:
    """Remove a licence and its key; the environments stay.

    Raises: as `change`.
    """
    action = "licence.removed"
    authorise(actor, Verb.MANAGE, action, licence, confirmed=True)
    with _changing(actor, action, licence):
        held = _held(licence)
        slugs = sorted(use.environment.slug for use in _uses(held))
        record(actor, action, held, detail={"environments": slugs})
        held.delete()


def show_key(actor: Actor, licence: Licence) -> str:
    """Return a licence's key; that somebody looked at it is in the audit trail.

    Raises: as `change`, and UndecryptableError.
    """
    action = "licence.key-shown"
    authorise(actor, Verb.MANAGE, action, licence, confirmed=True)
    with _changing(actor, action, licence):
        held = _held(licence)
        key = held.key
        record(actor, action, held)
    return key


def cover(actor: Actor, licence: Licence, environment: Environment) -> None:
    """Let a licence cover one environment more.

    Raises:
        NotAllowedError: the actor may not.
        LicenceError: a licence covers it already, or this one was removed.
    """
    action = "licence.covers"
    authorise(actor, Verb.MANAGE, action, environment)
    with _changing(actor, action, environment):
        held = _held(licence)
        covered = [use.environment for use in _uses(held)]
        if environment in covered:
            return
        _cover(held, [*covered, environment])
        record(actor, action, environment, detail={"licence": held.pk})


@contextmanager
def _changing(actor: Actor, action: str, obj: Licence | Environment | None) -> Iterator[None]:
    """Do it whole or not at all, and record that a rule said no."""
    try:
        with transaction.atomic():
            yield
    except LicenceError as error:
        refused = AuditEvent.Outcome.REFUSED
        record(actor, action, obj, outcome=refused, reason=str(error))
        raise


def _held(licence: Licence) -> Licence:
    held = Licence.objects.select_for_update().filter(pk=licence.pk).first()
    if held is None:
        raise LicenceError("The licence was removed meanwhile. Nothing was changed.")
    return held


def _uses(licence: Licence) -> list[LicenceUse]:
    return list(LicenceUse.objects.filter(licence=licence).select_related("environment"))


def _check_free(licence: Licence | None, environments: Collection[Environment]) -> None:
    """Check that no other licence covers any of the environments."""
    others = LicenceUse.objects.filter(environment__in=environments)
    if licence is not None:
        others = others.exclude(licence=licence)
    taken = others.select_related("environment", "licence").defer("licence__key").first()
    if taken is not None:
        raise LicenceError(
            f"{taken.environment} is covered by another licence, of {taken.licence.holder}. "
            "Nothing was changed. Take it off there first."
        )


def _cover(licence: Licence, environments: Collection[Environment]) -> None:
    _check_free(licence, environments)
    LicenceUse.objects.filter(licence=licence).exclude(environment__in=environments).delete()
    there = set(LicenceUse.objects.filter(licence=licence).values_list("environment", flat=True))
    try:
        for one in environments:
            if one.pk not in there:
                LicenceUse.objects.create(licence=licence, environment=one)
    except IntegrityError as error:
        # Somebody else covered or removed one at the same moment.
        raise LicenceError(
            "An environment was changed meanwhile. Nothing was changed. Do it again."
        ) from error


def _day(day: date | None) -> str | None:
    return day.isoformat() if day is not None else None


def _facts(terms: Terms) -> dict[str, object]:
    return {
        "holder": terms.holder,
        "ends_on": _day(terms.ends_on),
        "environments": sorted(one.slug for one in terms.environments),
    }
