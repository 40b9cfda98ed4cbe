"""Copies what a production serves to a fresh staging, by a plan, and reads it back."""

import secrets
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Final

from django.conf import settings

from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.roles import Verb
from environments.documents import DocumentError
from environments.elastic import connect
from environments.findings import Finding, Severity, errors
from environments.halves import without_production
from environments.links import Links
from environments.mappings import fixed, retold
from environments.models import Environment
from promotion.claim import claimed
from promotion.engine.capture import capture as capture_content
from promotion.engine.capture import resolve
from promotion.engine.errors import (
    Conflict,
    Mismatch,
    PreflightFailed,
    PromotionError,
    RuleBroken,
    StalePlan,
)
from promotion.engine.manifest import Tree, oid_of
from promotion.engine.ports import IndexState
from promotion.engine.refresh import Change, Documents, Refresh, changes
from promotion.models import Build
from promotion.planning import writer_for
from promotion.provisioning import MOST_SAID, failures, refuse_running
from promotion.services import capture
from promotion.staging import StagingWriter

ACTION: Final = "environment.refresh"
AGAIN: Final = "Run it again: what was copied stays, and it goes on from there."


class _Held:
    """Keeps what is read in memory alone: a look leaves nothing behind."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.trees: dict[str, Tree] = {}

    def known(self, oids: Iterable[str]) -> set[str]:
        return self.blobs.keys() & set(oids)

    def keep_blobs(self, sources: Mapping[str, bytes]) -> None:
        self.blobs.update(sources)

    def keep_tree(self, tree: Tree) -> None:
        self.trees[tree.digest] = tree

    def tree(self, digest: str) -> Tree:
        return self.trees[digest]

    def keep_links(self, digest: str, links: Mapping[str, Links]) -> None:
        """Keep none: nobody asks."""

    def links(self, _digest: str) -> dict[str, Links]:
        return {}


class _Side:
    """What an environment's configuration holds at one moment: indices and documents."""

    def __init__(self, environment: Environment) -> None:
        naming = environment.naming
        self.environment = environment
        self.writer = StagingWriter(connect(environment.cluster))
        self.uuid = self.writer.same_uuid(environment.cluster, "Nothing was copied.")
        aliases = [naming.alias(one.name) for one in naming.catalogue.promoted]
        self.states = self.writer.states(aliases)

    def indices(self) -> dict[str, IndexState]:
        return resolve(self.environment.naming, self.states)

    def documents(self) -> dict[str, dict[str, bytes]]:
        """Return all documents by resource, as one consistent cut."""
        held = _Held()
        found = capture_content(
            self.writer,
            held,
            self.environment.naming,
            previous={},
            limit=settings.MAX_DOCUMENT_BYTES,
        )
        return {
            name: {one.id: held.blobs[one.oid] for one in held.tree(part.tree.digest).entries}
            for name, part in found.resources.items()
        }


def plan(target: Environment, source: Environment, *, halves: bool = True) -> Refresh:
    """Return what copying `source` to `target` would do. Writes nothing.

    Without `halves`, production's halves of credentials are left out.

    Raises:
        PromotionError: one of them cannot be read.
    """
    return _look(target, source, halves=halves)[0]


def _look(target: Environment, source: Environment, *, halves: bool) -> tuple[Refresh, Documents]:
    """Return the plan, and what `target` holds; that is empty where it was not read."""
    found = Refresh(target.naming.key, source.naming.key, ())
    if problem := _misplaced(target, source):
        return _with(found, [problem]), {}
    theirs, ours = _Side(source), _Side(target)
    if not ours.states:
        missing = Finding(
            "target-missing",
            Severity.ERROR,
            f"{target} has no indices.",
            f"Make them first: provision {target.slug} --like {source.slug}.",
        )
        return _with(found, [missing]), {}
    findings = _mappings(theirs, ours)
    wanted, now = theirs.documents(), ours.documents()
    left_out = keeping = None
    if not halves:
        wanted, left_out, keeping, unreadable = _without_halves(wanted)
        findings += unreadable
    parts = changes(wanted, now)
    made = Refresh(found.target, found.source, parts, (), left_out, keeping)
    if made.consent:
        what = "document" if made.lost == 1 else "documents"
        findings.append(
            Finding(
                made.consent,
                Severity.WARNING,
                f"{made.lost} {what} of {target} will be written over or deleted.",
                "Agree to it: what it holds is kept as a build first.",
            )
        )
    return _with(made, findings), now


def remains_words(found: Refresh) -> str:
    """Say what of secrets is left out and what is not; empty where they are copied as they are."""
    if found.left_out is None:
        return ""
    return (
        f"{found.left_out} production halves of credentials stay out. {found.keeping} documents "
        "carry secrets all the same: test halves, and what has no halves. A build of this staging "
        "would take the production halves from production too: enter them on staging before the "
        "next promotion."
    )


def _with(found: Refresh, findings: Iterable[Finding]) -> Refresh:
    return Refresh(
        found.target, found.source, found.resources, tuple(findings), found.left_out, found.keeping
    )


def _misplaced(target: Environment, source: Environment) -> Finding | None:
    if target.is_production or not source.is_production:
        words = "Only a production is copied, and only to a staging."
        remedy = "Name the staging first, and the production after --from."
        return Finding("not-to-staging", Severity.ERROR, words, remedy)
    if target.version != source.version:
        words = f"{source} is of Tracardi {source.version}, {target} of {target.version}."
        return Finding("version-differs", Severity.ERROR, words, "Bring both to one version.")
    return None


def _mappings(theirs: _Side, ours: _Side) -> list[Finding]:
    before, after = theirs.environment.naming, ours.environment.naming
    wanted, found = theirs.indices(), ours.indices()
    return [
        Finding(
            "mapping-differs",
            Severity.ERROR,
            f"The mapping of {found[name].name} is not that of {state.name}.",
            "Bring both to the same mappings.",
            name,
        )
        for name, state in wanted.items()
        if fixed(retold(state.mapping, before, after)) != fixed(found[name].mapping)
    ]


def _without_halves(
    wanted: Mapping[str, Mapping[str, bytes]],
) -> tuple[dict[str, dict[str, bytes]], int, int, list[Finding]]:
    told: dict[str, dict[str, bytes]] = {}
    left_out = keeping = 0
    unreadable = []
    for name, documents in wanted.items():
        told[name] = {}
        for doc_id, source in documents.items():
            try:
                halved = without_production(name, source)
            except (DocumentError, RecursionError) as error:
                unreadable.append(
                    Finding(
                        "unreadable-secrets",
                        Severity.ERROR,
                        f"Nobody can say whether {name} {doc_id!r} holds production's secrets: "
                        f"{error}",
                        "Save it anew in Tracardi, or copy with production's secrets.",
                        name,
                    )
                )
                continue
            told[name][doc_id] = halved.source
            left_out += len(halved.left_out)
            keeping += halved.keeps_secrets
    return told, left_out, keeping, unreadable


def refresh(
    actor: Actor,
    target: Environment,
    source: Environment,
    *,
    digest: str,
    halves: bool = True,
    consents: Collection[str] = (),
    reason: str = "",
    patience: float = 0.0,
) -> tuple[Refresh, Build | None]:
    """Make a staging's configuration equal a production's, by just the plan of that digest.

    Returns the plan, and the build that keeps what was there, where anything is lost. Each document
    is written only if it is as it was seen. Again after a crash it goes on where it was. While
    another works there, it waits for `patience` seconds.

    Raises:
        NotAllowedError: the actor may not.
        PreflightFailed, StalePlan, RuleBroken: something stands against it; nothing was copied.
        PromotionError: it broke on the way.
    """
    authorise(actor, Verb.MANAGE, ACTION, target, confirmed=True)
    kept = None
    with failures(actor, target, ACTION):
        refuse_running(target)
        _check(plan(target, source, halves=halves), digest, consents)
        writer = writer_for(target)
        with claimed(writer, target, f"refresh-{secrets.token_hex(6)}", patience=patience):
            confirmed = plan(target, source, halves=halves)
            _check(confirmed, digest, consents)
            if confirmed.lost:
                kept = capture(actor, target)
            detail = {"from": source.slug, "plan": confirmed.digest, "halves": halves}
            if kept is not None:
                detail["kept"] = str(kept)
            record(actor, f"{ACTION}.begun", target, reason=reason, detail=detail)
            side = _Side(target)
            indices = side.indices()
            for part in confirmed.resources:
                for change in part.changes:
                    writer.fence()
                    _write(side.writer, indices[part.resource].name, change)
            _prove(target, source, confirmed, halves=halves)
    counts = {"added": confirmed.added, "lost": confirmed.lost, "left_out": confirmed.left_out}
    record(actor, ACTION, target, reason=reason, detail={**detail, **counts})
    return confirmed, kept


def _check(found: Refresh, digest: str, consents: Collection[str]) -> None:
    if wrong := errors(found.findings):
        words = " ".join(f"{one.message} {one.remedy}" for one in wrong[:MOST_SAID])
        more = f" And {len(wrong) - MOST_SAID} more." if len(wrong) > MOST_SAID else ""
        raise PreflightFailed(f"{words}{more} Nothing was copied.", found.findings)
    if found.digest != digest:
        raise StalePlan(
            "Staging or production holds something else than when this plan was made. Nothing was "
            "copied. Look at the new plan."
        )
    if found.consent and found.consent not in consents:
        words = " ".join(f"{one.message} {one.remedy}" for one in found.findings)
        raise PreflightFailed(
            f"{words} Its name is {found.consent}. Nothing was copied.", found.findings
        )


def _write(writer: StagingWriter, index: str, change: Change) -> None:
    """Write one document, if it is as it was seen."""
    try:
        source, version = writer.document(index, change.id)
        if change.wanted is not None and source == change.wanted:
            # An attempt whose answer was lost wrote it.
            return
        if (None if source is None else oid_of(source)) != change.now:
            raise Conflict(f"{change.id} was changed at this moment, and was left alone.")
        writer.replace(index, change.id, change.wanted, version)
    except PromotionError as error:
        raise type(error)(f"{error} {AGAIN}") from error


def _prove(target: Environment, source: Environment, confirmed: Refresh, *, halves: bool) -> None:
    """Read both back, and compare each document to the byte.

    Raises:
        Mismatch: staging is not as production was when it was planned.
    """
    after: Refresh | None = None
    now: Documents = {}
    with suppress(RuleBroken):
        after, now = _look(target, source, halves=halves)
    for part in confirmed.resources if now else ():
        for change in part.changes:
            if now[part.resource].get(change.id) != change.wanted:
                raise Mismatch(
                    f"{part.resource} {change.id!r} is not what was written: somebody changed it "
                    f"meanwhile. {AGAIN}"
                )
    if after is None or after.due or errors(after.findings):
        raise Mismatch(
            f"{source} or {target} changed while it was copied: they are not equal now. {AGAIN}"
        )
