"""`manage.py promote-batch --as USER (--target TARGET … | --all)`."""

from argparse import ArgumentParser
from typing import Any

from accounts.audit import Actor
from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from promotion.batch_choices import Candidate, candidate, candidates
from promotion.batch_models import Batch, BatchItem
from promotion.batches import (
    MOST_PARALLEL,
    PARALLEL,
    Choice,
    run_batch,
    start_batch,
    summary,
    summary_words,
)
from promotion.commands import ActingCommand, BadInputError, command_actor, find_environment


class Command(ActingCommand):
    help = "Promote the newest approved build of each of several targets, side by side."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument(
            "--target", action="append", default=[], metavar="TARGET", help="a target's slug"
        )
        which.add_argument(
            "--all", action="store_true", help="every target whose approved build is not live"
        )
        parser.add_argument(
            "--parallel",
            type=int,
            default=PARALLEL,
            help=f"how many at a time, 1 to {MOST_PARALLEL}; {PARALLEL} without it",
        )
        parser.add_argument(
            "--consent",
            action="append",
            default=[],
            metavar="TARGET:CODE",
            help="agree for one target to a large deletion or to overwriting drift",
        )
        parser.add_argument("--comment", default="", help="kept with each promotion")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        actor = command_actor(user)
        if not 1 <= options["parallel"] <= MOST_PARALLEL:
            raise BadInputError(f"--parallel takes 1 to {MOST_PARALLEL}.")
        agreed = _consents(actor, options["consent"])
        found, left_out = _chosen(actor, options["target"])
        # What was asked for by name and cannot be promoted is no success.
        missed = left_out if options["target"] else []
        choices = [
            Choice(one.build, one.target, consents=agreed.get(one.target.slug, ()))
            for one in found
            if one.build is not None
        ]
        rows: list[dict[str, Any]] = []
        batch = None
        if choices:
            batch = start_batch(
                actor, choices, parallel=options["parallel"], comment=options["comment"]
            )
            run_batch(batch, batch.run, actor)
            rows = [_row(item) for item in _items(batch)]
        skipped = [{"target": one.target.slug, "reason": one.state.reason} for one in left_out]
        good = not missed and all(row["status"] == "succeeded" for row in rows)
        words = summary_words(summary(batch)) if batch is not None else "Nothing to promote"
        lines = [f"{row['target']:<30} {row['status']:<10} {row['message']}" for row in rows]
        lines += [f"{row['target']:<30} {'skipped':<10} {row['reason']}" for row in skipped]
        return {
            "status": "done" if good else "failed",
            "message": "\n".join([*lines, f"{words}."]),
            "batch": batch.pk if batch is not None else None,
            "batch_status": batch.status if batch is not None else None,
            "summary": dict(summary(batch)) if batch is not None else {},
            "targets": rows,
            "skipped": skipped,
        }


def _chosen(actor: Actor, slugs: list[str]) -> tuple[list[Candidate], list[Candidate]]:
    """Return what is to be promoted, and what is left out; all that is due without slugs."""
    if not slugs:
        # Also where there is nothing: a role that may not must not learn what there is.
        authorise(actor, Verb.PROMOTE, "batch.requested", None)
        found = candidates(actor)
        return [c for c in found if c.is_due], [c for c in found if not c.is_due]
    targets = [find_environment(actor.user, slug) for slug in slugs]
    for target in targets:
        authorise(actor, Verb.PROMOTE, "batch.requested", target)
    asked = [candidate(actor, target) for target in targets]
    return [c for c in asked if c.build is not None], [c for c in asked if c.build is None]


def _consents(actor: Actor, words: list[str]) -> dict[str, tuple[str, ...]]:
    agreed: dict[str, tuple[str, ...]] = {}
    for word in words:
        slug, colon, code = word.partition(":")
        if not (colon and code):
            raise BadInputError(f"{word!r} is no consent; name it as TARGET:CODE.")
        target = find_environment(actor.user, slug)
        agreed[target.slug] = (*agreed.get(target.slug, ()), code)
    return agreed


def _items(batch: Batch) -> list[BatchItem]:
    return list(batch.items.select_related("batch", "environment", "build__environment"))


def _row(item: BatchItem) -> dict[str, Any]:
    promotion = item.promotion
    # Of one that was left to the next worker, its record says more.
    words = item.message or (promotion.message if promotion is not None else "")
    return {
        "target": item.environment.slug,
        "build": f"{item.build.environment.slug}:{item.build.number}",
        "status": item.status,
        "message": words,
        "promotion": promotion.pk if promotion is not None else None,
        "seconds": round(item.seconds, 3) if item.seconds is not None else None,
    }
