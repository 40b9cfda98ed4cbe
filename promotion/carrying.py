"""Carries an edit by hand back to staging, document by document (docs/promotion.md).

Staging is where configurations are made: what production was given in a hurry goes there, and
comes back by capture, review and promotion. What staging changed too is left to a person.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from django.conf import settings
from django.utils import timezone

from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.elastic import connect
from environments.first_few import first_few
from environments.models import Environment
from promotion.beginning import refuse
from promotion.engine.capture import capture as capture_content
from promotion.engine.carry import Carry, Way, carries
from promotion.engine.errors import Conflict, PromotionError, RuleBroken
from promotion.engine.manifest import Entry, oid_of
from promotion.engine.ports import Captured
from promotion.models import Build, Drift
from promotion.settling import current_drift
from promotion.staging import StagingWriter
from promotion.store import DatabaseContent


@dataclass(frozen=True)
class Carriage:
    """One edited document, and what carrying it back would do."""

    resource: str
    label: str
    carry: Carry

    @property
    def key(self) -> str:
        """What names it when a person decides a conflict."""
        return f"{self.resource}/{self.carry.entry.id}"


@dataclass
class Carried:
    """What became of the edited documents, by title."""

    written: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        """Say how it went."""
        parts = []
        if self.written:
            parts.append(f"{len(self.written)} written")
        if self.deleted:
            parts.append(f"{len(self.deleted)} deleted")
        if self.same:
            parts.append(f"{len(self.same)} were so already")
        if self.left:
            parts.append(f"left alone, as staging changed too: {first_few(self.left, 5)}")
        return "; ".join(parts)


def staging_of(environment: Environment) -> Environment:
    """Return the staging environment that feeds a production.

    Raises:
        RuleBroken: there is none.
    """
    staging = environment.fed_by.select_related("cluster").first()
    if staging is None:
        raise RuleBroken(
            f"No staging environment promotes to {environment}. Nothing was changed. "
            "Name one in the administration."
        )
    return staging


def preview(environment: Environment, drift: Drift) -> list[Carriage]:
    """Return what carrying a drift back would do to staging as it is now.

    Raises:
        PromotionError: staging could not be read.
    """
    staging = staging_of(environment)
    return _carriages(staging, drift, _read(staging))


def _read(staging: Environment) -> Captured:
    latest = Build.last_read(staging)
    return capture_content(
        StagingWriter(connect(staging.cluster)),
        DatabaseContent(),
        staging.naming,
        previous=latest.resources() if latest is not None else {},
        limit=settings.MAX_DOCUMENT_BYTES,
    )


def _carriages(staging: Environment, drift: Drift, now: Captured) -> list[Carriage]:
    content = DatabaseContent()
    return [
        Carriage(name, staging.catalogue.get(name).label, carry)
        for name, pair in drift.resources.items()
        for carry in carries(
            content.tree(pair["before"]),
            content.tree(pair["after"]),
            content.tree(now.resources[name].tree.digest),
        )
    ]


def carry(
    actor: Actor, environment: Environment, content: str, overwrite: Collection[str] = ()
) -> Carried:
    """Write what was edited by hand in production to staging, and say what became of it.

    `content` is the digest of the drift that was shown. Where staging was changed too, a document
    is written only if its key is in `overwrite`. Each is written only if it is as it was read, so
    that nothing that somebody does on staging at this moment is lost. Again is harmless.

    Raises:
        NotAllowedError, RuleBroken: nothing was changed.
        MachineryError: staging broke; the message says how far it came.
    """
    action = "drift.carry"
    drift, _live = current_drift(actor, action, environment, content)
    try:
        staging = staging_of(environment)
    except RuleBroken as error:
        raise refuse(actor, action, environment, str(error)) from error
    authorise(actor, Verb.CAPTURE, action, staging)
    writer, done = StagingWriter(connect(staging.cluster)), Carried()
    try:
        now = _read(staging)
        for one in _carriages(staging, drift, now):
            index = now.resources[one.resource].index
            _carry(writer, index, one, done, overwrite=one.key in overwrite)
    except PromotionError as error:
        words = (
            f"{error} So far: {done.words or 'nothing was written'}. Carrying again is harmless."
        )
        record(actor, action, staging, outcome=AuditEvent.Outcome.FAILED, reason=words)
        raise type(error)(words) from error
    Drift.objects.filter(pk=drift.pk, content=content).update(carried_at=timezone.now())
    detail = {"written": done.written, "deleted": done.deleted, "left": done.left}
    record(actor, action, staging, reason=done.words, detail=detail)
    return done


def _carry(
    writer: StagingWriter, index: str, one: Carriage, done: Carried, *, overwrite: bool
) -> None:
    found, title = one.carry, f"{one.label}: {one.carry.entry.title}"
    if found.way is Way.SAME:
        done.same.append(title)
        return
    if found.way is Way.CONFLICT and not overwrite:
        done.left.append(title)
        return
    doc_id = found.entry.id
    source, version = writer.document(index, doc_id)
    if not _is(source, found.staging):
        done.left.append(title)
        return
    new = DatabaseContent().source(found.edited.oid) if found.edited is not None else None
    try:
        writer.replace(index, doc_id, new, version)
    except Conflict:
        done.left.append(title)
        return
    (done.deleted if new is None else done.written).append(title)


def _is(source: bytes | None, entry: Entry | None) -> bool:
    if source is None or entry is None:
        return source is None and entry is None
    return oid_of(source) == entry.oid
