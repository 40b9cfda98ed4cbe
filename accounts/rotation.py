"""Puts everything that is encrypted under the newest key, so that the others may be dropped.

It works while the console does: each value is put in place of just the one that was read, so that a
change meanwhile is never overwritten, and one that was put stays where the work is cut off.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction

from accounts import derivation
from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.crypto import key_count, key_number, renewed
from accounts.encrypted import Kind, kinds
from accounts.models import AuditEvent
from accounts.roles import Verb

ACTION: Final = "keys.rotated"
# Somebody may write an old one again while it runs; who does so for ever has not the new key.
_ROUNDS: Final = 3
# So many places are told; the count is of all.
MOST_PLACES: Final = 50
_SIGNING: Final = "accounts.DerivationSecret.value"
# What is being done, and to how many rows of how many.
Progress = Callable[[str, int, int], None]


def _quiet(_what: str, _done: int, _of: int) -> None:
    pass


@dataclass
class Held:
    """The values of one kind: how many are under which key, 1 being the newest."""

    name: str
    label: str
    under: Counter[int] = field(default_factory=Counter)
    unreadable: int = 0

    @property
    def total(self) -> int:
        return self.under.total() + self.unreadable

    @property
    def older(self) -> int:
        return self.under.total() - self.under[1]

    def to_dict(self) -> dict[str, Any]:
        under = {str(number): count for number, count in sorted(self.under.items())}
        return {"kind": self.name, "label": self.label, "under": under, "lost": self.unreadable}


@dataclass
class Survey:
    """What is encrypted, read from end to end. `places` names what no key opens."""

    keys: int
    held: list[Held] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(one.total for one in self.held)

    @property
    def older(self) -> int:
        return sum(one.older for one in self.held)

    @property
    def unreadable(self) -> int:
        return sum(one.unreadable for one in self.held)

    @property
    def is_done(self) -> bool:
        """Whether the newest key alone opens everything."""
        return not self.older and not self.unreadable


@dataclass(frozen=True)
class Rotated:
    """What came of a rotation, and what was found afterwards."""

    renewed: int
    after: Survey


def survey(progress: Progress = _quiet) -> Survey:
    """Read every value, and say which key opens it; the newest is tried first. Writes nothing."""
    found = Survey(key_count())
    for kind in kinds():
        held, of, done = Held(kind.name, kind.label), kind.rows.count(), 0
        for batch in kind.batches():
            for pk, raw in batch:
                for token in kind.tokens(raw):
                    number = key_number(token)
                    if number is not None:
                        held.under[number] += 1
                        continue
                    held.unreadable += 1
                    if len(found.places) < MOST_PLACES:
                        found.places.append(f"{kind.name} of {pk}")
            done += len(batch)
            progress(f"Reading: {kind.label}", done, of)
        found.held.append(held)
    if not derivation.is_kept():
        # It is the oldest key itself: dropped, it would be another one.
        own = next(one for one in found.held if one.name == _SIGNING)
        own.under[found.keys] += 1
    return found


def look(actor: Actor, progress: Progress = _quiet) -> Survey:
    """Return what a rotation would find.

    Raises:
        NotAllowedError: the actor may not.
    """
    authorise(actor, Verb.MANAGE, "keys.look", None)
    return survey(progress)


def rotate(actor: Actor, *, new_secret: bool = False, progress: Progress = _quiet) -> Rotated:
    """Put everything under the newest key, and read it all again with that one alone.

    `new_secret` also makes another secret for what is derived: the old one may be known where the
    old key is. Safe to call again, wherever an earlier one was cut off.

    Raises:
        NotAllowedError: the actor may not.
    """
    authorise(actor, Verb.MANAGE, ACTION, None, confirmed=True)
    with transaction.atomic():
        record(actor, "keys.rotation-begun", detail={"keys": key_count(), "secret": new_secret})
        if new_secret:
            derivation.renew_secret()
        else:
            derivation.keep_secret()
    count = 0
    for _ in range(_ROUNDS):
        made = sum(_renew(kind, progress) for kind in kinds())
        count += made
        after = survey(progress)
        if not after.older or not made:
            break
    done = AuditEvent.Outcome.DONE if after.is_done else AuditEvent.Outcome.FAILED
    detail = {
        "values": after.total,
        "renewed": count,
        "older": after.older,
        "unreadable": after.unreadable,
    }
    record(actor, ACTION, outcome=done, detail=detail)
    return Rotated(count, after)


def _renew(kind: Kind, progress: Progress) -> int:
    """Put the values of a kind under the newest key; return how many were not."""
    count, of, done = 0, kind.rows.count(), 0
    for batch in kind.batches():
        # Outside of the transaction: it takes longer than writing, and SQLite lets one write.
        changes = [(pk, raw, _replaced(kind, raw)) for pk, raw in batch]
        count += _put(kind, ((pk, raw, new[0], new[1]) for pk, raw, new in changes if new[1]))
        done += len(batch)
        progress(f"Rotating: {kind.label}", done, of)
    return count


def _replaced(kind: Kind, raw: Any) -> tuple[Any, int]:
    """Return a field with each value under the newest key, and how many of them were not.

    What no key opens stays as it is.
    """
    old = {token for token in kind.tokens(raw) if (key_number(token) or 1) > 1}
    if not old:
        return raw, 0
    after = kind.replaced(raw, lambda token: renewed(token) if token in old else token)
    return after, len(old)


def _put(kind: Kind, changes: Iterable[tuple[Any, Any, Any, int]]) -> int:
    count = 0
    with transaction.atomic():
        for pk, before, after, values in changes:
            if kind.change(pk, before, after):
                count += values
    return count
