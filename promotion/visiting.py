"""Sends one workflow test's visit to staging, and reads what it did there."""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings

from environments.collector import Collector, CollectorError
from environments.elastic import Connection
from environments.marks import TEST_MARK
from environments.naming import Naming
from promotion.engine.observed import Observation, not_seen
from promotion.engine.workflow import Event, Profile, WorkflowTest

_MOST: Final = 500
_FIRST_LOOK_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.5
# Nothing may change for so long before what is there is taken for all.
_SETTLED_SECONDS: Final = 0.6
_REQUEST_SECONDS: Final = 10.0


@dataclass
class Visit:
    """One visit: what was sent and answered, in order, and what was seen of it afterwards."""

    session: str
    exchange: list[dict[str, Any]] = field(default_factory=list)
    seen: Observation = field(default_factory=lambda: Observation(()))


class Pace:
    """Lets no more visits pass than staging can take, whoever asks."""

    def __init__(self, per_second: float) -> None:
        self._seconds = 1 / per_second
        self._next = 0.0

    def wait(self) -> None:
        """Return when the next request may be sent."""
        now = time.monotonic()
        if self._next > now:
            time.sleep(self._next - now)
        self._next = max(now, self._next) + self._seconds


@dataclass
class Visitor:
    """Sends visits to one staging. `alive` is called often, and raises where it is to stop."""

    collector: Collector
    connection: Connection
    naming: Naming
    rules: Mapping[str, str]
    pace: Pace
    alive: Callable[[], None]

    def visit(self, test: WorkflowTest, visit: Visit) -> None:
        """Send a test's events one after the other, and fill in what they did.

        Raises:
            CollectorError: one got no answer; what was sent until then is in the exchange.
            ElasticError: staging's indices cannot be read.
        """
        profile = f"{TEST_MARK}{secrets.token_hex(8)}" if test.profile is Profile.NEW else ""
        answers = []
        for event in test.events:
            self.alive()
            self.pace.wait()
            sent = _payload(test, event, visit.session, profile)
            visit.exchange.append({"sent": sent})
            answer = self.collector.track(sent)
            visit.exchange[-1]["answer"] = answer
            answers.append(answer)
            # Tracardi may know the visitor by another id from its first event on.
            known = answer.get("profile")
            profile = str((known.get("id") if isinstance(known, Mapping) else None) or profile)
        visit.seen = self._observe(test, visit.session, profile, answers)

    def _observe(
        self, test: WorkflowTest, session: str, profile: str, answers: list[dict[str, Any]]
    ) -> Observation:
        """Wait until all events are there and nothing changes any more, or the bound is reached."""
        deadline = time.monotonic() + settings.WORKFLOW_WAIT_SECONDS
        pause, since, last = _FIRST_LOOK_SECONDS, time.monotonic(), None
        while True:
            self.alive()
            events = self._documents("event", {"term": {"session.id": session}})
            ids = [str(one.get("id")) for one in events]
            logs = self._documents("console-log", {"terms": {"event_id": ids}}) if ids else []
            found = self._documents("profile", {"term": {"id": profile}}) if profile else []
            missing = [f"the event {kind}" for kind in not_seen(test, events)]
            if (profile or test.profile is Profile.NEW) and not found:
                missing = [*missing, "the profile"]
            seen = Observation(
                answers, events, found[0] if found else None, logs, self.rules, missing
            )
            now = time.monotonic()
            if (state := (events, logs, found)) != last:
                last, since = state, now
            if now > deadline or (not missing and now - since >= _SETTLED_SECONDS):
                return seen
            time.sleep(pause)
            pause = min(pause * 2, _LOOK_SECONDS)

    def _documents(self, resource: str, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the documents of one of staging's own indices; none where it is not there yet."""
        path, there = f"/{self.naming.alias(resource)}", {"ignore_unavailable": "true"}
        self.connection.request("POST", f"{path}/_refresh", params=there)
        # A part of them proves nothing: an error of the engine's then.
        there["allow_partial_search_results"] = "false"
        answer = self.connection.request(
            "POST",
            f"{path}/_search",
            params=there,
            body={"size": _MOST, "query": query, "sort": ["_doc"]},
            timeout=_REQUEST_SECONDS,
        )
        hits = [hit["_source"] for hit in answer["hits"]["hits"]]
        if len(hits) == _MOST:
            raise CollectorError(f"It left {_MOST} or more of {resource}: too many to judge.")
        # In one order, so that two looks at the same are equal.
        return sorted(hits, key=lambda one: str(one.get("id") or one.get("metadata")))


def _payload(test: WorkflowTest, event: Event, session: str, profile: str) -> dict[str, Any]:
    return {
        "source": {"id": test.source},
        "session": {"id": session},
        **({"profile": {"id": profile}} if profile else {}),
        "context": {},
        "options": {},
        "events": [{"type": event.type, "properties": dict(event.properties)}],
    }


def new_session(run: int, place: int) -> str:
    """Return a session's id that was never there, and tells where it is from."""
    return f"{TEST_MARK}{run}-{place}-{secrets.token_hex(6)}"
