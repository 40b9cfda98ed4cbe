"""What differs between two sides: by resource, by document, by field."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import msgspec

from accounts.derivation import derived_key
from environments.catalogue import Resource
from environments.documents import (
    ENCODED_FIELDS,
    DocumentError,
    decoded,
    exact_digest,
    parse,
    without_noise,
)
from environments.masking import Hide, masked, tagged
from promotion.engine.dependencies import Key, Use
from promotion.engine.diff import Change, Counts, DocumentChange, compare
from promotion.engine.fields import FieldChange, fields
from promotion.engine.flow_words import node_names
from promotion.engine.manifest import Entry
from promotion.engine.recent import Recent
from promotion.engine.words import Sentence, sentences
from promotion.sides import Held, Side

# So many differences are kept for the next page.
RECENT_ROWS: Final = 100_000
# Among more documents that came and went in a resource, nobody looks for renamed ones.
MOST_RENAMED: Final = 50
# A larger document is not put into words in a list: it takes a while, and is a click away.
LARGEST_IN_A_LIST: Final = 256 * 1024


class Row(msgspec.Struct, frozen=True, gc=False):
    """One document that differs; a struct, as its change is."""

    resource: Resource
    change: DocumentChange

    @property
    def key(self) -> Key:
        return self.resource.name, self.id

    @property
    def id(self) -> str:
        return self.change.entry.id

    @property
    def title(self) -> str:
        return self.change.entry.title

    @property
    def kind(self) -> Change:
        return self.change.kind

    @property
    def was(self) -> str:
        """The name that it had before; empty where that is the same."""
        before, after = self.change.before, self.change.after
        return before.title if before and after and before.title != after.title else ""

    @property
    def old_id(self) -> str:
        """The id that it had before; empty where that is the same."""
        before = self.change.before
        return before.id if before is not None and before.id != self.id else ""


@dataclass(frozen=True)
class Details:
    """One document's difference by field, with secrets masked.

    `problem` says why it could not be read; then there is nothing else.
    """

    resource: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    fields: Sequence[FieldChange]
    sentences: Sequence[Sentence]
    problem: str = ""

    @property
    def main(self) -> list[Sentence]:
        """What concerns what runs."""
        return [one for one in self.sentences if not one.aside]

    @property
    def aside(self) -> list[Sentence]:
        return [one for one in self.sentences if one.aside]

    @property
    def real(self) -> list[FieldChange]:
        return [one for one in self.fields if not one.noise]

    @property
    def noise(self) -> list[FieldChange]:
        return [one for one in self.fields if one.noise]

    def is_aside(self, one: FieldChange) -> bool:
        """Answer whether a field is of a version that does not run: a flow's draft or backup."""
        return self.resource == "flow" and one.path[0] in {"draft", "backup"}

    def node_names(self) -> dict[str, str]:
        """Return the names of a flow's nodes, in all its versions, by id."""
        found: dict[str, str] = {}
        if self.resource == "flow":
            for plain in (self.before, self.after):
                for version in ENCODED_FIELDS["flow"]:
                    found |= node_names((plain or {}).get(version))
        return found

    @property
    def is_noise_only(self) -> bool:
        """Whether it differs, and by nothing but noise."""
        return bool(self.fields) and not self.real and self.before is not None


# A page's address is asked for again and again: by page, by filter, by the next person.
_rows: Final[Recent[Hashable, tuple[Row, ...]]] = Recent(RECENT_ROWS)


def rows(before: Side, after: Side) -> list[Row]:
    """Return all documents that differ, noise included, in the catalogue's order and by title."""
    found: list[Row] = []
    for resource in after.environment.catalogue.promoted:
        old, new = before.trees.get(resource.name), after.trees.get(resource.name)
        if old is not None and new is not None and old.exact == new.exact:
            continue
        # Neither tree is opened where the two were compared before.
        key = resource, old and old.digest, new and new.digest
        found += _rows.get(key) or _compared(before, after, resource, key)
    return found


def _compared(before: Side, after: Side, resource: Resource, key: Hashable) -> tuple[Row, ...]:
    changes = compare(before.tree(resource.name), after.tree(resource.name))
    changes = _with_renamed(before, after, resource.name, changes)
    changes.sort(key=lambda one: (one.entry.title.casefold(), one.entry.id))
    found = tuple(Row(resource, change) for change in changes)
    _rows.put(key, found)
    return found


def _with_renamed(
    before: Side, after: Side, resource: str, changes: list[DocumentChange]
) -> list[DocumentChange]:
    """Return the changes; what went and came back under another id is one that changed."""
    gone = [one for one in changes if one.kind is Change.REMOVED]
    come = [one for one in changes if one.kind is Change.ADDED]
    if not gone or not come or max(len(gone), len(come)) > MOST_RENAMED:
        return changes
    old = _by_body(before.content, resource, [one.before for one in gone])
    new = _by_body(after.content, resource, [one.after for one in come])
    pairs = [(old[body], new[body]) for body in old if body in new]
    ids = {entry.id for pair in pairs for entry in pair}
    kept = [one for one in changes if one.entry.id not in ids or one.kind is Change.CHANGED]
    return [*kept, *(DocumentChange(Change.CHANGED, *pair) for pair in pairs)]


def _by_body(held: Held, resource: str, entries: Sequence[Entry | None]) -> dict[str, Entry]:
    """Return documents by a digest of all but their names; without those that share one."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry is None or entry.size > LARGEST_IN_A_LIST:
            continue
        try:
            plain = without_noise(resource, decoded(resource, parse(held.source(entry.oid))))
            body = exact_digest(_nameless(resource, plain, entry.id))
        except DocumentError:
            continue
        found.setdefault(body, []).append(entry)
    return {body: entries[0] for body, entries in found.items() if len(entries) == 1}


def _nameless(resource: str, plain: Mapping[str, Any], doc_id: str) -> Any:
    """Return a document without its name, and with its own id left out wherever it stands."""
    kept = {key: value for key, value in plain.items() if key != "name"}
    if resource == "flow":
        for name in ENCODED_FIELDS["flow"]:
            version = kept.get(name)
            if isinstance(version, Mapping):
                kept[name] = {key: value for key, value in version.items() if key != "name"}
    return _without(kept, doc_id)


def _without(value: Any, text: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _without(inner, text) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, text) for inner in value]
    return None if value == text else value


def counts(found: Sequence[Row]) -> list[tuple[Resource, Counts]]:
    """Return how many documents differ, by resource, without the totals."""
    # Those of a resource follow each other.
    return [
        (resource, Counts.of(row.change.kind for row in some))
        for resource, some in groupby(found, lambda row: row.resource)
    ]


def touched(before: Side, after: Side, found: Sequence[Row]) -> dict[Key, list[Use]]:
    """Return which documents use each of some that differ: of one that is gone, used it before."""
    gone = [row.key for row in found if row.kind is Change.REMOVED]
    there = [row.key for row in found if row.kind is not Change.REMOVED]
    return before.configuration.users_of(gone) | after.configuration.users_of(there)


def find(
    before: Side, after: Side, resource: Resource, doc_id: str, old_id: str = ""
) -> DocumentChange | None:
    """Return one document of both sides, equal or not; None where neither has it.

    `old_id` is the id that it had before, where it had another.
    """
    old = before.tree(resource.name).by_id.get(old_id or doc_id)
    new = after.tree(resource.name).by_id.get(doc_id)
    if old is None and new is None:
        return None
    if old is not None and new is not None and old.content == new.content:
        return DocumentChange(Change.NOISE, old, new)
    kind = Change.ADDED if old is None else Change.REMOVED if new is None else Change.CHANGED
    return DocumentChange(kind, old, new)


def hide(resource: str, doc_id: str) -> Hide:
    """Return what masks one document's secrets, so that a changed one is seen as changed."""
    return tagged(derived_key(f"secrets\0{resource}\0{doc_id}"))


def details(before: Held, after: Held, resource: str, change: DocumentChange) -> Details:
    """Return a document's difference by field."""
    try:
        # One key for both, also where the id is another.
        mask = hide(resource, change.entry.id)
        old = _masked(before, resource, change.before, mask)
        new = _masked(after, resource, change.after, mask)
    except DocumentError as error:
        return Details(resource, None, None, (), (), str(error))
    found = fields(resource, change.entry.id, old, new)
    return Details(resource, old, new, found, sentences(resource, old, new, found))


def _masked(held: Held, resource: str, entry: Entry | None, mask: Hide) -> dict[str, Any] | None:
    return None if entry is None else masked(resource, parse(held.source(entry.oid)), mask)


def brief(before: Side, after: Side, row: Row) -> Details | None:
    """Return a row's difference for a list; None where it is too large, or new, or gone."""
    sizes = [entry.size for entry in (row.change.before, row.change.after) if entry is not None]
    if len(sizes) < 2 or max(sizes) > LARGEST_IN_A_LIST:
        return None
    return details(before.content, after.content, row.resource.name, row.change)
