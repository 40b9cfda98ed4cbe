"""What people do with the console: authorise, check, act, audit."""

from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.db import IntegrityError, models, transaction

from accounts.audit import Actor, record
from accounts.authorising import NotAllowedError, authorise
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.elastic import connect
from environments.findings import Finding, errors, warnings
from environments.models import Environment
from promotion.checklists import checklist_problem
from promotion.cluster import ClusterReader
from promotion.dependencies import findings_of
from promotion.engine.capture import capture as capture_content
from promotion.engine.errors import PromotionError, RuleBroken
from promotion.engine.ports import Captured
from promotion.models import Build, BuildPart, Checklist, Review, StoredGeneration
from promotion.proofs import proof_problem, proofs
from promotion.store import DatabaseContent


def capture(actor: Actor, environment: Environment) -> Build:
    """Capture an environment's promoted resources as a new build and return it.

    Raises:
        NotAllowedError: the actor may not.
        PromotionError: the environment could not be captured; nothing was kept as a build.
    """
    authorise(actor, Verb.CAPTURE, "build.capture", environment)
    reader = ClusterReader(connect(environment.cluster))
    latest = Build.last_read(environment)
    try:
        uuid = reader.same_uuid(environment.cluster, "Nothing was captured.")
        known = latest is not None and latest.cluster_uuid == uuid
        found = capture_content(
            reader,
            DatabaseContent(),
            environment.naming,
            previous=latest.resources() if latest is not None and known else {},
            limit=settings.MAX_DOCUMENT_BYTES,
        )
        DatabaseContent().keep_absent_links(r.tree.digest for r in found.resources.values())
    except PromotionError as error:
        failed = AuditEvent.Outcome.FAILED
        record(actor, "build.capture", environment, outcome=failed, reason=str(error))
        raise
    build = keep_build(actor, environment, found, uuid)
    prepare_if_approved(build)
    return build


def keep_build(
    actor: Actor,
    environment: Environment,
    found: Captured,
    uuid: str,
    kind: Build.Kind = Build.Kind.CAPTURE,
    *,
    action: str = "build.capture",
    detail: dict[str, Any] | None = None,
    **facts: Any,
) -> Build:
    """Keep what was captured as the environment's next build and return it.

    `facts` are more fields of it, `action` and `detail` the audit event's.
    """
    with transaction.atomic():
        # Locks the row where the database can, so that two captures do not take one number.
        held = Environment.objects.select_for_update().get(pk=environment.pk)
        if (held.cluster_id, held.naming) != (environment.cluster_id, environment.naming):
            # Corrected while it was read: what was read is another environment's.
            raise RuleBroken(f"{held} was set up anew meanwhile. Nothing was kept. Capture again.")
        builds = Build.objects.filter(environment=environment)
        last = builds.aggregate(last=models.Max("number"))["last"] or 0
        content = found.manifest.content
        build = Build.objects.create(
            environment=environment,
            number=last + 1,
            kind=kind,
            content=content,
            exact=found.manifest.exact,
            cluster_uuid=uuid,
            version=environment.version,
            same_as=builds.filter(content=content).order_by("number").first(),
            captured_by=actor.user,
            **facts,
        )
        BuildPart.objects.bulk_create(
            [
                BuildPart(
                    build=build,
                    tree_id=part.tree.digest,
                    index=part.index,
                    mapping_digest=part.mapping_digest,
                    fingerprint=part.fingerprint.to_dict(),
                )
                for part in found.resources.values()
            ]
        )
        # A file may be of another cluster.
        if not environment.cluster.uuid and kind != Build.Kind.IMPORTED:
            environment.cluster.uuid = uuid
            environment.cluster.save(update_fields=["uuid"])
        record(actor, action, build, detail=detail or {"read": list(found.read)})
    return build


def review(
    actor: Actor,
    build: Build,
    verdict: Review.Verdict,
    *,
    content: str,
    comment: str = "",
    acknowledged: Collection[str] = (),
    checklist: int | None = None,
    ticked: Collection[int] = (),
) -> Review:
    """Approve or reject a build's content, once, or request changes, and return the review.

    `content` is the digest that the reviewer was shown; all but an approval needs a comment. What
    was requested may be settled by another verdict on the same content. An approval
    needs the codes of all warnings about references in `acknowledged`, and that there is no error;
    and in `ticked`, by places from 0, all that is not optional of the environment's checklist,
    whose version `checklist` was shown. Of each suite of workflow tests that is required it needs a
    green run on the content, or a comment, as the suite says.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: the page was stale, there is a verdict already, the comment is missing, or
            references stand against it, which are its findings then.
    """
    authorise(actor, Verb.REVIEW, f"build.{verdict.value}", build)
    if actor.user is None:
        raise NotAllowedError("Only a person reviews a build. Nothing was changed.")
    asked = Checklist.of(build.environment)
    problem, due = _review_problem(build, verdict, content, comment), []
    if not problem and asked is not None:
        problem = checklist_problem(asked, verdict, checklist, ticked)
    shown = proofs(build)
    if not problem and verdict is Review.Verdict.APPROVED:
        due = findings_of(build)
        problem = _dangling_problem(build, due, acknowledged) or proof_problem(shown, comment)
    if problem:
        failed = AuditEvent.Outcome.FAILED
        record(actor, f"build.{verdict.value}", build, outcome=failed, reason=problem)
        raise RuleBroken(problem, tuple(due))
    agreed = [finding.to_dict() for finding in warnings(due)]
    answers = asked.answers(ticked) if asked is not None and asked.version == checklist else []
    try:
        with transaction.atomic():
            # Locks the row where the database can: nothing may follow a final verdict.
            Environment.objects.select_for_update().get(pk=build.environment_id)
            if Review.objects.of(build).final().exists():
                raise IntegrityError("a final verdict came first")
            made = Review.objects.create(
                build=build,
                environment=build.environment,
                content=build.content,
                verdict=verdict,
                comment=comment.strip(),
                acknowledged=agreed,
                checklist=asked if answers else None,
                answers=answers,
                proofs=[one.to_dict() for one in shown],
                reviewed_by=actor.user,
            )
            detail = {"acknowledged": [f["message"] for f in agreed]} if agreed else None
            record(actor, f"build.{verdict.value}", build, reason=made.comment, detail=detail)
            if verdict is Review.Verdict.APPROVED:
                _prepare_approved(build)
    except IntegrityError as error:
        raise RuleBroken(
            f"Somebody else reviewed {build} at this moment. Your verdict was not kept. "
            "Open the build again."
        ) from error
    return made


def _dangling_problem(build: Build, due: list[Finding], acknowledged: Collection[str]) -> str:
    """Return why references keep a build from being approved, or an empty string."""
    if stopping := errors(due):
        words = " ".join(f"{finding.message} {finding.remedy}" for finding in stopping[:5])
        more = f" And {len(stopping) - 5} more." if len(stopping) > 5 else ""
        return f"{build} cannot be approved. {words}{more} Your verdict was not kept."
    missing = [f.message for f in warnings(due) if f.code not in acknowledged]
    if missing:
        words = " ".join(missing[:5])
        more = f" And {len(missing) - 5} more." if len(missing) > 5 else ""
        return f"Acknowledge this by name first: {words}{more} Your verdict was not kept."
    return ""


def prepare_if_approved(build: Build) -> None:
    """Have a new build prepared whose content was approved before."""
    review = build.review
    if review is not None and review.verdict == Review.Verdict.APPROVED:
        _prepare_approved(build)


def _prepare_approved(build: Build) -> None:
    from promotion.preparing import prepare_again  # it keeps drift as a build, by this module

    target = build.target
    if target is not None:
        prepare_again(target)


def moved_words(build: Build, target: Environment | None) -> str:
    """Say that production moved since a build was composed, and what to do."""
    return (
        f"{target} serves another configuration than the one that {build} was composed on. "
        "Compose it again, with the same choice."
    )


def _review_problem(build: Build, verdict: Review.Verdict, content: str, comment: str) -> str:
    if not build.is_reviewable:
        return (
            f"{build} is of production, which is not reviewed. Your verdict was not kept. "
            "Review a build of staging, or an edit by hand that was kept."
        )
    if content != build.content:
        return (
            f"What you were shown is not what {build} holds. Your verdict was not kept. "
            "Open the build again."
        )
    earlier = build.review
    if earlier is not None and earlier.is_final:
        return (
            f"{earlier.build} with the same content was {earlier.verdict} by "
            f"{earlier.reviewed_by.label} already. Your verdict was not kept. "
            "Change staging and capture a new build."
        )
    target = build.target
    live = StoredGeneration.live_in(target) if target is not None else None
    if verdict is Review.Verdict.APPROVED and not build.rests_on(live):
        return f"{moved_words(build, target)} Your verdict was not kept."
    if verdict is Review.Verdict.REJECTED and not comment.strip():
        return "A rejection needs a comment that says why. Your verdict was not kept."
    if verdict is Review.Verdict.CHANGES and not comment.strip():
        return "A request needs a comment that says what to change. Your verdict was not kept."
    return ""
