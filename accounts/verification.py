"""Reads the audit trail from end to end, and finds what was edited, left out, put in or cut off."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import connection

from accounts import triggers
from accounts.anchors import Anchor
from accounts.chain import BEGINNING, digest
from accounts.models import AuditEvent


@dataclass(frozen=True)
class Verified:
    """How many events there are, the digest of the last, and what is wrong, in words."""

    events: int
    head: str
    problems: tuple[str, ...]
    anchors: int = 0

    @property
    def is_sound(self) -> bool:
        return not self.problems


def verify(anchors: Sequence[Anchor] = ()) -> Verified:
    """Read all events, one after the other, and compare them with each other and with anchors.

    Memory stays bounded. What is wrong in one event is told once: what follows is judged by the
    digest that it carries.
    """
    problems = list(_triggers())
    wanted = {anchor.number: anchor for anchor in anchors}
    number, previous, count = 0, BEGINNING, 0
    for event in AuditEvent.objects.order_by("number").iterator(chunk_size=1000):
        count += 1
        if event.number != number + 1:
            gone = f"event {number + 1}"
            if event.number > number + 2:
                gone = f"events {number + 1} to {event.number - 1}"
            problems.append(f"{gone.capitalize()} of the chain is missing before {event.number}.")
        elif event.previous != previous:
            problems.append(f"Event {event.number} does not stand on the one before it.")
        if digest(event.facts) != event.digest:
            problems.append(
                f"Event {event.number} ({event.action}, {event.at:%Y-%m-%d}) was edited."
            )
        anchor = wanted.pop(event.number, None)
        if anchor is not None and anchor.digest != event.digest:
            problems.append(f"Event {event.number} is not the one that was anchored.")
        number, previous = event.number, event.digest
    if wanted:
        last = max(wanted)
        problems.append(
            f"The end is cut off: event {last} was anchored on {wanted[last].at}, and the last one "
            f"there is {number or 'none'}."
        )
    return Verified(count, previous, tuple(problems), len(anchors))


def _triggers() -> Iterator[str]:
    for name in triggers.missing(connection):
        yield f"The database does not guard the audit trail any more: {name} is not there."
