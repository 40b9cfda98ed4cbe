"""Reads an environment's promoted resources as one consistent cut (docs/promotion.md)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from environments.findings import Finding, Severity
from environments.links import Linker, Links
from environments.naming import NameKind, Naming
from promotion.engine.errors import CaptureUnsettled, PreflightFailed
from promotion.engine.manifest import Entry, Tree, TreeDigests, oid_of, read_document
from promotion.engine.ports import (
    Captured,
    CapturedResource,
    Content,
    Fingerprint,
    IndexState,
    Reader,
    fingerprint,
)

ROUNDS: Final = 5
BATCH: Final = 500
BATCH_BYTES: Final = 8 * 1024 * 1024
# So many findings are told in one sentence each; the rest is counted.
LISTED: Final = 3


def resolve(naming: Naming, states: Mapping[str, IndexState]) -> dict[str, IndexState]:
    """Return, for each promoted resource, the one index that its alias points at.

    Raises:
        PreflightFailed: an alias is missing, points at several indices, or at one that is not of
            its resource.
    """
    found: dict[str, IndexState] = {}
    findings: list[Finding] = []
    for resource in naming.catalogue.promoted:
        alias = naming.alias(resource.name)
        holders = [state for state in states.values() if alias in state.aliases]
        problem = _alias_problem(naming, resource.name, alias, holders)
        if problem is None:
            found[resource.name] = holders[0]
        else:
            findings.append(problem)
    if findings:
        findings = _told(naming, findings)
        words = " ".join(finding.message for finding in findings[:LISTED])
        if (more := len(findings) - LISTED) > 0:
            words += f" {more} more of the {len(naming.catalogue.promoted)} are not right either."
        remedy = f" {findings[0].remedy}" if len(findings) == 1 else ""
        raise PreflightFailed(f"{words} Nothing was changed.{remedy}", tuple(findings))
    return found


def _told(naming: Naming, findings: list[Finding]) -> list[Finding]:
    """Return the findings, or that nothing at all is there instead of the same of each."""
    whole = len(naming.catalogue.promoted)
    if sum(finding.code == "alias-missing" for finding in findings) < whole:
        return findings
    return [
        Finding(
            "set-missing",
            Severity.ERROR,
            f"None of the {whole} indices of tenant {naming.tenant}, version "
            f"{naming.catalogue.version}, {naming.side.value}, is there.",
            "If tenant or version are mistyped, correct them in Set-up of environments; else start "
            "Tracardi once with them, so that it makes its indices.",
        )
    ]


def _alias_problem(
    naming: Naming, resource: str, alias: str, holders: Sequence[IndexState]
) -> Finding | None:
    if not holders:
        return Finding(
            "alias-missing",
            Severity.ERROR,
            f"No index has the alias {alias}.",
            "Start Tracardi once with this tenant and version, so that it makes its indices.",
            resource,
        )
    names = ", ".join(sorted(state.name for state in holders))
    if len(holders) > 1:
        return Finding(
            "alias-ambiguous",
            Severity.ERROR,
            f"The alias {alias} points at {len(holders)} indices: {names}.",
            "Remove it from all but the right one.",
            resource,
        )
    what = naming.classify(names)
    kinds = {NameKind.CONCRETE, NameKind.GENERATION}
    if what is None or what.kind not in kinds or what.resource != naming.catalogue.get(resource):
        return Finding(
            "alias-wrong",
            Severity.ERROR,
            f"The alias {alias} points at {names}, which is not an index of {resource}.",
            "Point it at the resource's own index.",
            resource,
        )
    return None


def fingerprints(
    reader: Reader, naming: Naming, states: Mapping[str, IndexState] | None = None
) -> tuple[dict[str, IndexState], dict[str, Fingerprint | None]]:
    """Return each promoted resource's index and fingerprint; None while a write is in flight.

    `states` are of all indices that hold one of Tracardi's aliases, if they were read just now.
    """
    if states is None:
        states = reader.states([naming.alias(r.name) for r in naming.catalogue.promoted])
    states = resolve(naming, states)
    marks = reader.marks([state.name for state in states.values()])
    prints: dict[str, Fingerprint | None] = {}
    for name, state in states.items():
        mark = marks[state.name]
        prints[name] = fingerprint(state, mark) if mark.settled else None
    return states, prints


def capture(
    reader: Reader,
    content: Content,
    naming: Naming,
    *,
    previous: Mapping[str, CapturedResource],
    limit: int,
    states: Mapping[str, IndexState] | None = None,
) -> Captured:
    """Read what differs from `previous` by fingerprint, until nothing moved while reading.

    An index whose fingerprint equals the earlier capture's is not read at all, and of one that was
    written to since, only what was written. `limit` is the largest document in bytes, `states` are
    as `fingerprints` takes them.

    Raises:
        PreflightFailed: the environment's indices are not as Tracardi makes them.
        CaptureUnsettled: it kept changing for ROUNDS rounds.
        UnreadableDocument: a document is too large or cannot be kept exactly.
    """
    held: dict[str, CapturedResource] = dict(previous)
    read: list[str] = []
    states, now = fingerprints(reader, naming, states)
    for _ in range(ROUNDS):
        due = [n for n, p in now.items() if p is None or not _holds(held.get(n), states[n], p)]
        if not due:
            # Of a mapping the digest as it is made now, not as an earlier console made it.
            fresh = {n: replace(held[n], mapping_digest=states[n].mapping_digest) for n in now}
            return Captured(fresh, tuple(dict.fromkeys(read)))
        # Without it an acknowledged write is missed under an equal fingerprint, for ever.
        reader.refresh([states[name].name for name in due])
        for name in due:
            before = now[name]
            tree = _read(reader, content, name, states[name], held.get(name), limit)
            read.append(name)
            if before is not None:
                held[name] = CapturedResource(
                    states[name].name, before, states[name].mapping_digest, tree
                )
        states, now = fingerprints(reader, naming)
    raise CaptureUnsettled(
        f"The configuration kept changing while it was read ({ROUNDS} times). Nothing was "
        "captured. Try again when nobody edits it."
    )


def read_tree(
    reader: Reader, content: Content, resource: str, index: str, *, limit: int
) -> TreeDigests:
    """Read a whole index, keep what it holds, and return its digests.

    Raises:
        UnreadableDocument: a document is too large or cannot be kept exactly.
    """
    reader.refresh([index])
    everything = _described(content, resource, reader.read(index), _Read(), limit)
    return _keep(content, resource, everything)


def _holds(held: CapturedResource | None, state: IndexState, now: Fingerprint) -> bool:
    return held is not None and held.index == state.name and held.fingerprint == now


@dataclass
class _Read:
    """What was read of an index: its documents by id, and the links of those that have any."""

    entries: dict[str, Entry] = field(default_factory=dict)
    links: dict[str, Links] = field(default_factory=dict)


def _keep(content: Content, resource: str, read: _Read) -> TreeDigests:
    tree = Tree.of(resource, read.entries.values())
    content.keep_tree(tree)
    content.keep_links(tree.digest, read.links)
    return TreeDigests.of(tree)


def _read(
    reader: Reader,
    content: Content,
    resource: str,
    state: IndexState,
    held: CapturedResource | None,
    limit: int,
) -> TreeDigests:
    known = _Read()
    if held is not None:
        digest = held.tree.digest
        known = _Read(content.tree(digest).by_id, content.links(digest))
    if held is not None and _continues(held, state):
        (above,) = held.fingerprint.max_seq_no
        written = _described(content, resource, reader.read(state.name, above=above), known, limit)
        links = {i: links for i, links in known.links.items() if i not in written.entries}
        both = _Read({**known.entries, **written.entries}, {**links, **written.links})
        # Fewer are there where some were deleted: which ones, only reading all of it tells.
        if reader.count(state.name) == len(both.entries):
            return _keep(content, resource, both)
    everything = _described(content, resource, reader.read(state.name), known, limit)
    return _keep(content, resource, everything)


def _continues(held: CapturedResource, state: IndexState) -> bool:
    """Answer whether all writes since an earlier capture have higher sequence numbers.

    They do in the same index, by shard. With several, a number means something else in each.
    """
    mark = held.fingerprint
    return held.index == state.name and mark.uuid == state.uuid and len(mark.max_seq_no) == 1


def _described(
    content: Content,
    resource: str,
    found: Iterable[tuple[str, bytes]],
    known: _Read,
    limit: int,
) -> _Read:
    read, linker = _Read(), Linker()
    fresh: dict[str, bytes] = {}
    size = 0
    for doc_id, source in found:
        entry, links = known.entries.get(doc_id), known.links.get(doc_id)
        # Equal bytes need no parsing.
        if entry is None or entry.oid != oid_of(source):
            entry, links = read_document(linker, resource, doc_id, source, limit=limit)
            fresh[entry.oid] = source
            size += len(source)
            if len(fresh) >= BATCH or size >= BATCH_BYTES:
                content.keep_blobs(fresh)
                fresh, size = {}, 0
        read.entries[doc_id] = entry
        if links is not None:
            # As the entry's, or one that it equals: no second copy of an id.
            read.links[entry.id] = links
    content.keep_blobs(fresh)
    return read
