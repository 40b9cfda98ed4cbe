"""What a build changes, for its page: against production, the last approved build, the one before.

Bounded: however much differs, only so many documents are listed, and fewer told in words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from environments.catalogue import Resource
from promotion import comparison
from promotion.compare_views import Item, document_url
from promotion.comparison import Row
from promotion.engine.diff import Change, Counts
from promotion.models import Build, Review, StoredGeneration
from promotion.sides import LIVE, Side, of_build, side
from promotion.store import DatabaseContent

# So many documents of a resource are listed, and about so many in all; the counts are of all.
MOST_LISTED: Final = 200
MOST_IN_ALL: Final = 400
# So many of each are, however many others came first.
LEAST_LISTED: Final = 10
# So many documents are told in words, in so many sentences each: each is decoded and compared.
MOST_TOLD: Final = 20
MOST_SENTENCES: Final = 3


@dataclass(frozen=True)
class Base:
    """What a build can be compared with; `key` chooses it in the address."""

    key: str
    words: str
    side: Side


@dataclass(frozen=True)
class Group:
    """What differs of one resource."""

    resource: Resource
    counts: Counts
    items: Sequence[Item]

    @property
    def more(self) -> int:
        counts = self.counts
        return counts.added + counts.changed + counts.removed - len(self.items)


def approved_builds(build: Build) -> QuerySet[Build]:
    """Return the builds of the same environment with an approved content, the newest first."""
    approved = Review.objects.filter(
        environment=OuterRef("environment"),
        content=OuterRef("content"),
        verdict=Review.Verdict.APPROVED,
    )
    rows = Build.objects.filter(Exists(approved), environment=build.environment)
    return rows.select_related("environment").order_by("-number")


def bases(build: Build, user: User) -> list[Base]:
    """Return what this person may compare a build with; first what matters most."""
    found: list[Base] = []
    target = build.target
    # Without a grant on production nothing of it is shown.
    seen = target if target is not None and may(user, Verb.VIEW_BUILD, target) else None
    if seen is not None and StoredGeneration.live_in(seen) is not None:
        live = side(seen, LIVE)
        found.append(Base("live", live.words, live))
    earlier = {"number__lt": build.number}
    others = approved_builds(build).filter(**earlier).exclude(content=build.content)
    if seen is None:
        others = others.exclude(kind=Build.Kind.COMPOSED)
    approved = others.first()
    if approved is not None:
        words = f"build {approved.number}, the last approved"
        found.append(Base("approved", words, of_build(approved)))
    builds = Build.objects.filter(environment=build.environment, **earlier)
    # A composed one is told by what it was chosen from; none is what came before another.
    before = build.composed_from or (
        builds.exclude(kind=Build.Kind.COMPOSED)
        .select_related("environment")
        .order_by("-number")
        .first()
    )
    if before is not None and before != approved:
        words = f"build {before.number}, the one before"
        if before == build.composed_from:
            words = f"{before}, whose changes were chosen"
        found.append(Base("previous", words, of_build(before)))
    return found


def changes(build: Build, base: Base | None) -> list[Group]:
    """Return what differs between a base and a build, noise left out; all is new without a base."""
    after = of_build(build)
    before = base.side if base is not None else _nothing(build)
    return grouped(before, after, is_there=base is not None)


def grouped(before: Side, after: Side, *, is_there: bool = True) -> list[Group]:
    """Return what differs between two sides, by resource; `is_there`: both can be linked to."""
    found = [row for row in comparison.rows(before, after) if row.kind is not Change.NOISE]
    rows: dict[str, list[Row]] = {}
    for row in found:
        rows.setdefault(row.resource.name, []).append(row)
    groups, told, room = [], 0, MOST_IN_ALL
    for resource, counts in comparison.counts(found):
        items: list[Item] = []
        most = min(MOST_LISTED, max(room, LEAST_LISTED))
        room -= min(most, len(rows[resource.name]))
        for row in rows[resource.name][:most]:
            tells = is_there and row.kind is Change.CHANGED and told < MOST_TOLD
            told += tells
            details = comparison.brief(before, after, row) if tells else None
            url = document_url(before.ref, after.ref, row) if is_there else _in_build(after, row)
            items.append(Item(row, url, details, (), MOST_SENTENCES))
        groups.append(Group(resource, counts, items))
    return groups


def _nothing(build: Build) -> Side:
    return Side("", "", build.environment, {}, DatabaseContent())


def _in_build(after: Side, row: Row) -> str:
    slug, number = after.ref.split(":")
    url = reverse("promotion:document", args=[slug, number, row.resource.name])
    return f"{url}?{urlencode({'id': row.id})}"
