"""What reconcile proves of a cluster's generations, and records in the database."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.audit import Actor, record
from environments.models import Environment
from promotion.engine.errors import RuleBroken
from promotion.engine.found import Marked, Prover, Sight, check_names, lineage
from promotion.engine.manifest import Manifest
from promotion.engine.plan import Generation
from promotion.engine.ports import Captured, CapturedResource, IndexState
from promotion.journal import step
from promotion.locking import DEFAULT_MINUTES
from promotion.lost import is_open
from promotion.models import Build, Promotion, Review, StoredGeneration, Unlocking
from promotion.planning import look
from promotion.services import keep_build
from promotion.store import DatabaseContent
from promotion.writer import ClusterWriter

OPEN_REASON = "Found open by reconcile: nobody here recorded who unlocked it, or why"


@dataclass(frozen=True)
class Recorded:
    """What came of it, in words for a person."""

    words: str


@dataclass(frozen=True)
class Proved:
    """A generation whose content is kept in the database, and what of it could not be proved."""

    marked: Marked
    generation: Generation
    unproved: tuple[str, ...] = ()
    drifted: tuple[str, ...] = ()


def record_found(
    actor: Actor,
    writer: ClusterWriter,
    promotion: Promotion,
    sight: Sight,
    check: Callable[[], None],
) -> Recorded:
    """Prove what is live and what is kept, then record all of it in one transaction.

    `check` is called before, and raises where the claim on the environment is lost.

    Raises:
        PromotionError: it could not be read, or the names do not fit the marker.
    """
    environment = promotion.environment
    with step(promotion, "prove", "Read what they hold, and compare it with the markers") as note:
        found, problems = _prove(writer, environment, sight)
        note.detail = _proof_words(found, problems)
    check()
    with step(promotion, "record", "Record it") as note, transaction.atomic():
        live = _record(actor, promotion, sight, found)
        lock = _record_lock(promotion, sight)
        superseded = _supersede(environment, sight)
        note.detail = " ".join(
            part
            for part in (
                _kept_words(environment),
                lock,
                f"{superseded} preparations do not fit any more." if superseded else "",
            )
            if part
        )
        promotion.build = live.build if live is not None else None
        promotion.made_facts = live.facts if live is not None else None
        promotion.save(update_fields=["build", "made_facts"])
        record(
            actor,
            "reconcile.recorded",
            promotion,
            reason=note.detail,
            detail={"live": sight.live_marker, "found": [one.marked.name for one in found]},
        )
    return Recorded(_words(environment, live, found, problems, lock))


# --- Prove ---------------------------------------------------------------------------------------


def _prove(
    writer: ClusterWriter, environment: Environment, sight: Sight
) -> tuple[list[Proved], list[str]]:
    if sight.live is None:
        return [], []
    live = _prove_live(writer, environment, sight)
    problems = []
    found = [live]
    others = [marked for marked in lineage(sight) if marked.name != sight.live_marker]
    prover = Prover(writer, DatabaseContent(), sight, _known(sight), settings.MAX_DOCUMENT_BYTES)
    for marked in others:
        if marked.generation is None:
            problems.append(f"Generation {marked.number}: its marker says nothing that can be true")
        elif problem := prover.problem(marked.generation):
            problems.append(f"Generation {marked.number}: {problem}")
        else:
            found.append(Proved(marked, marked.generation))
    return found, problems


def _known(sight: Sight) -> set[str]:
    return DatabaseContent().known_trees(
        held.tree.digest
        for marked in sight.markers.values()
        if marked.generation is not None
        for held in marked.generation.resources.values()
    )


def _prove_live(writer: ClusterWriter, environment: Environment, sight: Sight) -> Proved:
    marked = sight.live
    if marked is None or marked.generation is None:
        raise RuleBroken("No marker is live. Nothing was recorded.")
    check_names(environment.naming, sight, marked.generation)
    now = look(writer, environment)
    if now.generation.marker != marked.name:
        raise RuleBroken("Another generation went live meanwhile. Nothing was recorded. Try again.")
    known = _known(sight)
    held, unproved = {}, []
    for name, recorded in marked.generation.resources.items():
        if recorded.tree.digest in known:
            held[name] = recorded
        else:
            # What was put live is gone: only what is there now can be gone back to.
            held[name] = now.generation.resources[name]
            unproved.append(name)
    generation = replace(marked.generation, resources=held)
    return Proved(marked, generation, tuple(unproved), now.drifted)


# --- Record --------------------------------------------------------------------------------------


def _record(
    actor: Actor, promotion: Promotion, sight: Sight, found: list[Proved]
) -> StoredGeneration | None:
    environment = promotion.environment
    mine = StoredGeneration.objects.filter(environment=environment)
    mine.exclude(marker=sight.live_marker).update(is_live=False)
    rows = {row.marker: row for row in mine}
    gone = [row.pk for row in rows.values() if sight.live is None or not _is_there(row, sight)]
    mine.filter(pk__in=gone).update(is_kept=False)
    fresh = []
    for one in sorted(found, key=lambda one: one.marked.number):
        is_live = one.marked.name == sight.live_marker
        row = rows.get(one.marked.name)
        if row is not None:
            mine.filter(pk=row.pk).update(is_live=is_live, is_kept=True)
            continue
        _check_number(mine.filter(number=one.marked.number).first(), one.marked)
        rows[one.marked.name] = StoredGeneration.objects.create(
            environment=environment,
            number=one.marked.number,
            marker=one.marked.name,
            facts=one.generation.to_dict(),
            build=_build_of(actor, environment, one.generation, sight.states),
            promotion=promotion,
            is_live=is_live,
        )
        fresh.append(one.marked)
    for marked in fresh:
        row = rows[marked.name]
        row.previous, row.restores = rows.get(marked.previous), rows.get(marked.restores)
        row.save(update_fields=["previous", "restores"])
    return StoredGeneration.live_in(environment)


def _is_there(stored: StoredGeneration, sight: Sight) -> bool:
    """Answer whether a generation's marker and indices are there; an edited one is rebuilt."""
    names = [held.index for held in stored.generation.resources.values()]
    return all(name in sight.states for name in [stored.marker, *names])


def _check_number(other: StoredGeneration | None, marked: Marked) -> None:
    if other is not None:
        raise RuleBroken(
            f"The database knows another generation {marked.number}, {other.marker}, than the "
            f"cluster, {marked.name}. Nothing was recorded. Somebody removed the cluster's index "
            "of leases; release the environment, then adopt it again."
        )


def _build_of(
    actor: Actor,
    environment: Environment,
    generation: Generation,
    states: Mapping[str, IndexState],
) -> Build:
    """Return the build that a generation's content is: one that QA approved, if any, else a new."""
    content = content_of(generation)
    same = Build.objects.filter(
        Q(environment=environment) | Q(environment__promotes_to=environment), content=content
    ).order_by("number")
    approved = [build for build in same if is_approved(build)]
    if approved or same:
        return approved[0] if approved else same[0]
    resources = {
        name: CapturedResource(
            held.index, held.fingerprint, states[held.index].mapping_digest, held.tree
        )
        for name, held in generation.resources.items()
    }
    captured = Captured(resources, ())
    return keep_build(actor, environment, captured, environment.cluster.uuid, Build.Kind.FOUND)


def content_of(generation: Generation) -> str:
    """Return the content digest of a generation, as an approval has it."""
    return Manifest({n: held.tree for n, held in generation.resources.items()}).content


def is_approved(build: Build) -> bool:
    """Answer whether QA approved a build's content."""
    review = build.review
    return review is not None and review.verdict == Review.Verdict.APPROVED


def _record_lock(promotion: Promotion, sight: Sight) -> str:
    """Record whether what is live is open, by its write blocks; say what was not as recorded."""
    environment, user = promotion.environment, promotion.requested_by
    open_ones = Unlocking.objects.filter(environment=environment, locked_at=None)
    if not is_open(sight):
        closed = open_ones.update(locked_at=timezone.now())
        return "It is locked, and was recorded as unlocked." if closed else ""
    if open_ones.exists():
        return ""
    if user is None:
        raise RuleBroken("It is open to edits by hand, and nobody asked to record that.")
    until = timezone.now() + timedelta(minutes=DEFAULT_MINUTES)
    Unlocking.objects.create(
        environment=environment, reason=OPEN_REASON, unlocked_by=user, until=until
    )
    return (
        "It is open to edits by hand, and was recorded as locked. It locks itself in "
        f"{DEFAULT_MINUTES} minutes."
    )


def _supersede(environment: Environment, sight: Sight) -> int:
    """Supersede the preparations that do not belong to what is live, or are gone."""
    ready = Promotion.objects.filter(
        environment=environment, kind=Promotion.Kind.PREPARE, status=Promotion.Status.SUCCEEDED
    ).exclude(fate=Promotion.Fate.SUPERSEDED)
    gone = []
    for one in ready:
        plan = one.plan
        if plan is None or plan.base_marker != sight.live_marker or plan.marker not in sight.states:
            gone.append(one)
    pks = [one.pk for one in gone]
    Promotion.objects.filter(pk__in=pks).update(fate=Promotion.Fate.SUPERSEDED)
    return sum(not one.fate for one in gone)


# --- Say -----------------------------------------------------------------------------------------


def _proof_words(found: Iterable[Proved], problems: Iterable[str]) -> str:
    words = []
    for one in found:
        words.append(f"Generation {one.marked.number} is as its marker says")
        if one.unproved:
            words[-1] = (
                f"Generation {one.marked.number} holds now, in {', '.join(one.unproved)}, what "
                "its marker does not say"
            )
    words += problems
    return "; ".join(words) or "There is no generation"


def _kept_words(environment: Environment) -> str:
    kept = StoredGeneration.objects.filter(environment=environment, is_kept=True)
    numbers = [str(row.number) for row in kept]
    return f"Kept: generation {', '.join(numbers)}." if numbers else "No generation is kept."


def _words(
    environment: Environment,
    live: StoredGeneration | None,
    found: list[Proved],
    problems: list[str],
    lock: str,
) -> str:
    if live is None:
        return (
            f"{environment} is recorded as not adopted: the cluster has Tracardi's plain indices. "
            "How it was released is not known here."
        )
    known = "which QA approved" if is_approved(live.build) else "which nobody approved here"
    words = [
        f"Generation {live.number} is recorded as live, as found. It holds {live.build}, {known}."
    ]
    if live.is_found:
        words.append("When and by whom it was promoted is not known here.")
    one = found[0]
    if one.drifted:
        words.append(
            f"It was edited by hand since: {', '.join(one.drifted)}. The next plan asks about it."
        )
    if one.unproved:
        words.append(
            f"What was put live in {', '.join(one.unproved)} is lost: what is there now is kept."
        )
    back = live.previous
    words.append(
        f"Roll back goes to generation {back.number}."
        if back is not None
        else "There is no generation to roll back to."
    )
    if problems:
        words.append(f"Not to be proved: {'; '.join(problems)}.")
    if lock:
        words.append(lock)
    return " ".join(words)
