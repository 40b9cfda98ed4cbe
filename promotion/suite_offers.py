"""What a form of workflow tests offers: what staging really has, and its recent sessions."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from environments.documents import title
from environments.elastic import connect
from environments.flowgraph import member, shown
from environments.marks import TEST_MARK
from environments.masking import masked
from environments.models import Environment
from promotion.engine.observed import texts
from promotion.engine.workflow import MOST_EVENTS, RESOURCES, Kind
from promotion.suite_running import rule_names

# What a form of tests asks for: a source, and what expectations name.
OFFERED: Final = sorted({*RESOURCES.values(), "event-source"})
# A list that a person looks through; any other id may be typed.
MOST_OFFERED: Final = 500
MOST_SESSIONS: Final = 25
# So many of the newest events are looked through for sessions.
_NEWEST: Final = 500
_MOST_OF_A_SESSION: Final = 200
_SECONDS: Final = 8.0
# What Tracardi raises by itself for each new visitor and session (docs/tracardi.md).
RAISED_BY_ITSELF: Final = frozenset(
    {"profile-created", "session-opened", "visit-started", "visit-ended"}
)


@dataclass(frozen=True)
class Offer:
    """One thing that staging has: what is written into a test, and what people call it."""

    id: str
    title: str


@dataclass(frozen=True)
class Offers:
    """What staging has, by resource, by title. `partial` are the labels of those cut short."""

    by_resource: Mapping[str, Sequence[Offer]] = field(default_factory=dict)
    partial: Sequence[str] = ()

    def of(self, resource: str) -> Sequence[Offer]:
        return self.by_resource.get(resource, ())


def offers(environment: Environment) -> Offers:
    """Return what staging has as Tracardi reads it now, MOST_OFFERED of each resource at most.

    Raises:
        ElasticError: the cluster refused, or does not answer.
    """
    found: dict[str, list[Offer]] = {}
    partial = []
    for name in OFFERED:
        resource = environment.catalogue.get(name)
        body = {
            "size": MOST_OFFERED,
            "_source": ["name", "machine_name"],
            "track_total_hits": True,
            "sort": ["_doc"],
        }
        answer = _search(environment, name, body)
        hits = answer["hits"]["hits"]
        listed = [_offer(name, hit["_id"], hit.get("_source") or {}) for hit in hits]
        found[name] = sorted(listed, key=lambda one: (one.title.casefold(), one.id))
        if int(answer["hits"]["total"]["value"]) > len(hits):
            partial.append(resource.label)
    return Offers(found, partial)


def _offer(resource: str, doc_id: str, source: Mapping[str, Any]) -> Offer:
    known_as = source.get("machine_name") if resource == "segment" else None
    return Offer(shown(str(known_as or doc_id)), shown(title(doc_id, source)))


@dataclass(frozen=True)
class Session:
    """A recent session on staging: what was sent in it, in order, and when it was last."""

    id: str
    source: str
    types: Sequence[str]
    last: datetime | None


def recent_sessions(environment: Environment) -> list[Session]:
    """Return the sessions of staging's newest events, the newest first; none of a workflow test.

    Raises:
        ElasticError: the cluster refused, or does not answer.
    """
    body = {
        "size": _NEWEST,
        "_source": ["session.id", "type", "source.id", "metadata.time.insert"],
        "query": {"bool": {"must_not": [{"prefix": {"session.id": TEST_MARK}}]}},
        "sort": [_newest("desc")],
    }
    by_session: dict[str, list[dict[str, Any]]] = {}
    for hit in _search(environment, "event", body)["hits"]["hits"]:
        source = hit["_source"]
        session = member(source, "session", "id")
        # One that cannot be asked for again is nobody's to record.
        if isinstance(session, str) and session and session == shown(session):
            by_session.setdefault(session, []).append(source)
    return [
        Session(
            session,
            _id(some[0], "source"),
            [_type(one) for one in _sent(reversed(some))],
            _moment(some[0]),
        )
        for session, some in list(by_session.items())[:MOST_SESSIONS]
    ]


def recorded(environment: Environment, session: str) -> dict[str, Any] | None:
    """Return a test's form filled from a session, as `WorkflowTest.to_dict` has it; None without.

    What Tracardi raised by itself was not sent, and is expected; so are the flows and rules that
    ran. Properties are masked as everywhere: what is secret must be filled in again.

    Raises:
        ElasticError: the cluster refused, or does not answer.
    """
    body = {
        "size": _MOST_OF_A_SESSION,
        "query": {"term": {"session.id": session}},
        "sort": [_newest("asc")],
    }
    hits = _search(environment, "event", body)["hits"]["hits"]
    events = [masked("event", hit["_source"]) for hit in hits]
    sent = _sent(events)
    if not sent:
        return None
    names = rule_names(environment)
    ran = {what: _processed(events, what) for what in ("flows", "rules")}
    expect: dict[str, Any] = {
        Kind.FLOW.value: sorted(ran["flows"]),
        Kind.RULE.value: sorted(one for one, name in names.items() if name in ran["rules"]),
        Kind.EVENT.value: sorted({_type(one) for one in events} & RAISED_BY_ITSELF),
        Kind.NO_ERROR.value: True,
    }
    return {
        "name": "",
        "source": _id(sent[0], "source"),
        "profile": "new",
        "events": [
            {"type": _type(one), "properties": _properties(one)} for one in sent[:MOST_EVENTS]
        ],
        "expect": expect,
    }


def _sent(events: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in events if _type(one) not in RAISED_BY_ITSELF]


def _type(event: Mapping[str, Any]) -> str:
    return shown(str(event.get("type") or ""))


def _properties(event: Mapping[str, Any]) -> dict[str, Any]:
    held = event.get("properties")
    # As a page can hold it: half a character in a text becomes a question mark.
    found = json.loads(shown(json.dumps(held, ensure_ascii=False))) if held else {}
    return found if isinstance(found, dict) else {}


def _processed(events: Sequence[Mapping[str, Any]], what: str) -> set[str]:
    found: set[str] = set()
    for one in events:
        found |= set(texts(member(one, "metadata", "processed_by", what)))
    return found


def _id(source: Mapping[str, Any], what: str) -> str:
    held = source.get(what)
    return shown(str(held.get("id") or "")) if isinstance(held, Mapping) else ""


def _moment(source: Mapping[str, Any]) -> datetime | None:
    """Return when an event came; Tracardi writes UTC without saying so."""
    try:
        found = datetime.fromisoformat(str(source["metadata"]["time"]["insert"]))
    except (KeyError, TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _newest(order: str) -> dict[str, Any]:
    # A month without events has no mapping of the field yet.
    return {"metadata.time.insert": {"order": order, "unmapped_type": "date"}}


def _search(environment: Environment, name: str, body: object) -> Any:
    path = f"/{quote(environment.naming.alias(name))}/_search"
    params = {"ignore_unavailable": "true"}
    return connect(environment.cluster).request(
        "POST", path, params=params, body=body, timeout=_SECONDS
    )
