"""Reads an environment's configuration to be said in words: a few requests, however much it holds.

Only what sentences and references need is asked for, so that most settings never leave the engine;
what comes is masked before anything is said of it. What was read is kept until anything is written.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from environments.documents import digest
from environments.elastic import ElasticError, Refused, connect
from environments.masking import masked
from environments.models import Environment
from environments.together import is_whole, together
from environments.ways import Key
from environments.words.configuration import BESIDES, KINDS, Configuration
from environments.words.flows import FlowFacts, flow_facts

# So many documents of a kind are read, and so many flows looked into for one page.
MOST: Final = 5_000
MOST_FLOWS: Final = 500
_FLOWS_AT_ONCE: Final = 50
_MOST_KEPT: Final = 6
_KEPT_FACTS: Final = 20_000
_SECONDS: Final = 12.0

_ALL: Final = ("name", "description", "enabled")
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "event-source": ("bridge", "channel", "requires_consent"),
    "event-management": ("journey", "tags"),
    "rule": ("type", "event_type", "source", "segment", "flow", "properties"),
    # Its graphs are large: they are read apart, of those flows that matter.
    "flow": (),
    "segment": ("condition", "eventType", "machine_name"),
    "live-segment": ("type", "condition", "operation", "segment", "workflow"),
    "destination": ("event_type", "source", "resource", "on_profile_change_only", "condition"),
    "consent-type": ("default_value", "required", "revokable", "auto_revoke"),
    "consent-data-compliance": ("event_type", "settings"),
    "identification-point": ("event_type", "source", "fields"),
    "event-validation": ("event_type", "validation"),
    "event-reshaping": ("event_type", "event_source", "reshaping"),
    "event-to-profile": ("event_type", "event_to_profile"),
    "event-redirect": ("event_type", "source", "url"),
    "event-tags": ("type", "tags"),
    "resource": ("type",),
    "bridge": (),
}
# One writing of a flow: the UUID of its index, its id, and what is another after the next.
_Mark: TypeAlias = tuple[object, ...]


class UnreadableError(ElasticError):
    """The cluster answered, and let nothing of the configuration be read."""


@dataclass(frozen=True)
class Reading:
    """A configuration as it was read.

    `notes` say in words what is not whole. `flows` are marks of the flows, by id: what was learned
    of one holds as long as its mark is the same. `held` are the documents that the engine gave,
    `indices` the UUIDs of what they are in, and `is_broken` says that it gave less than it has.
    """

    configuration: Configuration
    notes: tuple[str, ...]
    flows: Mapping[str, _Mark]
    held: frozenset[Key]
    indices: Mapping[str, str]
    is_broken: bool


# What flows do, by their marks: to unpack the graphs of some hundred takes a second.
_facts: Final[dict[_Mark, FlowFacts]] = {}
# The last readings, each with the state of the indices before it, by environment.
_kept: Final[dict[int, tuple[str, Reading]]] = {}
_guard: Final = threading.Lock()


def read_configuration(
    environment: Environment, also: tuple[Key, Mapping[str, Any]] | None = None
) -> Reading:
    """Return the documents that have sentences, MOST of each kind.

    `also` is one that was read already, masked: it is there though there are more than are read.

    Raises:
        ElasticError: the cluster refused, or does not answer.
    """
    # Before it is read: what is written meanwhile makes the next state another one.
    state, indices = _state(environment)
    known = _kept.get(environment.pk)
    if known is not None and state and known[0] == state and _holds(known[1], also):
        return known[1]
    reading = _read(environment, indices, also)
    if state and not reading.is_broken and _holds(reading, also):
        with _guard:
            _kept.pop(environment.pk, None)
            _kept[environment.pk] = (state, reading)
            while len(_kept) > _MOST_KEPT:
                del _kept[next(iter(_kept))]
    return reading


def _holds(reading: Reading, also: tuple[Key, Mapping[str, Any]] | None) -> bool:
    """Say whether a document has a place among those that are read for everybody."""
    if also is None or also[0][0] not in KINDS:
        return True
    return also[0] in reading.held


def _state(environment: Environment) -> tuple[str, dict[str, str]]:
    """Return what is another one after each write that a search sees, and UUIDs by index.

    Of each copy of each shard: how far it was written to, and how often a search got to see more.
    Both are empty where nobody may know.
    """
    names = ",".join(environment.naming.alias(kind) for kind in KINDS)
    facts = (
        "uuid",
        "shards.*.seq_no.max_seq_no",
        "shards.*.refresh.total",
        "shards.*.routing.node",
    )
    params = {
        "level": "shards",
        "ignore_unavailable": "true",
        "filter_path": ",".join(f"indices.*.{one}" for one in facts),
    }
    try:
        answer = connect(environment.cluster).request(
            "GET", f"/{names}/_stats/refresh", params=params
        )
    except Refused:
        return "", {}
    uuids = {name: str(one.get("uuid")) for name, one in answer.get("indices", {}).items()}
    return digest([answer, MOST]), uuids


def _read(
    environment: Environment,
    indices: Mapping[str, str],
    also: tuple[Key, Mapping[str, Any]] | None,
) -> Reading:
    kinds = [*KINDS, *BESIDES]
    searches = [
        (
            kind,
            {
                "size": MOST,
                "track_total_hits": True,
                "seq_no_primary_term": kind == "flow",
                "_source": [*_ALL, *_FIELDS[kind]],
            },
        )
        for kind in kinds
    ]
    answers = dict(zip(kinds, _search(environment, searches), strict=True))
    if all("error" in answer for answer in answers.values()):
        raise UnreadableError("The search engine refused to read the configuration.")
    documents: dict[str, dict[str, Mapping[str, Any]]] = {}
    whole, notes, is_broken = set(), [], False
    for kind, answer in answers.items():
        label = KINDS[kind][0] if kind in KINDS else ""
        hits = answer.get("hits", {}).get("hits", ())
        documents[kind] = {hit["_id"]: masked(kind, hit.get("_source") or {}) for hit in hits}
        trouble = _trouble(label, answer, len(hits))
        is_broken = is_broken or not is_whole(answer)
        if trouble and label:
            notes.append(trouble)
        elif not trouble and label:
            # Bridges are the installation's: that one is not there is nobody's business here.
            whole.add(kind)
    held = frozenset((kind, doc_id) for kind, them in documents.items() for doc_id in them)
    if also is not None and also[0][0] in KINDS:
        (kind, doc_id), source = also
        documents[kind].setdefault(doc_id, source)
    flows = {hit["_id"]: _mark(indices, hit) for hit in _hits(answers["flow"])}
    made = Configuration(documents, whole)
    return Reading(made, tuple(notes), flows, held, indices, is_broken)


def look_into(environment: Environment, reading: Reading, ids: Iterable[str]) -> int:
    """Let a configuration learn what flows do; return how many were too many for now.

    Those are looked into the next time: what was read of the others is kept.

    Raises:
        ElasticError: the cluster refused, or does not answer.
    """
    known: dict[str, FlowFacts] = {}
    unknown: list[str] = []
    for doc_id in set(ids) & set(reading.configuration.unlearned()):
        facts = _facts.get(reading.flows.get(doc_id, ()))
        if facts is not None:
            known[doc_id] = facts
        elif doc_id in reading.flows:
            unknown.append(doc_id)
    now = unknown[:MOST_FLOWS]
    parts = [now[start : start + _FLOWS_AT_ONCE] for start in range(0, len(now), _FLOWS_AT_ONCE)]
    searches = [
        (
            "flow",
            {
                "size": len(part),
                "seq_no_primary_term": True,
                "_source": ["production"],
                "query": {"ids": {"values": part}},
            },
        )
        for part in parts
    ]
    if len(_facts) + len(now) > _KEPT_FACTS:
        _facts.clear()
    for answer in _search(environment, searches) if searches else ():
        for hit in _hits(answer):
            facts = flow_facts((hit.get("_source") or {}).get("production"))
            known[hit["_id"]] = facts
            if mark := _mark(reading.indices, hit):
                _facts[mark] = facts
    reading.configuration.learn(known)
    return sum(doc_id not in known for doc_id in unknown)


def _search(
    environment: Environment, searches: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """Return the answers of searches in one request, each as (resource, body)."""
    answer = connect(environment.cluster).request(
        "POST",
        "/_msearch",
        body=together(environment.naming, searches),
        timeout=_SECONDS,
    )
    found: list[dict[str, Any]] = answer["responses"]
    return found


def _hits(answer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    hits: Sequence[Mapping[str, Any]] = answer.get("hits", {}).get("hits", ())
    return hits


def _mark(indices: Mapping[str, str], hit: Mapping[str, Any]) -> _Mark:
    """Return what is another one after each writing of a flow; empty where its index is unknown."""
    uuid = indices.get(hit.get("_index", ""))
    if uuid is None:
        return ()
    return (uuid, hit["_id"], hit.get("_seq_no"), hit.get("_primary_term"))


def _trouble(label: str, answer: Mapping[str, Any], read: int) -> str:
    """Say in words what keeps an answer from being whole; empty if nothing does."""
    if "error" in answer:
        kind = answer["error"].get("type", "no details")
        return f"{label} could not be read: the search engine refused ({kind})."
    if not is_whole(answer):
        return f"{label} could be read only in part. Open the page again in a moment."
    total = int(answer["hits"]["total"]["value"])
    if total > read:
        return f"{label}: the first {read:,} of {total:,} are shown and searched."
    return ""
