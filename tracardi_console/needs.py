"""What needs the administrator now, of all that is kept: the worst first. No cluster is asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from django.urls import reverse

from environments.account_looks import to_look_at
from environments.findings import Finding, Severity
from environments.licence_warnings import warnings as licence_warnings
from environments.models import Environment, HealthState
from environments.network.looks import to_mend
from promotion.attention import Need, promotion_needs
from promotion.signs import State, workers
from promotion.worker_models import WorkerSign

# So many are listed; of the others it is said how many they are.
MOST: Final = 12
_OLD: Final = "See that the worker runs."
_RANK: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True)
class Needs:
    """What waits, of which `more` are not listed; licences say it in words of their own."""

    licences: Sequence[Finding]
    rows: Sequence[Need]
    more: int

    @property
    def any(self) -> bool:
        return bool(self.licences or self.rows)


def needs() -> Needs:
    """Return what needs the administrator; so many queries, however many environments there are."""
    productions = list(Environment.objects.production())
    found = [
        *_workers(),
        *promotion_needs(),
        *_network(productions),
        *_health(),
        *_accounts(productions),
    ]
    found.sort(key=lambda one: _RANK[one.severity])
    return Needs(licence_warnings(), found[:MOST], max(0, len(found) - MOST))


def _workers() -> Iterator[Need]:
    """Yield that a part of the work is done by nobody: without it all else stands still."""
    states = workers().states
    idle = [part for part in WorkerSign.Part if states[part.value] is not State.OK]
    if len(idle) == len(WorkerSign.Part):
        words = "nothing is prepared, looked at or locked again"
        then = "Start manage.py worker."
        yield Need(Severity.ERROR, "No worker gives a sign of life", words, then=then)
    elif idle:
        part = idle[0]
        words = f"nobody does {part.label[0].lower()}{part.label[1:]}"
        then = f"Start manage.py worker --only {part.value}."
        yield Need(Severity.ERROR, "A worker is missing", words, then=then)


def _network(productions: Sequence[Environment]) -> Iterator[Need]:
    for run in to_mend(productions):
        found = (
            f"{_many(run.errors, 'error')}, {_many(run.warnings, 'warning')}"
            if run.errors or run.warnings
            else "nothing wrong was found"
        )
        yield Need(
            Severity.ERROR if run.errors else Severity.WARNING,
            f"Network of {run.environment}",
            found,
            reverse("environments:network", args=[run.environment.slug]),
            run.finished_at,
            "checked",
            _OLD if run.is_old else "",
        )


def _health() -> Iterator[Need]:
    rows = HealthState.objects.defer("shapes", "disks").select_related("environment")
    for one in rows.order_by("environment__name"):
        url = reverse("environments:health", args=[one.environment.slug])
        if one.problem:
            subject = f"{one.environment} cannot be reached"
            words = "its cluster does not answer"
            yield Need(Severity.ERROR, subject, words, url, one.looked_at, "last seen")
        elif number := one.things:
            words = f"{_many(number, 'thing')} to look at"
            subject = f"Health of {one.environment}"
            yield Need(Severity.WARNING, subject, words, url, one.looked_at, "as of")


def _accounts(productions: Sequence[Environment]) -> Iterator[Need]:
    for one in to_look_at(productions):
        yield Need(
            Severity.WARNING,
            f"Tracardi's own accounts of {one.environment}",
            f"{_many(one.things, 'thing')} to look at",
            reverse("environments:accounts", args=[one.environment.slug]),
            one.looked_at,
            "as of",
            _OLD if one.is_old else "",
        )


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
