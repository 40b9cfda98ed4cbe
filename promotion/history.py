"""A document's versions over the builds of a pipeline: captured, approved and live by whom."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from django.db.models import Q

from accounts.models import User
from accounts.roles import Verb
from environments.models import Environment
from promotion.engine.manifest import Entry
from promotion.models import Build, BuildPart, Review, StoredGeneration
from promotion.store import DatabaseContent
from promotion.timeline import Period, periods


@dataclass(frozen=True)
class Pipeline:
    """Whose builds are looked through, and where their documents go live."""

    environments: Sequence[Environment]
    production: Environment | None


def pipeline_of(user: User, environment: Environment) -> Pipeline:
    """Return an environment with those it is a pipeline with, as far as a person may see them."""
    around = Q(pk=environment.pk) | Q(promotes_to=environment) | Q(fed_by=environment)
    seen = Environment.objects.visible_to(user, Verb.VIEW_BUILD)
    found = list(Environment.objects.filter(around, pk__in=seen.values("pk")).distinct())
    wanted = environment.pk if environment.is_production else environment.promotes_to_id
    return Pipeline(found, next((one for one in found if one.pk == wanted), None))


@dataclass(frozen=True)
class Range:
    """Builds of one environment that follow each other, and hold the same."""

    first: Build
    last: Build


@dataclass(frozen=True)
class Live:
    """A time in which production served a version; `until` is none while it does."""

    period: Period
    until: datetime | None


@dataclass
class Version:
    """One version of a document. Without an entry: it was not there, after it had been."""

    entry: Entry | None
    # Oldest first.
    ranges: list[Range] = field(default_factory=list)
    # Of the contents of all builds that hold it.
    contents: set[tuple[int, str]] = field(default_factory=set)
    review: Review | None = None
    lives: list[Live] = field(default_factory=list)
    # Equal to the version before but for noise.
    is_noise: bool = False

    @property
    def first(self) -> Build:
        """The build that captured it first."""
        return min((one.first for one in self.ranges), key=lambda build: build.pk)

    @property
    def latest(self) -> Range:
        """The range that began last: where it stands in the history."""
        return max(self.ranges, key=lambda one: one.first.pk)

    @property
    def build(self) -> Build:
        """A build that holds it: the last one of the latest range."""
        return self.latest.last

    @property
    def ref(self) -> str:
        """What `promotion.sides` finds it by."""
        return f"{self.build.environment.slug}:{self.build.number}"

    @property
    def is_live(self) -> bool:
        return bool(self.lives) and self.lives[-1].until is None


def versions(pipeline: Pipeline, resource: str, doc_id: str) -> list[Version]:
    """Return a document's versions, those that came last first; empty where no build holds it."""
    held_by = BuildPart.objects.filter(
        build__environment__in=pipeline.environments, tree__resource=resource
    )
    if pipeline.production is None:
        # What was composed holds what production serves.
        held_by = held_by.exclude(build__kind=Build.Kind.COMPOSED)
    parts = list(
        held_by.select_related("build__environment", "build__captured_by")
        .defer("fingerprint", "mapping_digest", "index")
        .order_by("build_id")
    )
    # Builds share trees: each is opened once, however many hold it.
    entries = DatabaseContent().entries((part.tree_id for part in parts), doc_id)
    held = [(part.build, entries[part.tree_id]) for part in parts]
    found = gathered(held)
    _add_reviews(pipeline, found)
    if pipeline.production is not None and found:
        by_build = {build.pk: entry for build, entry in held}
        _add_lives(pipeline.production, resource, doc_id, found, by_build)
    return found


def gathered(held: Iterable[tuple[Build, Entry | None]]) -> list[Version]:
    """Return the versions in builds, which come in their order of time; newest first."""
    by_exact: dict[str, Version] = {}
    gone: list[Version] = []
    # Of each environment the version that its last build holds.
    current: dict[int, Version] = {}
    for build, entry in held:
        before = current.get(build.environment_id)
        if entry is None and before is None:
            # It was not made yet.
            continue
        if entry is not None:
            version = by_exact.setdefault(entry.exact, Version(entry))
        elif before is not None and before.entry is None:
            version = before
        else:
            # Each time that it went is told by itself.
            version = Version(None)
            gone.append(version)
        if version is before:
            _extend(version, build)
        else:
            version.ranges.append(Range(build, build))
        version.contents.add((build.environment_id, build.content))
        current[build.environment_id] = version
    found = [*by_exact.values(), *gone]
    found.sort(key=lambda one: one.latest.first.pk, reverse=True)
    for version, older in pairwise(found):
        if version.entry is not None and older.entry is not None:
            version.is_noise = version.entry.content == older.entry.content
    return found


def _extend(version: Version, build: Build) -> None:
    """Let the latest range of the build's environment end with it."""
    for place in range(len(version.ranges) - 1, -1, -1):
        one = version.ranges[place]
        if one.last.environment_id == build.environment_id:
            version.ranges[place] = Range(one.first, build)
            return


def _add_reviews(pipeline: Pipeline, found: Sequence[Version]) -> None:
    """Add the first approval of a content that a version is part of, else the last rejection."""
    made = {
        (review.environment_id, review.content): review
        for review in Review.objects.filter(environment__in=pipeline.environments)
        .select_related("build__environment", "reviewed_by")
        .defer("acknowledged")
    }
    for version in found:
        reviews = [made[key] for key in version.contents if key in made]
        approved = [one for one in reviews if one.verdict == Review.Verdict.APPROVED]
        if approved:
            version.review = min(approved, key=lambda one: one.reviewed_at)
        elif reviews:
            version.review = max(reviews, key=lambda one: one.reviewed_at)


def _add_lives(
    production: Environment,
    resource: str,
    doc_id: str,
    found: Sequence[Version],
    by_build: dict[int, Entry | None],
) -> None:
    """Add when production served each version."""
    by_exact = {one.entry.exact: one for one in found if one.entry is not None}
    # Only the tree is asked for: the facts of a thousand generations are large.
    digests: dict[int, str] = dict(
        StoredGeneration.objects.filter(environment=production).values_list(
            "pk", f"facts__resources__{resource}__tree__digest"
        )
    )
    entries = DatabaseContent().entries((one for one in digests.values() if one), doc_id)
    open_now: dict[str, Period] = {}
    last: Period | None = None
    for period in periods(production):
        generation = period.generation
        served: set[str] = set()
        if generation is not None and (entry := entries.get(digests.get(generation.pk) or "")):
            served.add(entry.exact)
            wanted = by_build.get(generation.build_id)
            # What differs by noise alone is not written: production keeps the older copy.
            if wanted is not None and wanted.content == entry.content:
                served.add(wanted.exact)
        for exact in [one for one in open_now if one not in served]:
            _close(by_exact, exact, Live(open_now.pop(exact), period.since))
        for exact in served:
            open_now.setdefault(exact, period)
        last = period
    for exact, began in open_now.items():
        _close(by_exact, exact, Live(began, last.until if last is not None else None))


def _close(by_exact: dict[str, Version], exact: str, live: Live) -> None:
    if (version := by_exact.get(exact)) is not None:
        version.lives.append(live)
