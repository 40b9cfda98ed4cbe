"""Asks the engine what a dashboard shows: few requests, short ones, and not many at a time.

What Tracardi's own visitors need of the engine comes first: each search has its time limit, one
page's run two at a time, and no more than `AT_ONCE` pages of one process ask one cluster at once.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import Any, Final

from django.core.cache import caches
from elasticsearch_dsl import Search

from environments.dashboards.chosen import Chosen
from environments.dashboards.destinations import destinations_of
from environments.dashboards.figures import Figures, figures
from environments.dashboards.queries import (
    EVENT_FIELDS,
    PROFILE_FIELDS,
    SEARCH_SECONDS,
    VISIT_FIELDS,
    Ask,
    Destination,
    destinations,
    of_segment,
    searches,
)
from environments.dashboards.ranges import Period
from environments.documents import digest
from environments.elastic import ElasticError, connect
from environments.models import Environment
from environments.together import is_whole, together

AT_ONCE: Final = 2
# What was counted is shown again for so long; the fields of a mapping change with an upgrade alone.
FRESH_SECONDS: Final = 60
# What was counted in part is shown for less: a cluster in trouble is not asked at each look.
PARTIAL_SECONDS: Final = 10
_FIELDS_SECONDS: Final = 600
_AT_A_TIME: Final = 2
# Each search answers with what it has after SEARCH_SECONDS. So many of a page are of all the events
# or sessions, and may need all of that; the request waits until they had it.
_LONG_SEARCHES: Final = 8
_REQUEST_SECONDS: Final = _LONG_SEARCHES / _AT_A_TIME * SEARCH_SECONDS + 4.0
_WAIT_SECONDS: Final = 4.0
# The engine takes 65,536 values of one filter, and a request grows by each.
MOST_OF_SEGMENT: Final = 30_000
_limits: defaultdict[int, threading.BoundedSemaphore] = defaultdict(
    lambda: threading.BoundedSemaphore(AT_ONCE)
)
_TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "event": EVENT_FIELDS,
    "session": VISIT_FIELDS,
    "profile": PROFILE_FIELDS,
}


class BusyError(ElasticError):
    """Others' dashboards are being counted just now. Nothing was asked of the engine."""


class UnreadableError(ElasticError):
    """The cluster answered, but none of the searches succeeded."""


class TooLargeSegmentError(ElasticError):
    """A segment has more members than a search can be narrowed to."""


@contextmanager
def in_turn(environment: Environment) -> Iterator[None]:
    """Wait until few enough others of this process ask the environment's cluster.

    Raises:
        BusyError: that took too long.
    """
    limit = _limits[environment.cluster_id]
    if not limit.acquire(timeout=_WAIT_SECONDS):
        raise BusyError(
            f"Cluster {environment.cluster} counts other dashboards just now, and this one was not "
            "asked for: visitors come first. Open the page again in a moment."
        )
    try:
        yield
    finally:
        limit.release()


def _key(environment: Environment, *parts: str) -> str:
    # Another address, tenant or version is another environment.
    facts = [environment.pk, environment.cluster_id, environment.cluster.url]
    return digest([*facts, environment.tenant, environment.version, environment.kind, *parts])


def kept_figures(environment: Environment, chosen: Chosen, period: Period) -> Figures | None:
    """Return what was counted a moment ago; None if it has to be counted. Asks no engine."""
    kept = caches["figures"].get(_figures_key(environment, chosen, period))
    return kept if isinstance(kept, Figures) else None


def _figures_key(environment: Environment, chosen: Chosen, period: Period) -> str:
    days = f"{period.first} {period.last} {period.zone}"
    return _key(environment, "figures", chosen.query(), days)


def figures_of(environment: Environment, chosen: Chosen, period: Period) -> Figures:
    """Count what happened in a period, or return what was counted a moment ago.

    Everything is read through the environment's own aliases, as Tracardi does.

    Raises:
        BusyError: too many count just now; nothing was asked.
        TooLargeSegmentError: the chosen segment has more than `MOST_OF_SEGMENT` members.
        ElasticError: nothing could be read.
    """
    if kept := kept_figures(environment, chosen, period):
        return kept
    with in_turn(environment):
        # Somebody else may have asked for the same meanwhile.
        if kept := kept_figures(environment, chosen, period):
            return kept
        counted = _count(environment, chosen, period)
    seconds = FRESH_SECONDS if counted.is_whole else PARTIAL_SECONDS
    caches["figures"].set(_figures_key(environment, chosen, period), counted, seconds)
    return counted


def _count(environment: Environment, chosen: Chosen, period: Period) -> Figures:
    profiles = _members(environment, chosen.segment) if chosen.segment else None
    known = _destinations(environment)
    ask = Ask(chosen, period, lacking(environment), profiles, known)
    wanted = searches(ask)
    answers = search_all(environment, wanted)
    if all("error" in answers[name] for name in ("events", "totals", "visits", "profiles")):
        kind = answers["totals"]["error"].get("type", "no details")
        raise UnreadableError(f"The search engine refused to count ({kind}). Nothing was shown.")
    return figures(ask, answers, {name: resource for name, (resource, _) in wanted.items()})


def search_all(
    environment: Environment, wanted: Mapping[str, tuple[str, Search]]
) -> dict[str, Mapping[str, Any]]:
    """Send searches in one request and return the answers, each by what it is for.

    Raises:
        ElasticError: no answer came.
    """
    asked = ((resource, search.to_dict()) for resource, search in wanted.values())
    answer = connect(environment.cluster).request(
        "POST",
        "/_msearch",
        params={"max_concurrent_searches": str(_AT_A_TIME)},
        body=together(environment.naming, asked),
        timeout=_REQUEST_SECONDS,
    )
    return dict(zip(wanted, answer["responses"], strict=True))


def lacking(environment: Environment) -> frozenset[str]:
    """Return the names of what the environment's mappings have no countable field for.

    Raises:
        ElasticError: the mappings could not be asked for.
    """
    key = _key(environment, "fields")
    kept = caches["figures"].get(key)
    if isinstance(kept, frozenset):
        return kept
    found: set[str] = set()
    for resource, table in _TABLES.items():
        caps = connect(environment.cluster).request(
            "GET",
            f"/{environment.naming.alias(resource)}/_field_caps",
            params={"fields": ",".join(sorted(table.values())), "ignore_unavailable": "true"},
            timeout=_REQUEST_SECONDS,
        )
        if caps.get("indices"):
            found |= {name for name, field in table.items() if not _counts(caps, field)}
    caches["figures"].set(key, frozenset(found), _FIELDS_SECONDS)
    return frozenset(found)


def _counts(caps: Mapping[str, Any], field: str) -> bool:
    kinds = caps.get("fields", {}).get(field, {})
    return bool(kinds) and all(kind.get("aggregatable") for kind in kinds.values())


def _destinations(environment: Environment) -> list[Destination] | None:
    """Return where events are sent on to, as it is now or was a moment ago; None if untold."""
    key = _key(environment, "destinations")
    kept: list[Destination] | None = caches["figures"].get(key)
    if kept is None:
        wanted = {"all": ("destination", destinations())}
        kept = destinations_of(search_all(environment, wanted)["all"])
        if kept is not None:
            caches["figures"].set(key, kept, FRESH_SECONDS)
    return kept


def _members(environment: Environment, segment: str) -> Sequence[str]:
    """Return the ids of a segment's members, those of profiles that they took in among them."""
    wanted = {"members": ("profile", of_segment(segment, MOST_OF_SEGMENT))}
    answer = search_all(environment, wanted)["members"]
    if not is_whole(answer):
        # Of a part of the members every figure would be too low.
        kind = answer.get("error", {}).get("type", "not all of the data answered in time")
        raise UnreadableError(
            f"The members of segment {segment} could not be told ({kind}). Nothing was shown."
        )
    ids = [b["key"] for b in answer.get("aggregations", {}).get("ids", {}).get("buckets", ())]
    if len(ids) > MOST_OF_SEGMENT:
        raise TooLargeSegmentError(
            f"Segment {segment} has more than {MOST_OF_SEGMENT:,} ids of members, those of merged "
            "profiles among them: a dashboard cannot be narrowed to so many. Choose a smaller "
            "segment, or leave this filter out."
        )
    return ids


def period_of(chosen: Chosen, now: datetime, zone: tzinfo) -> Period:
    """Return the days that are asked for, until the minute that is over.

    What is counted within one minute is the same, and the engine keeps the answers to it.
    """
    return chosen.period(now.replace(second=0, microsecond=0), zone)
