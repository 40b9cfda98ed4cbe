"""Finds that the database and the cluster differ in what an environment serves.

Such as after a restore from an older backup, or where another console worked. What to do about it
is `promotion.reconciling`.
"""

import structlog

from environments.findings import Finding, Severity
from environments.models import Environment
from promotion.beginning import running_in
from promotion.engine.errors import PromotionError
from promotion.engine.found import Sight, see
from promotion.models import LostState, Promotion, StoredGeneration, Unlocking
from promotion.planning import writer_for
from promotion.writer import ClusterWriter

log = structlog.get_logger(__name__)


def check(writer: ClusterWriter, environment: Environment) -> Finding | None:
    """Return how the database and the cluster differ; None where they agree, or work goes on.

    Two requests and one for each marker; one more where they differ.

    Raises:
        PromotionError: the cluster could not be looked at.
    """
    before = _belief(environment)
    sight = see(writer, environment.naming)
    finding = difference(environment, sight)
    if finding is None or _belief(environment) != before:
        return None
    if running_in(environment) is None and writer.lease(environment.naming.key)[0].holder:
        # Somebody works there just now: what is seen may be half of it.
        return None
    return finding


def _belief(environment: Environment) -> tuple[object, ...]:
    active = running_in(environment)
    unlocking = Unlocking.of(environment)
    return (
        StoredGeneration.live_marker(environment),
        active.pk if active is not None else None,
        unlocking.pk if unlocking is not None else None,
    )


def difference(environment: Environment, sight: Sight) -> Finding | None:
    """Return how the database and what was seen differ, or None."""
    active = running_in(environment)
    if active is not None and active.kind == Promotion.Kind.RECONCILE:
        return None
    if active is not None and not contradicts(active, sight):
        # It changes what is live, and how it ended is read back by the worker.
        return None
    believed, seen = StoredGeneration.live_in(environment), sight.live
    if seen is None:
        return _not_marked(environment, believed, sight)
    if believed is None or believed.marker != seen.name:
        known = (
            f"generation {believed.number}" if believed is not None else "that it is not adopted"
        )
        return _finding(
            "lost-generation",
            f"{environment} serves generation {seen.number}, and the console's database says "
            f"{known}: it was restored from an older backup, or another console promoted.",
            environment,
        )
    if active is not None:
        return _finding(
            "lost-promotion",
            f"{active} cannot have led to what {environment} serves: the database was restored "
            "from an older backup.",
            environment,
        )
    return _lock(environment, sight) or _kept(environment, sight)


def _not_marked(
    environment: Environment, believed: StoredGeneration | None, sight: Sight
) -> Finding | None:
    if sight.holds_names:
        return _finding(
            "lost-marker",
            f"{environment} serves indices of a generation, and no marker says which.",
            environment,
        )
    if believed is None:
        return None
    return _finding(
        "lost-release",
        f"{environment} has Tracardi's plain indices, and the console's database says that "
        f"generation {believed.number} is live: it was released since the database's backup, or by "
        "another console.",
        environment,
    )


def is_open(sight: Sight) -> bool:
    """Answer whether any index of what is live may be written to."""
    if sight.live is None or sight.live.generation is None:
        return False
    held = sight.live.generation.resources.values()
    return any(
        not sight.states[one.index].write_blocked for one in held if one.index in sight.states
    )


def _lock(environment: Environment, sight: Sight) -> Finding | None:
    unlocked = Unlocking.of(environment) is not None
    if is_open(sight) == unlocked:
        return None
    is_so, says = ("locked", "unlocked") if unlocked else ("open to edits by hand", "locked")
    return _finding(
        "lost-lock",
        f"{environment} is {is_so}, and the console's database says that it is {says}.",
        environment,
    )


def _kept(environment: Environment, sight: Sight) -> Finding | None:
    gone = [
        str(stored.number)
        for stored in StoredGeneration.objects.filter(
            environment=environment, is_kept=True, is_live=False
        )
        if stored.marker not in sight.states
    ]
    if not gone:
        return None
    return _finding(
        "lost-kept",
        f"The console's database says that generation {', '.join(gone)} of {environment} is kept, "
        "and the cluster does not have it any more.",
        environment,
    )


def _finding(code: str, words: str, environment: Environment) -> Finding:
    remedy = (
        "Reconcile it: the page shows what is there and what will be recorded. On the command "
        f"line: manage.py reconcile {environment.slug} --as USER."
    )
    return Finding(code, Severity.ERROR, words, remedy, environment.slug)


def contradicts(promotion: Promotion, sight: Sight) -> bool:
    """Answer whether what is live cannot be where an active promotion began, or led to.

    Then somebody else worked there since, such as this console before its database was restored;
    reading the promotion's end back would take what is kept for what is half made.
    """
    live, environment = sight.live_marker, promotion.environment
    believed = StoredGeneration.live_marker(environment)
    if promotion.kind == Promotion.Kind.RECONCILE:
        return False
    if promotion.kind == Promotion.Kind.ADOPT:
        ours = live.endswith(f"-{promotion.token}") and promotion.build_id is not None
        return bool(live) and not ours
    if promotion.kind == Promotion.Kind.RELEASE:
        return live not in {believed, ""}
    if not live:
        # Between two requests of a recovery a marker may be missing, and the names do not.
        return bool(believed) and not sight.holds_names
    return live not in {believed, *_ends_of(promotion)}


def _ends_of(promotion: Promotion) -> set[str]:
    """Return the markers that may be live while a promotion, or one beside it, is under way."""
    markers = set()
    others = Promotion.objects.filter(
        environment=promotion.environment, status__in=Promotion.ACTIVE
    ).exclude(kind__in=Promotion.ASIDE)
    for one in [promotion, *others]:
        if (plan := one.plan) is not None:
            markers.add(plan.base_marker)
            if one.kind != Promotion.Kind.PREPARE:
                markers.add(plan.marker)
    return markers


def note(environment: Environment, finding: Finding | None) -> None:
    """Keep what was found for the pages, or that all is as recorded."""
    if finding is None:
        LostState.objects.filter(environment=environment).delete()
        return
    LostState.objects.update_or_create(
        environment=environment, defaults={"finding": finding.to_dict()}
    )


def look_around() -> None:
    """Check every production environment; one that cannot be reached stays as it was noted."""
    for environment in Environment.objects.production().select_related("cluster"):
        try:
            finding = check(writer_for(environment), environment)
        except PromotionError:
            continue
        if finding is not None and LostState.of(environment) != finding:
            log.warning("environment.lost", environment=environment.slug, code=finding.code)
        note(environment, finding)
