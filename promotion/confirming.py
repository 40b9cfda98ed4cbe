"""What the page that confirms a promotion says of its plan, and how two plans differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from environments.models import Environment
from promotion import comparison
from promotion.compare_views import Item, compare_url, document_url
from promotion.engine.diff import Change, Counts
from promotion.engine.plan import Plan
from promotion.estimates import cutover_seconds, many, verification_seconds
from promotion.models import Build, Promotion
from promotion.sides import LIVE, Side
from promotion.store import DatabaseContent

# So many documents are shown, the deletions first, and told in so many sentences each.
MOST_SHOWN: Final = 20
SENTENCES: Final = 3
# So many deletions are named, whatever else is shown; the counts are of all.
MOST_NAMED: Final = 100


@dataclass(frozen=True)
class Told:
    """What a plan changes, in words. `removed` names what is deleted."""

    items: Sequence[Item]
    removed: Sequence[Item]
    total: int
    total_removed: int
    everything_url: str

    @property
    def more(self) -> int:
        return self.total - len(self.items)

    @property
    def more_removed(self) -> int:
        return self.total_removed - len(self.removed)


def told(plan: Plan, build: Build, target: Environment) -> Told:
    """Return what a plan changes: of the trees that it was made from, not of what is there now."""
    content = DatabaseContent()
    before = Side(
        f"{target.slug}:{LIVE}",
        f"{target}, generation {plan.base}",
        target,
        {part.resource: part.live.tree for part in plan.resources},
        content,
    )
    after = Side(
        f"{build.environment.slug}:{build.number}",
        str(build),
        build.environment,
        {part.resource: part.next_tree for part in plan.resources},
        content,
        build,
    )
    found = [row for row in comparison.rows(before, after) if row.kind is not Change.NOISE]
    found.sort(key=lambda row: row.kind is not Change.REMOVED)
    removed = [row for row in found if row.kind is Change.REMOVED]

    def item(row: comparison.Row, details: comparison.Details | None = None) -> Item:
        return Item(row, document_url(before.ref, after.ref, row), details, (), SENTENCES)

    return Told(
        [item(row, comparison.brief(before, after, row)) for row in found[:MOST_SHOWN]],
        [item(row) for row in removed[:MOST_NAMED]],
        len(found),
        len(removed),
        compare_url(before.ref, after.ref),
    )


def untouched_words(plan: Plan, target: Environment) -> str:
    """Say in one line what a plan leaves alone."""
    same = [part for part in plan.resources if not part.changed]
    documents = many(sum(part.live.tree.count for part in same), "document")
    resources = many(len(same), "promoted resource")
    protected = many(len(target.catalogue.protected), "protected resource")
    keep = "keeps its index" if len(same) == 1 else "keep their indices"
    return f"{resources} with {documents} {keep}; {protected} cannot be written at all."


def time_words(prepared: Promotion) -> str:
    """Say how long it will take: by the last rehearsal of the same, or by earlier promotions."""
    build, plan, target = prepared.build, prepared.plan, prepared.environment
    rehearsed = None
    if build is not None and plan is not None:
        done = Promotion.objects.filter(
            environment=target,
            kind=Promotion.Kind.REHEARSE,
            status=Promotion.Status.SUCCEEDED,
            build__content=build.content,
            restores=None,
        )
        # Of the same content, from the same generation: else it did something else.
        rehearsed = next((one for one in done[:5] if _base(one) == plan.base_marker), None)
    took: dict[str, Any] = (rehearsed.report or {}).get("seconds", {}) if rehearsed else {}
    if took.get("cutover") is not None:
        return (
            f"About {took['cutover']:.2f} s to switch and {took['verification']:.2f} s to verify, "
            f"by {rehearsed}. It is prepared already."
        )
    cutover, basis = cutover_seconds(target, 0.0)
    verification = verification_seconds(target)
    if cutover is None or verification is None:
        return "Nobody knows: nothing was promoted there yet. Rehearse it to know."
    return (
        f"About {cutover:.2f} s to switch and {verification:.2f} s to verify, by {basis}. "
        "It is prepared already."
    )


def _base(rehearsal: Promotion) -> str:
    return str((rehearsal.plan_facts or {}).get("base_marker", ""))


def plan_by_digest(target: Environment, digest: str) -> Plan | None:
    """Return a plan that was prepared for a target once, or None where there was none such."""
    if not digest:
        return None
    rows = Promotion.objects.filter(
        environment=target, kind=Promotion.Kind.PREPARE, plan_digest=digest
    )
    found = rows.first()
    return found.plan if found is not None else None


@dataclass(frozen=True)
class PlanRow:
    """What of two plans differs, side by side."""

    label: str
    old: str
    new: str


def plan_differences(old: Plan, new: Plan, target: Environment) -> list[PlanRow]:
    """Return what a person would want to know of two plans that are not the same."""
    rows = []
    if old.base_marker != new.base_marker:
        rows.append(
            PlanRow("Goes from", f"generation {old.base}", f"generation {new.base}, another one")
        )
    if old.content != new.content:
        rows.append(PlanRow("Content", old.content[:12], new.content[:12]))
    before = {part.resource: part for part in old.resources}
    for part in new.resources:
        was = before.get(part.resource)
        if was is None:
            continue
        texts = [_counts(was.counts), _counts(part.counts)]
        if was.live.tree.exact != part.live.tree.exact:
            texts[1] += ", from what production serves since"
        if was.next_tree.content != part.next_tree.content:
            texts[1] += ", to another content"
        if texts[0] != texts[1]:
            rows.append(PlanRow(target.catalogue.get(part.resource).label, *texts))
    # The number of the new generation alone: the indices were made anew.
    if not rows and old.number != new.number:
        rows.append(PlanRow("New generation", str(old.number), str(new.number)))
    return rows


def _counts(counts: Counts) -> str:
    parts = {"added": counts.added, "changed": counts.changed, "removed": counts.removed}
    return ", ".join(f"{count:,} {kind}" for kind, count in parts.items() if count) or "no change"
