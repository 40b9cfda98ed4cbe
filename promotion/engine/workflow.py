"""Workflow tests: a visit that is sent to staging, and what is expected of it; pure.

A visit is what a browser would send to `/track`: a source, a session, events in their order. What
it did is told by the answers and by staging's event, profile and log indices (docs/tracardi.md).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

# A visit is a handful of events; a file with more is a mistake, or an attack on staging.
MOST_EVENTS: Final = 50
MOST_EXPECTED: Final = 100
LONGEST_NAME: Final = 120
LONGEST_TEXT: Final = 500
# As many as nobody counts to; more are slow to write down.
_MOST_BITS: Final = 1024


class BadWorkflowError(ValueError):
    """Something is no workflow test. `str()` says where, and is fit for people."""


class Profile(StrEnum):
    """Who visits: somebody that staging has never seen, or nobody that it is told of."""

    NEW = "new"
    NONE = "none"


class Kind(StrEnum):
    """What an expectation is about; the values are the words of a test's file."""

    FLOW = "flows"
    NOT_FLOW = "not-flows"
    RULE = "rules"
    NOT_RULE = "not-rules"
    ANSWER = "answer"
    TRAIT = "traits"
    SEGMENT = "segments"
    NOT_SEGMENT = "not-segments"
    CONSENT = "consents"
    NOT_CONSENT = "not-consents"
    EVENT = "events"
    NO_ERROR = "no-errors"


# The resource whose document each names.
RESOURCES: Final[Mapping[Kind, str]] = {
    Kind.FLOW: "flow",
    Kind.NOT_FLOW: "flow",
    Kind.RULE: "rule",
    Kind.NOT_RULE: "rule",
    Kind.SEGMENT: "segment",
    Kind.NOT_SEGMENT: "segment",
    Kind.CONSENT: "consent-type",
    Kind.NOT_CONSENT: "consent-type",
    Kind.EVENT: "event-management",
}
# Those that name what must not be.
NEGATED: Final = frozenset({Kind.NOT_FLOW, Kind.NOT_RULE, Kind.NOT_SEGMENT, Kind.NOT_CONSENT})
# Those that name a field and the value that it must have.
VALUED: Final = frozenset({Kind.ANSWER, Kind.TRAIT})


@dataclass(frozen=True)
class Event:
    """One event of a visit."""

    type: str
    properties: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        more = {"properties": dict(self.properties)} if self.properties else {}
        return {"type": self.type, **more}


@dataclass(frozen=True)
class Expectation:
    """One thing that must be so afterwards; `subject` is an id, a name, or a field's path."""

    kind: Kind
    subject: str = ""
    value: Any = None


@dataclass(frozen=True)
class WorkflowTest:
    """A named visit with what is expected of it."""

    name: str
    source: str
    events: tuple[Event, ...]
    expected: tuple[Expectation, ...]
    profile: Profile = Profile.NEW

    def to_dict(self) -> dict[str, Any]:
        """Return it as a file has it: what is not there is left out."""
        expect: dict[str, Any] = {}
        for one in self.expected:
            if one.kind is Kind.NO_ERROR:
                expect[one.kind.value] = True
            elif one.kind in VALUED:
                expect.setdefault(one.kind.value, {})[one.subject] = one.value
            else:
                expect.setdefault(one.kind.value, []).append(one.subject)
        return {
            "name": self.name,
            "source": self.source,
            "profile": self.profile.value,
            "events": [one.to_dict() for one in self.events],
            "expect": expect,
        }

    @classmethod
    def from_dict(cls, raw: object) -> Self:
        """Return the test that `to_dict` was asked of, or that a person wrote.

        Raises:
            BadWorkflowError: it is none.
        """
        whole = _mapping(raw, "the test", {"name", "source", "profile", "events", "expect"})
        profile = _text(whole.get("profile", Profile.NEW.value), "profile")
        if profile not in set(Profile):
            raise BadWorkflowError(f"profile: {profile!r} is neither new nor none.")
        events = _list(whole.get("events", []), "events", MOST_EVENTS)
        if not events:
            raise BadWorkflowError("events: a visit has at least one event.")
        expected = tuple(_expected(whole.get("expect", {})))
        if not expected:
            # What expects nothing is green whatever happens.
            raise BadWorkflowError("expect: say what must be so afterwards, at least one thing.")
        if len(expected) > MOST_EXPECTED:
            raise BadWorkflowError(f"expect: more than {MOST_EXPECTED} things.")
        return cls(
            name=_text(whole.get("name"), "name", LONGEST_NAME),
            source=_text(whole.get("source"), "source"),
            events=tuple(_event(one, f"events, number {n}") for n, one in enumerate(events, 1)),
            expected=expected,
            profile=Profile(profile),
        )


def _event(raw: object, where: str) -> Event:
    held = _mapping(raw, where, {"type", "properties"})
    properties = held.get("properties") or {}
    if not isinstance(properties, Mapping):
        raise BadWorkflowError(f"{where}, properties: that is not a list of fields.")
    _plain(properties, f"{where}, properties")
    return Event(_text(held.get("type"), f"{where}, type"), properties)


def _expected(raw: object) -> Iterator[Expectation]:
    held = _mapping(raw, "expect", {kind.value for kind in Kind})
    for kind in Kind:
        if kind.value not in held:
            continue
        where, value = f"expect, {kind.value}", held[kind.value]
        if kind is Kind.NO_ERROR:
            if not isinstance(value, bool):
                raise BadWorkflowError(f"{where}: write true or false.")
            if value:
                yield Expectation(kind)
        elif kind in VALUED:
            if not isinstance(value, Mapping):
                raise BadWorkflowError(f"{where}: write each field with its value.")
            for path, wanted in value.items():
                _plain(wanted, where)
                yield Expectation(kind, _text(path, where), wanted)
        else:
            for one in _list(value, where, MOST_EXPECTED):
                yield Expectation(kind, _text(one, where))


def _mapping(raw: object, where: str, known: Iterable[str]) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise BadWorkflowError(f"{where}: that is not a list of fields.")
    names = set(known)
    for name in raw:
        if name not in names:
            raise BadWorkflowError(
                f"{where}: nothing is called {str(name)[:60]!r} here. There are "
                f"{', '.join(sorted(names))}."
            )
    return raw


def _list(raw: object, where: str, most: int) -> Sequence[object]:
    if not isinstance(raw, list | tuple):
        raise BadWorkflowError(f"{where}: that is not a list.")
    if len(raw) > most:
        raise BadWorkflowError(f"{where}: more than {most}.")
    return raw


def _text(raw: object, where: str, most: int = LONGEST_TEXT) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise BadWorkflowError(f"{where}: that is no text.")
    if len(raw) > most:
        raise BadWorkflowError(f"{where}: longer than {most} characters.")
    _keepable(raw, where)
    return raw.strip()


def _keepable(text: str, where: str) -> None:
    """Refuse what no database, and no file, holds: half a character, and the one of no meaning."""
    if "\0" in text or any("\ud800" <= one <= "\udfff" for one in text):
        raise BadWorkflowError(f"{where}: it has a character that cannot be kept.")


def _plain(value: object, where: str, depth: int = 0) -> None:
    """Refuse what JSON does not hold: YAML knows dates, and keys that are no text."""
    if depth > 20:
        raise BadWorkflowError(f"{where}: nested too deep.")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise BadWorkflowError(f"{where}: the field {key!r} is no text; put it in quotes.")
            _keepable(key, where)
            _plain(inner, where, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            _plain(inner, where, depth + 1)
    elif value is not None and not isinstance(value, str | int | float | bool):
        raise BadWorkflowError(f"{where}: {value!s:.60} is no JSON; put it in quotes.")
    elif isinstance(value, str):
        _keepable(value, where)
    elif isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise BadWorkflowError(f"{where}: a number is too large; put it in quotes.")
    elif isinstance(value, float) and value - value != 0:
        raise BadWorkflowError(f"{where}: {value} is no number that JSON holds.")
