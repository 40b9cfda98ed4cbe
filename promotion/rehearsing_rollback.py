"""Rehearses a rollback: proves that the way back is there, and writes nothing to the cluster."""

from collections.abc import Callable
from typing import Any

from accounts.crypto import UndecryptableError
from promotion.claim import pulse
from promotion.engine.cutover import fence
from promotion.engine.errors import Mismatch
from promotion.engine.plan import Generation, Held, Plan
from promotion.engine.prepare import check_copy
from promotion.engine.rehearsal import Kept, compare_kept
from promotion.estimates import many, measured, seconds, time_words
from promotion.journal import check_cancelled, step
from promotion.models import Promotion, StoredGeneration, StoredTree
from promotion.planning import Live, indices_of
from promotion.rollback import look_back, plan_back
from promotion.store import DatabaseContent
from promotion.writer import ClusterWriter


def alive(promotion: Promotion) -> Callable[[], None]:
    """Return what long work calls often: it shows a sign of life, and stops when cancelled."""
    beat = pulse(promotion)

    def progress() -> None:
        check_cancelled(promotion)
        beat()

    return progress


def rehearse_rollback(
    writer: ClusterWriter, promotion: Promotion, restored: StoredGeneration
) -> str:
    """Prove that the way back to a kept generation is there, and say so in words.

    Raises:
        PromotionError: Roll back would not work, or it could not be seen.
    """
    with step(promotion, "plan", f"Plan the way back to generation {restored.number}") as note:
        now, plan = _plan_back(writer, promotion, restored)
        note.detail = f"{len(plan.changed)} of {len(plan.resources)} resources change"
    with step(promotion, "read", "Compare every kept index with what was recorded") as note:
        kept = compare_kept(
            writer, DatabaseContent(), restored.generation, now.states, alive(promotion)
        )
        count = sum(one.documents for one in kept)
        note.detail = f"{count} documents in {len(kept)} indices"
        promotion.report = _report_back(promotion, plan, kept, None)
        promotion.save(update_fields=["report"])
        _check_sound(kept)
    if plan.fresh:
        with step(promotion, "recorded", "Open what would be written again") as note:
            again = [part.next_tree.digest for part in plan.fresh]
            note.detail = f"{_open_recorded(again)} documents are kept, and whole"
    with step(promotion, "fence", "Fence what is live, as right before the switch") as note:
        _fence_back(writer, promotion, plan)
        note.detail = "Nothing moved since the plan. The switch itself is left out"
    promotion.report = _report_back(promotion, plan, kept, measured(promotion))
    promotion.save(update_fields=["report"])
    return _words_back(promotion, restored, kept)


def _plan_back(
    writer: ClusterWriter, promotion: Promotion, restored: StoredGeneration
) -> tuple[Live, Plan]:
    now = look_back(writer, promotion)
    # A number is taken only by what writes; this one is never used.
    number = now.generation.number + 1
    target = promotion.environment
    return now, plan_back(writer, target, now, restored, number=number, attempt="rehearsal")


def _check_sound(kept: list[Kept]) -> None:
    if unsound := [one for one in kept if one.is_unsound]:
        names = ", ".join(f"{one.index} ({one.differing} documents)" for one in unsound)
        raise Mismatch(
            "A kept index does not hold what was recorded, although by its fingerprint nobody "
            f"wrote to it: {names}. Roll back would serve it. Nothing was changed. Do not roll "
            "back: promote an approved build instead."
        )


def _open_recorded(trees: list[str]) -> int:
    content, count = DatabaseContent(), 0
    try:
        for digest in trees:
            tree = content.tree(digest)
            check_copy(tree, content.sources(tree), "the console's database")
            count += len(tree.entries)
    except (KeyError, StoredTree.DoesNotExist, UndecryptableError) as error:
        raise Mismatch(
            "What would have to be written again is not whole in the console's database. Nothing "
            "was changed. Restore the database or its keys; until then do not roll back."
        ) from error
    return count


def _fence_back(writer: ClusterWriter, promotion: Promotion, plan: Plan) -> None:
    """Fence what is live and what is kept; what would be rebuilt is not there to be fenced."""
    there = {
        part.resource: Held(part.next_index, part.next_tree, part.kept)
        for part in plan.resources
        if part.kept is not None
    }
    made = Generation(plan.number, plan.marker, there)
    fence(writer, plan, made, indices_of(writer, promotion.environment))


def _report_back(
    promotion: Promotion, plan: Plan, kept: list[Kept], took: dict[str, float] | None
) -> dict[str, Any]:
    target = promotion.environment
    parts = {part.resource: part for part in plan.resources}
    rows = []
    for one in kept:
        part = parts[one.resource]
        way = "rebuilt" if part.fresh else "used" if part.next_index == one.index else "not needed"
        rows.append(
            {
                "resource": one.resource,
                "label": target.catalogue.get(one.resource).label,
                "index": one.index,
                "documents": one.documents,
                "differing": one.differing,
                "as_recorded": one.as_recorded,
                "way": way,
            }
        )
    report: dict[str, Any] = {
        "of": "rollback",
        "as_recorded": all(one.as_recorded for one in kept),
        "resources": rows,
        "rebuilt": [part.resource for part in plan.fresh],
        "rebuilt_documents": sum(part.next_tree.count for part in plan.fresh),
        "documents": sum(one.documents for one in kept),
    }
    if took is not None:
        report["seconds"] = seconds(
            target,
            preparation=took["plan"] + took.get("recorded", 0.0),
            fence=took["fence"],
            verification=took["fence"],
        )
    return report


def _words_back(promotion: Promotion, restored: StoredGeneration, kept: list[Kept]) -> str:
    report = promotion.report or {}
    edited = [row["label"] for row in report["resources"] if not row["as_recorded"]]
    words = f"Roll back to generation {restored.number} would work. "
    if not edited:
        words += f"All {len(kept)} kept indices hold what was recorded, to the byte. "
    else:
        words += f"No longer as recorded: {', '.join(edited)}. "
    if report["rebuilt"]:
        labels = [promotion.environment.catalogue.get(name).label for name in report["rebuilt"]]
        words += (
            f"It would rebuild {', '.join(labels)} from what was recorded, "
            f"{many(report['rebuilt_documents'], 'document')}. "
        )
    words += time_words(report["seconds"])
    if report["rebuilt"]:
        words += " Writing what is rebuilt comes on top."
    return words
