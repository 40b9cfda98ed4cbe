"""What an environment's dashboard shows: counts out of its events, profiles and sessions.

One request, of searches that return no event, profile or session: counts alone leave the engine.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from elasticsearch_dsl import Q, Search

from accounts.models import User
from environments.charts import Bucket
from environments.elastic import ElasticError, connect
from environments.marks import TEST_MARK
from environments.models import Environment

_TIME = "metadata.time.insert"
_FORMAT = "strict_date_optional_time"
# The engine answers with what it has by then; the request waits a little longer.
_SEARCH_SECONDS, _REQUEST_SECONDS = 8, 12.0
_TOP = 10
_MOST_SOURCES = 500
# A shard's own top list, long enough that the merged one is as good as exact.
_SHARD_TOP = 200


@dataclass(frozen=True)
class Marker:
    """A moment worth seeing on the time axis, such as a promotion; `url` tells more."""

    time: datetime
    label: str
    url: str


MarkerProvider = Callable[[Environment, datetime, datetime, User], Iterable[Marker]]
_providers: list[MarkerProvider] = []


def register_markers(provider: MarkerProvider) -> None:
    """Let `provider(environment, start, end, user)` add what that user may see to the axis."""
    if provider not in _providers:
        _providers.append(provider)


def markers(environment: Environment, start: datetime, end: datetime, user: User) -> list[Marker]:
    """Return every provider's markers from `start` until before `end`, the earliest first."""
    found = (m for provider in _providers for m in provider(environment, start, end, user))
    return sorted(
        (marker for marker in found if start <= marker.time < end), key=lambda marker: marker.time
    )


class Unreadable(ElasticError):
    """The cluster answered, but none of the searches succeeded."""


@dataclass(frozen=True)
class Row:
    """One line of a top list; `share` is its percentage of all events."""

    label: str
    events: int
    share: float


@dataclass(frozen=True)
class Events:
    """What the events say. `has_index` is False where the environment has no event index yet."""

    has_index: bool
    total: int
    failed: int
    active_profiles: int
    buckets: tuple[Bucket, ...]
    types: tuple[Row, ...]
    sources: tuple[Row, ...]
    # How many of them workflow tests sent, or made Tracardi raise.
    of_tests: int = 0

    @property
    def failed_share(self) -> float | None:
        """The percentage of failed events; None without events."""
        return 100 * self.failed / self.total if self.total else None


@dataclass(frozen=True)
class Figures:
    """The figures of one range. None where counting failed; `notes` say why, and what is low."""

    events: Events | None
    new_profiles: int | None
    sessions: int | None
    notes: tuple[str, ...] = ()


def _counting(start: datetime, end: datetime) -> Search:
    limits = {"gte": start.isoformat(), "lt": end.isoformat(), "format": _FORMAT}
    return (
        Search()
        .extra(size=0, track_total_hits=True, timeout=f"{_SEARCH_SECONDS}s")
        .filter("range", **{_TIME: limits})
    )


def _event_search(edges: Sequence[datetime]) -> Search:
    search = _counting(edges[0], edges[-1])
    # The flag and the status of one event may be written by different parts of Tracardi.
    failed = Q("term", metadata__error=True) | Q("term", metadata__status="error")
    ranges = [{"from": start.isoformat(), "to": end.isoformat()} for start, end in pairwise(edges)]
    # Ranges of our own rather than a histogram: the buckets are then exactly those of the axis, be
    # they empty or of 23 or 25 hours.
    over_time = search.aggs.bucket(
        "over_time", "date_range", field=_TIME, format=_FORMAT, ranges=ranges
    )
    over_time.bucket("failed", "filter", filter=failed)
    search.aggs.bucket("failed", "filter", filter=failed)
    search.aggs.bucket("tests", "filter", filter=Q("prefix", session__id=TEST_MARK))
    search.aggs.metric("profiles", "cardinality", field="profile.id")
    for name, field in (("types", "type"), ("sources", "source.id")):
        search.aggs.bucket(name, "terms", field=field, size=_TOP, shard_size=_SHARD_TOP)
    return search


def _searches(edges: Sequence[datetime]) -> dict[str, Search]:
    """Return the searches by the resource that each is for."""
    return {
        "event": _event_search(edges),
        "profile": _counting(edges[0], edges[-1]),
        "session": _counting(edges[0], edges[-1]),
        # A source's id is often a UUID: its name is what people know.
        "event-source": Search().extra(
            size=_MOST_SOURCES, _source=["name"], timeout=f"{_SEARCH_SECONDS}s"
        ),
    }


def figures(environment: Environment, edges: Sequence[datetime]) -> Figures:
    """Count what happened from the first to the last of the ascending `edges`.

    There is a bucket between each edge and the next. Everything is read through the environment's
    own aliases, as Tracardi does.

    Raises:
        ElasticError: nothing could be read.
    """
    searches = _searches(edges)
    lines: list[object] = []
    for resource, search in searches.items():
        # An alias that is not there yet is an empty answer, not an error.
        head = {"index": environment.naming.alias(resource), "ignore_unavailable": True}
        lines += [head, search.to_dict()]
    body = "".join(f"{json.dumps(line)}\n" for line in lines)
    connection = connect(environment.cluster)
    answer = connection.request("POST", "/_msearch", body=body, timeout=_REQUEST_SECONDS)
    answers = dict(zip(searches, answer["responses"], strict=True))
    return _figures(environment, edges, answers)


def _figures(
    environment: Environment, edges: Sequence[datetime], answers: Mapping[str, Any]
) -> Figures:
    counted = {name: answers[name] for name in ("event", "profile", "session")}
    notes = [
        note
        for name, answer in counted.items()
        if (note := _trouble(environment.catalogue.get(name).label, answer))
    ]
    if all("error" in answer for answer in counted.values()):
        raise Unreadable(" ".join(notes))
    totals = {
        name: None if "error" in answer else int(answer["hits"]["total"]["value"])
        for name, answer in counted.items()
    }
    names = {
        hit["_id"]: str(hit["_source"].get("name") or hit["_id"])
        for hit in answers["event-source"].get("hits", {}).get("hits", ())
    }
    events = None if totals["event"] is None else _events(counted["event"], edges, names)
    return Figures(events, totals["profile"], totals["session"], tuple(notes))


def _trouble(label: str, answer: Mapping[str, Any]) -> str:
    """Say in words what keeps an answer from being whole; empty if nothing does."""
    if "error" in answer:
        kind = answer["error"].get("type", "no details")
        return f"{label} could not be counted: the search engine refused ({kind})."
    shards = answer["_shards"]
    if shards["failed"]:
        return (
            f"{label}: {shards['failed']} of {shards['total']} parts of the data gave no answer, "
            "so the figures are too low. Open the page again in a moment."
        )
    if answer["timed_out"]:
        return (
            f"{label}: the search engine ran out of time, so the figures are too low. "
            "Take a shorter range, or open the page again in a moment."
        )
    return ""


def _events(
    answer: Mapping[str, Any], edges: Sequence[datetime], names: Mapping[str, str]
) -> Events:
    # Without any index the engine leaves the aggregations out.
    found = answer.get("aggregations", {})
    total = int(answer["hits"]["total"]["value"])
    counts = [
        (part["doc_count"], part["failed"]["doc_count"])
        for part in found.get("over_time", {}).get("buckets", ())
    ] or [(0, 0)] * (len(edges) - 1)

    def rows(name: str) -> list[tuple[str, int]]:
        return [(part["key"], part["doc_count"]) for part in found.get(name, {}).get("buckets", ())]

    def row(label: str, count: int) -> Row:
        return Row(label, count, 100 * count / total)

    return Events(
        has_index=answer["_shards"]["total"] > 0,
        total=total,
        failed=found["failed"]["doc_count"] if found else 0,
        of_tests=found["tests"]["doc_count"] if found else 0,
        active_profiles=found["profiles"]["value"] if found else 0,
        buckets=tuple(
            Bucket(start, end, *count)
            for start, end, count in zip(edges, edges[1:], counts, strict=False)
        ),
        types=tuple(row(key, count) for key, count in rows("types")),
        sources=tuple(row(names.get(key, key), count) for key, count in rows("sources")),
    )
