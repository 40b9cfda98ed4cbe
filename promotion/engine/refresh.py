"""What copying a production's configuration to a staging would do, document by document; pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from environments.documents import canonical, is_noise_document
from environments.findings import Finding
from promotion.engine.manifest import oid_of

# By resource, the documents that are to be there, or are there, by id.
Documents = Mapping[str, Mapping[str, bytes]]


@dataclass(frozen=True)
class Change:
    """One document that is to be written, or deleted where `wanted` is None.

    `now` is the name of the bytes that are there, None where there is nothing.
    """

    id: str
    wanted: bytes | None
    now: str | None


@dataclass(frozen=True)
class ResourceRefresh:
    """One resource: what is changed, and how many documents are as they are to be already."""

    resource: str
    changes: tuple[Change, ...]
    same: int

    @property
    def added(self) -> int:
        return sum(change.now is None for change in self.changes)

    @property
    def replaced(self) -> int:
        return sum(change.now is not None and change.wanted is not None for change in self.changes)

    @property
    def deleted(self) -> int:
        return sum(change.wanted is None for change in self.changes)

    def to_dict(self) -> dict[str, Any]:
        return {
            "resource": self.resource,
            "added": self.added,
            "replaced": self.replaced,
            "deleted": self.deleted,
            "same": self.same,
        }


@dataclass(frozen=True)
class Refresh:
    """All that would be done. `left_out` counts the production halves that stay out, `keeping` the
    documents that carry secrets all the same; None where secrets are copied as they are.
    """

    target: str
    source: str
    resources: tuple[ResourceRefresh, ...]
    findings: tuple[Finding, ...] = ()
    left_out: int | None = None
    keeping: int | None = None

    @cached_property
    def digest(self) -> str:
        """What a person confirms: it moves with every document of both sides."""
        state = hashlib.sha256(canonical([self.target, self.source, self.left_out]))
        for part in self.resources:
            for change in part.changes:
                wanted = None if change.wanted is None else oid_of(change.wanted)
                state.update(canonical([part.resource, change.id, wanted, change.now]))
            state.update(canonical([part.resource, part.same]))
        return state.hexdigest()

    @property
    def added(self) -> int:
        return sum(part.added for part in self.resources)

    @property
    def lost(self) -> int:
        """How many documents of the staging are written over or deleted."""
        return sum(part.replaced + part.deleted for part in self.resources)

    @property
    def same(self) -> int:
        return sum(part.same for part in self.resources)

    @property
    def due(self) -> int:
        return sum(len(part.changes) for part in self.resources)

    @property
    def consent(self) -> str:
        """The code by which a person agrees to losing what is there; empty where nothing is."""
        return f"replace:{self.lost}" if self.lost else ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "source": self.source,
            "digest": self.digest,
            "resources": [part.to_dict() for part in self.resources],
            "findings": [finding.to_dict() for finding in self.findings],
            "left_out": self.left_out,
            "keeping": self.keeping,
        }


def changes(wanted: Documents, now: Documents) -> tuple[ResourceRefresh, ...]:
    """Return what makes `now` equal `wanted`, to the byte.

    What each installation writes for itself is neither copied nor deleted.
    """
    return tuple(_of(name, wanted[name], now[name]) for name in wanted)


def _of(resource: str, wanted: Mapping[str, bytes], now: Mapping[str, bytes]) -> ResourceRefresh:
    found, same = [], 0
    for doc_id in sorted(wanted.keys() | now.keys()):
        if is_noise_document(resource, doc_id):
            continue
        due, there = wanted.get(doc_id), now.get(doc_id)
        if due == there:
            same += 1
        else:
            found.append(Change(doc_id, due, None if there is None else oid_of(there)))
    return ResourceRefresh(resource, tuple(found), same)
