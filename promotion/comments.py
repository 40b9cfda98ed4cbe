"""What people say about a build, a document or a field: kept as it was said."""

from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor, record
from accounts.authorising import NotAllowedError, authorise
from accounts.models import AuditEvent
from accounts.roles import Verb
from promotion.engine.errors import RuleBroken
from promotion.models import Build, Comment

LONGEST: Final = 4000
ADDED: Final = "comment.added"


def add_comment(
    actor: Actor,
    build: Build,
    text: str,
    *,
    resource: str = "",
    document: str = "",
    title: str = "",
    place: str = "",
    parent: Comment | None = None,
) -> Comment:
    """Keep a comment on a build, on a document of it or on a field there, and return it.

    An answer belongs to its thread, wherever that is about. Who may see a build may comment on it.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: nothing is said, or too much; nothing was kept.
    """
    authorise(actor, Verb.VIEW_BUILD, ADDED, build)
    if actor.user is None:
        raise NotAllowedError("Only a person comments. Nothing was kept.")
    text = text.strip()
    problem = ""
    if not text:
        problem = "A comment needs some words. Nothing was kept. Write them."
    elif len(text) > LONGEST:
        problem = f"A comment has {LONGEST} characters at most. Nothing was kept. Shorten it."
    if problem:
        record(actor, ADDED, build, outcome=AuditEvent.Outcome.FAILED, reason=problem)
        raise RuleBroken(problem)
    if parent is not None:
        # One level: an answer to an answer joins the thread.
        parent = parent.parent or parent
        resource, document = parent.resource, parent.document
        title, place = parent.title, parent.place
    with transaction.atomic():
        made = Comment.objects.create(
            build=build,
            environment=build.environment,
            resource=resource,
            document=document,
            title=title[:300],
            place=place[:500],
            text=text,
            author=actor.user,
            parent=parent,
        )
        record(actor, ADDED, made, detail=_about(made))
    return made


def settle_comment(actor: Actor, comment: Comment, *, resolved: bool) -> None:
    """Mark a thread as resolved, or open it again.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: it is so already; nothing was changed.
    """
    action = "comment.resolved" if resolved else "comment.reopened"
    authorise(actor, Verb.VIEW_BUILD, action, comment)
    if actor.user is None:
        raise NotAllowedError("Only a person resolves a comment. Nothing was changed.")
    rows = Comment.objects.filter(pk=comment.pk, parent=None, resolved_at__isnull=resolved)
    with transaction.atomic():
        changed = rows.update(
            resolved_at=timezone.now() if resolved else None,
            resolved_by=actor.user if resolved else None,
        )
        if changed:
            record(actor, action, comment, detail=_about(comment))
    if not changed:
        state = "resolved" if resolved else "open"
        problem = f"It is {state} already. Nothing was changed. Look at it again."
        record(actor, action, comment, outcome=AuditEvent.Outcome.FAILED, reason=problem)
        raise RuleBroken(problem)


def _about(comment: Comment) -> dict[str, str]:
    facts = {name: getattr(comment, name) for name in ("resource", "document", "place")}
    return {name: value for name, value in facts.items() if value}
