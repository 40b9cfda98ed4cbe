"""An environment's health in a word, from what was kept alone: no cluster is asked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Q
from django.urls import reverse
from django.utils.timesince import timesince

from accounts.models import User
from accounts.policy import environments_with, may
from accounts.roles import Verb
from environments.findings import Finding
from environments.health.judging import OF_CLUSTER, judge_drift, things, worst_first
from environments.models import Environment, HealthState


class State(StrEnum):
    """An environment's health in a word."""

    OK = "ok"
    LOOK = "look"
    UNREACHABLE = "unreachable"
    # Nobody looked yet, or nobody looks any more.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Summary:
    """What is known of an environment's health. `findings` are as of `looked_at`.

    `hidden` are so many findings about the cluster that this person is not told.
    """

    environment: Environment
    state: State
    findings: tuple[Finding, ...] = ()
    things: int = 0
    hidden: int = 0
    problem: str = ""
    tried_at: datetime | None = None
    looked_at: datetime | None = None

    @property
    def url(self) -> str:
        return reverse("environments:health", args=[self.environment.slug])

    @property
    def words(self) -> str:
        """The state in words that stand alone, such as `2 things to look at`."""
        if self.state is State.UNKNOWN:
            if self.tried_at is None:
                return "unknown: nobody looked yet"
            return f"unknown: nobody looks, last {timesince(self.tried_at)} ago"
        if self.state is State.UNREACHABLE:
            since = self.looked_at
            return f"unreachable{f', last seen {timesince(since)} ago' if since else ''}"
        if self.state is State.LOOK:
            return f"{self.things} thing{'' if self.things == 1 else 's'} to look at"
        return "OK"


def summaries(environments: Iterable[Environment], user: User | None = None) -> dict[int, Summary]:
    """Return what is known of environments by their keys, in one query.

    For a person it holds what they may know; None is the console itself.
    """
    rows = list(environments)
    states = _states(rows)
    differing = _drifts(rows, states, user)
    return {one.pk: _summary(one, states.get(one.pk), differing[one.pk], user) for one in rows}


def drifts(environments: Sequence[Environment]) -> dict[int, list[Finding]]:
    """Return by environment where its pipeline's sides keep resources in different shapes."""
    return _drifts(environments, _states(environments), None)


def _summary(
    environment: Environment, kept: HealthState | None, differing: list[Finding], user: User | None
) -> Summary:
    if kept is None or kept.tried_at is None:
        return Summary(environment, State.UNKNOWN)
    found = worst_first([*kept.found, *differing]) if kept.looked_at is not None else []
    number = things(found)
    if kept.is_old:
        state = State.UNKNOWN
    elif kept.problem:
        state = State.UNREACHABLE
    else:
        state = State.LOOK if number else State.OK
    told = found
    if user is not None and not may(user, Verb.MANAGE, environment):
        # What the cluster is like, and what else is in it, is its administrator's.
        told = [one for one in found if not one.code.startswith(OF_CLUSTER)]
    return Summary(
        environment,
        state,
        tuple(told),
        number,
        len(found) - len(told),
        kept.problem,
        kept.tried_at,
        kept.looked_at,
    )


def _states(environments: Sequence[Environment]) -> dict[int, HealthState]:
    """Return what is kept of environments, and of the other sides of their pipelines."""
    keys = [one.pk for one in environments]
    wanted = Environment.objects.filter(
        Q(pk__in=keys) | Q(promotes_to__in=keys) | Q(fed_by__in=keys)
    )
    rows = HealthState.objects.filter(environment__in=wanted.order_by().values("pk"))
    return {row.environment_id: row for row in rows.select_related("environment")}


def _drifts(
    environments: Sequence[Environment], states: dict[int, HealthState], user: User | None
) -> dict[int, list[Finding]]:
    seen = environments_with(user, Verb.VIEW_DASHBOARD) if user is not None else None
    found: dict[int, list[Finding]] = {}
    for environment in environments:
        found[environment.pk] = []
        own = states.get(environment.pk)
        if own is None:
            continue
        labels = {one.name: one.label for one in environment.catalogue.promoted}
        for other in states.values():
            side = other.environment
            if environment.pk != side.promotes_to_id and environment.promotes_to_id != side.pk:
                continue
            name = str(side) if seen is None or side.pk in seen else "the other side"
            found[environment.pk] += judge_drift(
                str(environment), own.shapes, name, other.shapes, labels
            )
    return found
