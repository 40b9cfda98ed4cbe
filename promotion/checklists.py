"""What QA goes through before it approves: written by the administrator, in versions."""

from collections.abc import Collection
from typing import Any, Final

from django.db import transaction

from accounts.audit import Actor, record
from accounts.authorising import NotAllowedError, authorise
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.models import Environment
from promotion.engine.errors import RuleBroken
from promotion.models import Checklist, Review

ACTION: Final = "checklist.changed"
MOST_ITEMS: Final = 50
LONGEST_ITEM: Final = 300


def items_of(lines: str) -> list[dict[str, Any]]:
    """Return the items that lines of text say: a question mark in front makes one optional."""
    found = []
    for line in lines.splitlines():
        optional = line.strip().startswith("?")
        text = line.strip().removeprefix("?").strip()
        if text:
            found.append({"text": text, "optional": optional})
    return found


def change_checklist(
    actor: Actor, environment: Environment, lines: str, *, version: int
) -> Checklist:
    """Keep a new version of an environment's checklist and return it.

    `version` is the one that was changed, 0 where there was none.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: another version came first, or the items are too many, too long or the same.
    """
    authorise(actor, Verb.MANAGE, ACTION, environment)
    if actor.user is None:
        raise NotAllowedError("Only a person changes a checklist. Nothing was changed.")
    items = items_of(lines)
    with transaction.atomic():
        # Locks the row where the database can, so that two changes do not take one version.
        Environment.objects.select_for_update().get(pk=environment.pk)
        latest = Checklist.of(environment)
        problem = _problem(items, latest, version)
        if not problem:
            made = Checklist.objects.create(
                environment=environment, version=version + 1, items=items, made_by=actor.user
            )
            record(actor, ACTION, made, detail={"items": len(items)})
            return made
    record(actor, ACTION, environment, outcome=AuditEvent.Outcome.FAILED, reason=problem)
    raise RuleBroken(problem)


def _problem(items: list[dict[str, Any]], latest: Checklist | None, version: int) -> str:
    if version != (latest.version if latest is not None else 0):
        return "Somebody changed it since you opened the page. Nothing was kept. Look at it again."
    if items == (latest.items if latest is not None else []):
        return "It is as it was. Nothing was kept. Change an item first."
    if len(items) > MOST_ITEMS:
        return f"It has more than {MOST_ITEMS} items. Nothing was kept. Leave some out."
    if any(len(item["text"]) > LONGEST_ITEM for item in items):
        return f"An item has over {LONGEST_ITEM} characters. Nothing was kept. Shorten it."
    return ""


def checklist_problem(
    asked: Checklist, verdict: str, version: int | None, ticked: Collection[int]
) -> str:
    """Return why a verdict does not answer the checklist, or an empty string."""
    if verdict != Review.Verdict.APPROVED.value or not asked.items:
        return ""
    if version != asked.version:
        return (
            f"The checklist is version {asked.version} now, which you did not go through. "
            "Your verdict was not kept. Go through it, then approve again."
        )
    due = [one for one in asked.answers(ticked) if not one["optional"]]
    missing = [one["text"] for one in due if not one["ticked"]]
    if missing:
        return f"Not ticked yet: {'; '.join(missing)}. Your verdict was not kept. Do it first."
    return ""
