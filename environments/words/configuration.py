"""A whole configuration in words: each document with a title and what it does.

Pure: no Django, no I/O. Sentences are made when they are asked for: of some thousand documents a
page shows few.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, TypeAlias

from environments.flowgraph import shown
from environments.references import SOFT_TARGETS, references
from environments.ways import Key
from environments.words import acting, events
from environments.words.flows import FlowFacts
from environments.words.names import Documents, Names
from environments.words.parts import Sentence, listed, plain, sentence
from environments.words.reading import description, is_off, words

# Resource: its plural and its singular for people, in the order in which an event meets them.
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "event-source": ("Event sources", "event source"),
    "event-management": ("Event types", "event type"),
    "rule": ("Rules", "rule"),
    "flow": ("Flows", "flow"),
    "segment": ("Segments", "segment"),
    "live-segment": ("Live segments", "live segment"),
    "destination": ("Destinations", "destination"),
    "consent-type": ("Consents", "consent"),
    "consent-data-compliance": ("Data compliance", "data compliance"),
    "identification-point": ("Identification points", "identification point"),
    "event-validation": ("Event validation", "event validation"),
    "event-reshaping": ("Event reshaping", "event reshaping"),
    "event-to-profile": ("Event to profile", "event to profile mapping"),
    "event-redirect": ("Event redirects", "event redirect"),
    "event-tags": ("Event tags", "event tags"),
    "resource": ("Resources", "resource"),
}
# What is read besides: it has names, and no sentence.
BESIDES: Final = ("bridge",)

_Say: TypeAlias = Callable[[Mapping[str, Any], Names, events.UsedBy], list[Sentence]]
_SAYS: Final[Mapping[str, _Say]] = {
    "event-source": events.event_source,
    "event-management": events.event_type,
    "rule": acting.rule,
    "live-segment": acting.live_segment,
    "destination": acting.destination,
    "consent-type": events.consent_type,
    "consent-data-compliance": events.compliance,
    "identification-point": events.identification,
    "event-validation": events.validation,
    "event-reshaping": events.reshaping,
    "event-to-profile": events.to_profile,
    "event-redirect": events.redirect,
    "event-tags": events.event_tags,
    "resource": acting.resource,
}
_OFF: Final = sentence("Switched off.")


@dataclass(frozen=True)
class Entry:
    """A document in words. `implied` says that there is none: others name it, and that is enough.

    `about` is what its makers wrote about it. What has no switch, such as a flow, is neither `on`
    nor `off`.
    """

    key: Key
    kind: str
    title: str
    sentences: tuple[Sentence, ...]
    about: str
    on: bool
    off: bool
    implied: bool

    @cached_property
    def text(self) -> str:
        """All of its words, in small letters: what a search looks through."""
        said = " ".join(map(plain, self.sentences))
        return f"{self.title}\n{self.key[1]}\n{said}\n{self.about}".casefold()


class Configuration:
    """The documents of an environment, masked, and what they say of each other.

    `whole` are the resources of which every document is here. What flows do is learned later, of
    those that matter: see `learn`.
    """

    def __init__(self, documents: Documents, whole: Collection[str]) -> None:
        self.names = Names(documents, whole)
        self._documents = documents
        self._facts: dict[str, FlowFacts] = {}
        self._uses: dict[Key, tuple[Key, ...]] = {}
        self._used: dict[Key, dict[Key, None]] = {}
        self._entries: dict[Key, Entry] = {}
        self._refer(
            {
                (resource, doc_id): _named(resource, doc_id, source)
                for resource, held in documents.items()
                for doc_id, source in held.items()
            }
        )

    def _refer(self, found: Mapping[Key, Iterable[Key]]) -> None:
        """Add what documents name. Others may be reading: what they have is left as it is."""
        uses, added = dict(self._uses), dict[Key, dict[Key, None]]()
        for key, named in found.items():
            uses[key] = tuple(dict.fromkeys(self.names.key(*one) for one in named))
            for one in uses[key]:
                added.setdefault(one, {})[key] = None
        used = dict(self._used)
        for one, users in added.items():
            used[one] = {**used.get(one, {}), **users}
        self._uses, self._used, self._entries = uses, used, {}

    def learn(self, facts: Mapping[str, FlowFacts]) -> None:
        """Add what flows do, by their ids."""
        flows = self._documents.get("flow", {})
        new = {
            doc_id: known
            for doc_id, known in facts.items()
            if doc_id in flows and doc_id not in self._facts
        }
        if new:
            self._facts = {**self._facts, **new}
            self._refer({("flow", one): _of_flow(known) for one, known in new.items()})

    def unlearned(self) -> list[str]:
        """Return the ids of flows of which nobody said yet what they do."""
        return [one for one in self._documents.get("flow", {}) if one not in self._facts]

    def all_keys(self) -> list[Key]:
        """Return all that has a sentence: documents, and types and segments that others name."""
        there = [(kind, one) for kind in KINDS for one in self._documents.get(kind, {})]
        named = [
            key
            for key in self._used
            if key[0] in SOFT_TARGETS
            and self.names.is_whole(key[0])
            and self.names.source(key) is None
        ]
        return [*there, *named]

    def is_off(self, key: Key) -> bool:
        source = self.names.source(key)
        return source is not None and is_off(source)

    def uses(self, key: Key) -> tuple[Key, ...]:
        """Return what a document names."""
        return self._uses.get(key, ())

    def used_by(self, key: Key, kind: str = "") -> list[Key]:
        """Return the documents that name one, of a kind or of all; the order is that of titles."""
        found = [one for one in self._used.get(key, ()) if not kind or one[0] == kind]
        return sorted(found, key=lambda one: (self.names.title(one).casefold(), one))

    def entry(self, key: Key) -> Entry:
        """Return a document, or what others name, in words."""
        # Who learns more meanwhile begins anew, and leaves these to be forgotten.
        entries = self._entries
        if key not in entries:
            entries[key] = self._entry(key)
        return entries[key]

    def _entry(self, key: Key) -> Entry:
        source = self.names.source(key)
        used = partial(self.used_by, key)
        if source is None:
            said = [sentence("No document describes it."), *self._named_by(key)]
        elif key[0] == "flow":
            said = acting.flow(self.names, used, self._facts.get(key[1]))
        elif key[0] == "segment":
            said = acting.segment(source, self.names, key[1])
        else:
            said = _SAYS[key[0]](source, self.names, used)
        off = self.is_off(key)
        about = shown(description(source)) if source is not None else ""
        return Entry(
            key,
            KINDS[key[0]][1],
            self.names.title(key),
            (_OFF, *said) if off else tuple(said),
            about,
            source is not None and source.get("enabled") is True,
            off,
            source is None,
        )

    def _named_by(self, key: Key) -> list[Sentence]:
        if key[0] == "event-management":
            return events.event_type({}, self.names, partial(self.used_by, key))
        users = [self.names.ref(*one) for one in self.used_by(key)]
        return [sentence("It is named by ", listed(users), ".")] if users else []


def _of_flow(known: FlowFacts) -> list[Key]:
    segments = [("segment", one) for one in (*known.adds, *known.removes, *known.names)]
    return [*segments, *known.others]


def _named(resource: str, doc_id: str, source: Mapping[str, Any]) -> list[Key]:
    """Return what a document names; of a flow nothing is known before it is learned."""
    if resource == "flow":
        return []
    found = [(one.resource, one.id) for one in references(resource, doc_id, source)]
    # Neither is a reference to promotion: an index of tags goes along with any type.
    if resource == "event-tags" and (name := words(source.get("type"))):
        found.append(("event-management", name))
    if resource == "live-segment" and (name := words(source.get("segment"))):
        found.append(("segment", name))
    return found
