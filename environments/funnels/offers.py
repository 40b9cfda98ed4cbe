"""The event types that a form of funnels offers: those that are kept, or came of late."""

from typing import Any, Final

from elasticsearch_dsl import Search

from environments.elastic import connect
from environments.flowgraph import shown
from environments.funnels.models import LONGEST_STEP
from environments.funnels.reading import TIME, TYPE
from environments.models import Environment
from environments.together import together

# A list that a person looks through; any other type may be typed.
MOST_OFFERED: Final = 500
DAYS: Final = 30
# A person waits for the form: it comes without, rather than late.
_SEARCH_SECONDS, _REQUEST_SECONDS = 2, 3.0


def event_types(environment: Environment) -> list[str]:
    """Return the event types of event management and of the last DAYS days, in order.

    Raises:
        ElasticError: the cluster refused, or does not answer.
    """
    kept = Search().extra(size=MOST_OFFERED, _source=["event_type"], timeout=f"{_SEARCH_SECONDS}s")
    came = (
        Search()
        .extra(size=0, track_total_hits=False, timeout=f"{_SEARCH_SECONDS}s")
        .filter("range", **{TIME: {"gte": f"now-{DAYS}d/d"}})
    )
    came.aggs.bucket("types", "terms", field=TYPE, size=MOST_OFFERED)
    asked = (("event-management", kept.to_dict()), ("event", came.to_dict()))
    body = together(environment.naming, asked)
    connection = connect(environment.cluster)
    answer = connection.request("POST", "/_msearch", body=body, timeout=_REQUEST_SECONDS)
    managed, seen = answer["responses"]
    found: set[Any] = {
        (hit.get("_source") or {}).get("event_type")
        for hit in managed.get("hits", {}).get("hits", ())
    }
    types = seen.get("aggregations", {}).get("types", {}).get("buckets", ())
    found |= {one["key"] for one in types}
    texts = {one for one in found if isinstance(one, str) and 0 < len(one) <= LONGEST_STEP}
    # One that holds what nobody sees cannot be typed either.
    return sorted(one for one in texts if one == shown(one))[:MOST_OFFERED]
