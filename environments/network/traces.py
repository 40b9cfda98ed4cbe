"""Looks in production's events for any that came from staging: two searches, which return counts.

What tells them are the mark of this console's workflow tests, and the server of Tracardi that took
an event (`metadata.instance.id`): one that takes staging's events has no business in production.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from environments.elastic import ElasticError, connect
from environments.marks import TEST_MARK
from environments.models import Environment
from environments.network.facts import Traces

DAYS: Final = 30
# So many servers of staging are looked for; a server that starts again counts as another.
_MOST: Final = 500
_SEARCH_SECONDS, _REQUEST_SECONDS = 4, 6.0
_SERVER, _SESSION, _TIME = "metadata.instance.id", "session.id", "metadata.time.insert"
_MARKED: Final = {"prefix": {_SESSION: TEST_MARK}}


def find_traces(staging: Environment, production: Environment) -> Traces:
    """Return what of staging's is in production's events of the last DAYS days."""
    try:
        of_staging = _search(
            staging,
            {
                "servers": {"terms": {"field": _SERVER, "size": _MOST}},
                "marked": {"filter": _MARKED},
            },
        )
        servers = [str(one["key"]) for one in of_staging.get("servers", {}).get("buckets", ())]
        last = {"last": {"max": {"field": _TIME}}}
        foreign = {"bool": {"filter": {"terms": {_SERVER: servers}}, "must_not": _MARKED}}
        found = _search(
            production,
            {
                "marked": {"filter": _MARKED, "aggs": last},
                "foreign": {"filter": foreign, "aggs": last},
            },
        )
    except ElasticError as error:
        return Traces(problem=str(error))
    return Traces(
        servers=len(servers),
        has_test_events=_count(of_staging, "marked") > 0,
        marked=_count(found, "marked"),
        marked_last=_last(found, "marked"),
        foreign=_count(found, "foreign"),
        foreign_last=_last(found, "foreign"),
        days=DAYS,
    )


def _search(environment: Environment, aggregations: Mapping[str, Any]) -> Mapping[str, Any]:
    path = f"/{quote(environment.naming.alias('event'))}/_search"
    body = {
        "size": 0,
        "timeout": f"{_SEARCH_SECONDS}s",
        "query": {"range": {_TIME: {"gte": f"now-{DAYS}d"}}},
        "aggs": aggregations,
    }
    answer = connect(environment.cluster).request(
        "POST", path, params={"ignore_unavailable": "true"}, body=body, timeout=_REQUEST_SECONDS
    )
    if answer["timed_out"] or answer["_shards"]["failed"]:
        raise ElasticError(f"{environment}'s events were read in part alone. Check again.")
    found: Mapping[str, Any] = answer.get("aggregations", {})
    return found


def _count(found: Mapping[str, Any], name: str) -> int:
    return int(found.get(name, {}).get("doc_count", 0))


def _last(found: Mapping[str, Any], name: str) -> datetime | None:
    value = found.get(name, {}).get("last", {}).get("value")
    return datetime.fromtimestamp(value / 1000, UTC) if value is not None else None
