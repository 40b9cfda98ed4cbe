"""What waits for QA, what changed, and how workflow tests went: for the home page.

From what is kept alone: no cluster is asked. So many queries, but for the lists of documents that
are compared, which are bounded.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.urls import reverse

from accounts.models import User
from accounts.policy import environments_with
from accounts.roles import Verb
from environments.models import Environment
from promotion.attention import resting
from promotion.engine.diff import Counts, count
from promotion.engine.manifest import Tree, TreeDigests
from promotion.models import Build, BuildPart, Drift, Review, RunResult, SuiteRun
from promotion.reviewing import OVERTAKEN
from promotion.store import DatabaseContent
from promotion.suite_views import run_url
from promotion.workflow_models import newest_by

# So many builds are listed, the oldest first.
MOST_LISTED: Final = 10
# So many lists of documents are opened for one page, and none that is longer: of the other
# resources it is said that they changed, and not by how many documents.
MOST_OPENED: Final = 40
LONGEST_OPENED: Final = 5_000
_CHOSEN: Final = (Build.Kind.COMPOSED, Build.Kind.IMPORTED)
_APART: Final = (Build.Kind.COMPOSED, Build.Kind.DRIFT)


@dataclass(frozen=True)
class Queue:
    """The builds that wait for a verdict, each with `waits_since`; `more`: others do too."""

    builds: Sequence[Any]
    more: bool


@dataclass(frozen=True)
class Difference:
    """One resource that changed; `counts` is None where its documents were not compared."""

    label: str
    counts: Counts | None


@dataclass
class Work:
    """What QA is told of a staging: its newest build against the last approved, its newest run."""

    newest: Build | None = None
    approved: Build | None = None
    differences: list[Difference] = field(default_factory=list)
    run: SuiteRun | None = None
    passed: int = 0
    total: int = 0

    @property
    def changes_url(self) -> str:
        if self.newest is None:
            return ""
        slug = self.newest.environment.slug
        url = reverse("promotion:build", args=[slug, self.newest.number])
        return f"{url}?against=approved" if self.approved is not None else url

    @property
    def run_url(self) -> str:
        return run_url(self.run) if self.run is not None else ""

    @property
    def counts_for_newest(self) -> bool:
        """Whether the run proves anything of the newest build."""
        newest, run = self.newest, self.run
        return newest is not None and run is not None and run.content == newest.content


def queue(user: User) -> Queue:
    """Return the builds that a person may review and nobody has, the oldest first.

    Of what was read from an environment the newest waits, which outdates the others; of what was
    composed, what rests on what is live; of edits by hand, those that are still there.
    """
    granted = Environment.objects.visible_to(user, Verb.REVIEW)
    read = Build.objects.filter(kind__in=OVERTAKEN, environment__in=granted).order_by()
    newest = read.values("environment", "kind").annotate(last=Max("pk")).values("last")
    staged = Q(kind=Build.Kind.CAPTURE, pk__in=newest) | Q(kind__in=_CHOSEN)
    drifted = Exists(Drift.objects.filter(build=OuterRef("pk"), ended_at=None))
    judged = Review.objects.filter(environment=OuterRef("environment"), content=OuterRef("content"))
    rows: QuerySet[Any] = Build.objects.filter(
        Q(staged, environment__kind="staging") | Q(drifted, kind=Build.Kind.DRIFT, pk__in=newest),
        ~Exists(judged),
        environment__in=granted,
    )
    seen = environments_with(user, Verb.VIEW_BUILD)
    if seen is not None:
        # What was composed holds what production serves: only who may see that may see it.
        rows = rows.filter(~Q(kind=Build.Kind.COMPOSED) | Q(environment__promotes_to__in=seen))
    # Content that was captured again waits since it was there first.
    rows = resting(rows).annotate(waits_since=Coalesce("same_as__captured_at", "captured_at"))
    oldest = rows.select_related("environment", "captured_by").order_by("waits_since", "pk")
    found = list(oldest[: MOST_LISTED + 1])
    return Queue(found[:MOST_LISTED], len(found) > MOST_LISTED)


def work(stagings: Collection[Environment]) -> dict[int, Work]:
    """Return by key what QA is told of some staging environments."""
    found = {one.pk: Work() for one in stagings}
    captures = Build.objects.filter(environment__in=found, kind=Build.Kind.CAPTURE)
    for build in newest_by("environment", captures).select_related("environment"):
        found[build.environment_id].newest = build
    approvals = Review.objects.filter(
        environment=OuterRef("environment"),
        content=OuterRef("content"),
        verdict=Review.Verdict.APPROVED,
    )
    approved = Build.objects.filter(Exists(approvals), environment__in=found)
    for build in newest_by("environment", approved.exclude(kind__in=_APART)):
        found[build.environment_id].approved = build
    _compare(list(found.values()))
    _add_runs(found)
    return found


def _compare(rows: Sequence[Work]) -> None:
    pairs = [(one, one.newest, one.approved) for one in rows if one.newest and one.approved]
    wanted = {build.pk for _one, *both in pairs for build in both}
    trees: dict[int, dict[str, TreeDigests]] = {}
    parts = BuildPart.objects.filter(build__in=wanted).select_related("tree").defer("tree__body")
    for part in parts:
        trees.setdefault(part.build_id, {})[part.tree.resource] = part.tree.digests
    opened: dict[str, Tree] = {}
    for one, newest, approved in pairs:
        before, after = trees.get(approved.pk, {}), trees.get(newest.pk, {})
        if newest.content == approved.content:
            continue
        for resource in newest.environment.catalogue.promoted:
            old, new = before.get(resource.name), after.get(resource.name)
            # Equal but for noise is equal.
            if (old and old.content) == (new and new.content):
                continue
            counts = _counts(resource.name, old, new, opened)
            one.differences.append(Difference(resource.label, counts))


def _counts(
    resource: str, old: TreeDigests | None, new: TreeDigests | None, opened: dict[str, Tree]
) -> Counts | None:
    held = [one for one in (old, new) if one is not None]
    absent = {one.digest for one in held} - opened.keys()
    if len(opened) + len(absent) > MOST_OPENED or any(one.count > LONGEST_OPENED for one in held):
        return None
    content = DatabaseContent()
    opened |= {digest: content.tree(digest) for digest in absent}
    nothing = Tree.of(resource, ())
    return count(
        opened[old.digest] if old is not None else nothing,
        opened[new.digest] if new is not None else nothing,
    )


def _add_runs(found: Mapping[int, Work]) -> None:
    runs = SuiteRun.objects.filter(environment__in=found)
    newest = list(newest_by("environment", runs).select_related("suite", "environment"))
    for run in newest:
        found[run.environment_id].run = run
        found[run.environment_id].total = len(run.chosen)
    passed = RunResult.objects.filter(run__in=newest, status=RunResult.Status.PASSED).order_by()
    for key, number in passed.values_list("run__environment").annotate(number=Count("pk")):
        found[key].passed = number
