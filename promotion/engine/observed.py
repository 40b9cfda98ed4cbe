"""What a visit did, judged against what was expected of it; pure."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from promotion.engine.workflow import NEGATED, Expectation, Kind, WorkflowTest

# Tracardi's words in a log of a flow's run; the edge leads to the node that ran next.
_EDGE: Final = re.compile(r"\bedge (\S+) executed\b")
# In logs, what is worse than these is an error.
_HARMLESS: Final = frozenset({"info", "debug", "warning"})
# What a field is that is not there: it equals nothing.
_ABSENT: Final = object()


@dataclass(frozen=True)
class Observation:
    """What is known of one visit.

    `answers` are those of `/track`, one an event. `events`, `profile` and `logs` are documents of
    staging's indices. `rules` are the names of staging's rules by id: events tell names alone. What
    did not come in time is named in `missing`; then nothing that must *not* be is taken for proved.
    """

    answers: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]] = ()
    profile: Mapping[str, Any] | None = None
    logs: Sequence[Mapping[str, Any]] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    """One expectation, whether it held, and in words what happened."""

    expectation: Expectation
    ok: bool
    expected: str
    happened: str

    def to_dict(self) -> dict[str, Any]:
        one = self.expectation
        return {
            "kind": one.kind.value,
            "subject": one.subject,
            "ok": self.ok,
            "expected": self.expected,
            "happened": self.happened,
        }


def judge(test: WorkflowTest, seen: Observation) -> list[Outcome]:
    """Return each expectation of a test with what happened."""
    facts = _Facts.of(test, seen)
    return [_judged(one, facts, seen) for one in test.expected]


@dataclass(frozen=True)
class _Facts:
    flows: frozenset[str]
    rules: frozenset[str]
    raised: frozenset[str]
    errors: tuple[str, ...]

    @classmethod
    def of(cls, test: WorkflowTest, seen: Observation) -> "_Facts":
        types = Counter(_type(one) for one in seen.events)
        # Each of the same type that was sent is one that no flow raised.
        raised = types - Counter(sent.type for sent in test.events)
        flows, rules = _processed(seen, "flows"), _processed(seen, "rules")
        return cls(flows, rules, frozenset(raised), tuple(_errors(seen)))


def _processed(seen: Observation, what: str) -> frozenset[str]:
    """Return the ids of flows, or the names of rules, that a visit's events tell of."""
    found: set[str] = set()
    for one in seen.events:
        processed = _field(one, "metadata.processed_by") or {}
        found |= set(texts(processed.get(what) if isinstance(processed, Mapping) else ()))
    return frozenset(found)


def texts(value: object) -> list[str]:
    """Return the texts of a list in a document of Tracardi's; anything else is no list."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def clean(text: str) -> str:
    """Return a text that a database and a page can hold."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _type(event: Mapping[str, Any]) -> str:
    return str(event.get("type") or "")


def flows_ran(seen: Observation) -> dict[str, list[str]]:
    """Return the flows that ran, by id, each with the ids of the edges that were gone along.

    What logs alone tell of counts too.
    """
    logged = {str(log["flow_id"]) for log in seen.logs if log.get("flow_id")}
    flows = sorted(_processed(seen, "flows") | logged)
    return {clean(flow): sorted(map(clean, edges_ran(seen.logs, flow))) for flow in flows}


def rules_fired(seen: Observation) -> list[str]:
    """Return the ids of the rules that fired; of several with one name all, for none is known."""
    names = _processed(seen, "rules")
    return sorted(rule for rule, name in seen.rules.items() if name in names)


def not_seen(test: WorkflowTest, events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the types of the events that were sent and are not among staging's, in order."""
    there = Counter(map(_type, events))
    sent = Counter(event.type for event in test.events)
    return list((sent - there).elements())


def _errors(seen: Observation) -> Iterator[str]:
    for one in seen.logs:
        kind = str(one.get("type") or one.get("level") or "").lower()
        if kind not in _HARMLESS:
            yield str(one.get("message", ""))[:200]
    for one in seen.events:
        if _field(one, "metadata.error"):
            yield f"event {one.get('type')} has an error"


def _judged(one: Expectation, facts: _Facts, seen: Observation) -> Outcome:
    rule = seen.rules.get(one.subject, one.subject)
    named = f"“{one.subject}”"
    match one.kind:
        case Kind.FLOW | Kind.NOT_FLOW:
            return _present(one, f"flow {named} runs", one.subject, facts.flows, seen)
        case Kind.RULE | Kind.NOT_RULE:
            # Events tell the names of rules. Of two with one name nobody can say which it was.
            return _present(one, f"rule “{rule}” fires", rule, facts.rules, seen)
        case Kind.SEGMENT | Kind.NOT_SEGMENT:
            return _of_profile(one, f"the profile is in segment {named}", "segments", seen)
        case Kind.CONSENT | Kind.NOT_CONSENT:
            return _of_profile(one, f"the profile gave consent {named}", "consents", seen)
        case Kind.EVENT:
            return _present(one, f"event {named} is raised", one.subject, facts.raised, seen)
        case Kind.ANSWER:
            found = [_field(answer, one.subject, _ABSENT) for answer in seen.answers]
            # The last one that has the field: a flow answers to the event that it ran for.
            there = [value for value in found if value is not _ABSENT]
            return _equal(one, "of the answer", there[-1] if there else _ABSENT)
        case Kind.TRAIT:
            # As a person writes it: `last_total`, or the whole path of what is no trait.
            places = (f"traits.{one.subject}", one.subject)
            found = [_field(seen.profile, path, _ABSENT) for path in places]
            there = [value for value in found if value is not _ABSENT]
            return _equal(one, "of the profile", there[0] if there else _ABSENT)
        case Kind.NO_ERROR:
            return _without_errors(one, facts, seen)


def _of_profile(one: Expectation, words: str, name: str, seen: Observation) -> Outcome:
    """Judge what a profile is or is not: of one that nobody saw, nothing is known."""
    held = _field(seen.profile, name, _ABSENT)
    if held is None:
        held = []
    if not isinstance(held, list | Mapping):
        expected = f"not: {words}" if one.kind in NEGATED else words
        why = _missing(seen) if seen.missing else "no profile that says so was seen"
        return Outcome(one, False, expected, f"not known: {why}")
    return _present(one, words, one.subject, frozenset(map(str, held)), seen)


def _present(
    one: Expectation, words: str, subject: str, found: Iterable[str], seen: Observation
) -> Outcome:
    there, negated = subject in set(found), one.kind in NEGATED
    expected = f"not: {words}" if negated else words
    happened = f"there: {', '.join(sorted(found)) or 'none'}"
    if negated and not there and seen.missing:
        # It may only not have come yet.
        return Outcome(one, False, expected, f"not known: {_missing(seen)}")
    if not there and seen.missing:
        happened += f"; {_missing(seen)}"
    return Outcome(one, there != negated, expected, happened)


def _equal(one: Expectation, whose: str, found: Any) -> Outcome:
    expected = f"{one.subject} {whose} is {_shown(one.value)}"
    if found is _ABSENT:
        return Outcome(one, False, expected, "not there")
    return Outcome(one, _same(found, one.value), expected, _shown(found))


def _same(found: Any, wanted: Any) -> bool:
    """Answer whether two JSON values are equal; 1 is no true, and 250 is 250.0."""
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted)


def _without_errors(one: Expectation, facts: _Facts, seen: Observation) -> Outcome:
    expected = "no error in the logs"
    if facts.errors:
        more = f", and {len(facts.errors) - 1} more" if len(facts.errors) > 1 else ""
        return Outcome(one, False, expected, f"{facts.errors[0]}{more}")
    if seen.missing:
        return Outcome(one, False, expected, f"not known: {_missing(seen)}")
    return Outcome(one, True, expected, "none")


def _missing(seen: Observation) -> str:
    return f"{', '.join(seen.missing)} did not come in time"


def _shown(value: Any) -> str:
    return f"“{value}”" if isinstance(value, str) else str(value)[:200]


def _field(value: object, path: str, otherwise: Any = None) -> Any:
    """Return a field by its dotted path; a key may hold dots itself."""
    if not isinstance(value, Mapping):
        return otherwise
    if path in value:
        return value[path]
    for place, letter in enumerate(path):
        if letter == "." and path[:place] in value:
            found = _field(value[path[:place]], path[place + 1 :], _ABSENT)
            if found is not _ABSENT:
                return found
    return otherwise


def edges_ran(logs: Iterable[Mapping[str, Any]], flow: str) -> frozenset[str]:
    """Return the ids of a flow's edges that were gone along, by the logs of its run."""
    found = set()
    for one in logs:
        match = _EDGE.search(str(one.get("message", "")))
        if one.get("flow_id") == flow and match is not None:
            found.add(match.group(1))
    return frozenset(found)
