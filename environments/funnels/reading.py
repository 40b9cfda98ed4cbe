"""Reads one day of one environment for a funnel, page by page, and counts it.

Nothing but ids of profiles, times and types leaves the engine, and nothing of them is kept.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta, tzinfo
from typing import Any, Final
from urllib.parse import quote

from elasticsearch_dsl import A, Search

from environments.elastic import Connection, ElasticError, Refused
from environments.first_few import first_few
from environments.funnels.counting import FunnelCount, OrderError
from environments.funnels.days import limits
from environments.models import Cluster, Environment
from environments.periods import period

PROFILE, TIME, TYPE = "profile.id", "metadata.time.insert", "type"
_KINDS: Final = {PROFILE: "keyword", TIME: "date", TYPE: "keyword"}
_FORMAT: Final = "strict_date_optional_time"
# Engines allow 10,000 buckets an answer at least, if nobody lowered it; then less is asked for.
PAGE: Final = 2_000
_LEAST_PAGE: Final = 50
# So many pages of one day are read: a million events of the steps' types.
MOST_PAGES: Final = 500
# The engine stops a search by itself; the request waits a little longer.
_SEARCH_SECONDS: Final = 10
REQUEST_SECONDS: Final = 15.0
_MOST_BYTES: Final = 16 * 1024 * 1024
_THERE: Final = {"ignore_unavailable": "true", "allow_no_indices": "true"}


class UncountableError(ElasticError):
    """The engine answered, and what it said is not enough to count the day. `str()` says why."""


class OtherClusterError(ElasticError):
    """Behind a cluster's address is another one than before; nothing of it was read."""


@dataclass(frozen=True)
class DayCount:
    """How many visitors reached each step on a day; `partial` says why it is not all of it."""

    visitors: list[int]
    partial: str = ""


def connection_to(cluster: Cluster) -> Connection:
    """Return a connection that ends each answer in time, however slowly it drips."""
    return Connection(cluster, _MOST_BYTES, whole_seconds=REQUEST_SECONDS)


def check_cluster(connection: Connection, cluster: Cluster) -> None:
    """Check that a cluster is the one that it was: what is counted of a day stays.

    Raises:
        ElasticError: it does not answer, or it is another one.
    """
    about = connection.request("GET", "/", timeout=REQUEST_SECONDS)
    uuid = about.get("cluster_uuid") if isinstance(about, Mapping) else None
    if cluster.uuid and uuid != cluster.uuid:
        raise OtherClusterError(
            f"Behind the address of {cluster} is another cluster than before. Nothing of it was "
            "counted. Correct the address."
        )


def count_day(
    connection: Connection,
    environment: Environment,
    steps: Sequence[str],
    day: date,
    zone: tzinfo,
    *,
    before_each: Callable[[], None] = lambda: None,
    page: int = PAGE,
    most_pages: int = MOST_PAGES,
) -> DayCount:
    """Count how many visitors reached each of the steps on one day of `zone`.

    `before_each` is called before each request, and ends the reading by what it raises.

    Raises:
        ElasticError: the engine does not answer, refuses, or lacks what is needed.
    """
    before_each()
    alias = quote(environment.naming.alias("event"))
    if not _check_fields(connection, alias, day):
        return DayCount([0] * len(steps))
    count = FunnelCount(steps)
    after: Mapping[str, Any] | None = None
    for _ in range(most_pages):
        before_each()
        answer, page = _page(connection, alias, _search(steps, day, zone, after), page)
        found = answer.get("aggregations", {}).get("events", {})
        try:
            _feed(count, found.get("buckets", ()))
        except OrderError as error:
            raise UncountableError(
                f"The engine gave the events out of order, so they were not counted. {error}"
            ) from error
        after = found.get("after_key")
        if after is None or len(found["buckets"]) < page:
            return DayCount(count.visitors())
    return DayCount(
        count.visitors(),
        f"The day has more events of these types than are counted in one go ({most_pages:,} pages "
        f"of {page:,}), so its figures are too low. Take rarer event types.",
    )


def _feed(count: FunnelCount, buckets: Iterable[Mapping[str, Any]]) -> None:
    for bucket in buckets:
        key = bucket["key"]
        count.feed(key["profile"], int(key["time"]), key["type"], bucket["doc_count"])


def _search(
    steps: Sequence[str], day: date, zone: tzinfo, after: Mapping[str, Any] | None
) -> Search:
    begin, end = (one.astimezone(UTC).isoformat() for one in limits(day, zone))
    search = (
        Search()
        .extra(size=0, track_total_hits=False, timeout=f"{_SEARCH_SECONDS}s")
        .filter("range", **{TIME: {"gte": begin, "lt": end, "format": _FORMAT}})
        .filter("terms", **{TYPE: sorted(set(steps))})
    )
    # An event without a profile is nobody's: the aggregation leaves it out.
    sources = [
        {name: A("terms", field=field).to_dict()}
        for name, field in (("profile", PROFILE), ("time", TIME), ("type", TYPE))
    ]
    options = {"after": dict(after)} if after is not None else {}
    search.aggs.bucket("events", "composite", sources=sources, **options)
    return search


def _page(
    connection: Connection, alias: str, search: Search, size: int
) -> tuple[Mapping[str, Any], int]:
    """Return an answer, and the size of page that the engine takes."""
    while True:
        body = search.to_dict()
        body["aggs"]["events"]["composite"]["size"] = size
        try:
            answer = connection.request(
                "POST", f"/{alias}/_search", params=_THERE, body=body, timeout=REQUEST_SECONDS
            )
        except Refused as error:
            if "search.max_buckets" not in error.detail or size <= _LEAST_PAGE:
                raise
            size = max(size // 4, _LEAST_PAGE)
            continue
        _check_whole(answer)
        return answer, size


def _check_whole(answer: Mapping[str, Any]) -> None:
    shards = answer["_shards"]
    if shards["failed"]:
        raise UncountableError(
            f"{shards['failed']} of {shards['total']} parts of the events gave no answer, so the "
            "day was not counted."
        )
    if answer["timed_out"]:
        raise UncountableError(
            f"The engine did not read the day within {_SEARCH_SECONDS} seconds, so it was not "
            "counted."
        )


def _check_fields(connection: Connection, alias: str, day: date) -> bool:
    """Check that what may hold the day can be counted; return whether there is any index."""
    params = {**_THERE, "fields": ",".join(_KINDS), "include_unmapped": "true"}
    answer = connection.request(
        "GET", f"/{alias}/_field_caps", params=params, timeout=REQUEST_SECONDS
    )
    for field, kind in _KINDS.items():
        lacking = _lacking(answer["indices"], answer["fields"].get(field, {}), kind, day)
        if lacking:
            raise UncountableError(
                f"The mapping of {first_few(lacking, 3)} does not have {field} as {kind}, "
                "so the day was not counted. Give the index the mapping that Tracardi's template "
                "has (docs/funnels.md)."
            )
    return bool(answer["indices"])


def _lacking(
    indices: Sequence[str], kinds: Mapping[str, Mapping[str, Any]], kind: str, day: date
) -> list[str]:
    """Return the indices in which a field is of another kind, or not there on that day."""
    fine = kinds.get(kind, {})
    good: set[str] = set()
    if fine.get("aggregatable"):
        # Where all are alike, the engine names none.
        good = set(fine.get("indices") or indices) - set(fine.get("non_aggregatable_indices") or ())
    # Of an index without the field no part fails; what is of that day would be left out unseen.
    unmapped = set(kinds.get("unmapped", {}).get("indices") or (() if kinds else indices))
    bad = (name for name in indices if name not in good)
    return [name for name in bad if name not in unmapped or _may_hold(name, day)]


def _may_hold(index: str, day: date) -> bool:
    """Answer whether an index may hold events of a day: not one of an earlier month alone."""
    when, first = period(index), day - timedelta(days=1)
    return when == (0, 0) or when >= (first.year, first.month)
