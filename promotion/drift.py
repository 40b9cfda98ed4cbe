"""Looks for drift: whether production still serves what was promoted.

Each check asks one request where nothing was written to; else the documents are compared.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.audit import record, system_actor
from environments.due import take_on
from environments.elastic import ElasticError
from environments.models import Environment
from promotion.beginning import running_in
from promotion.engine.diff import Change, DocumentChange, compare
from promotion.engine.errors import LeaseHeld, PromotionError
from promotion.engine.plan import names_of
from promotion.locking import as_recorded
from promotion.models import Drift, StoredGeneration, Unlocking, Watch
from promotion.planning import Live, check_ours, look, writer_for
from promotion.store import DatabaseContent
from promotion.writer import ClusterWriter

log = structlog.get_logger(__name__)
# Sequence numbers tell every write; blocks, settings and mappings are compared this often.
CLOSE_LOOK: Final = timedelta(minutes=15)
COUNTED: Final = (Change.ADDED, Change.CHANGED, Change.REMOVED)


def check_due() -> list[Environment]:
    """Check the adopted environments whose last check is a while ago; return those checked.

    Call it again and again. Of two workers that do, one checks an environment.
    """
    limit = timezone.now() - timedelta(seconds=settings.DRIFT_SECONDS)
    done = []
    for live in StoredGeneration.objects.filter(is_live=True).select_related(
        "environment__cluster"
    ):
        if take_on(Watch, limit, environment=live.environment):
            try:
                check(live.environment)
            except Exception:
                # One environment that cannot be checked must not keep the others from it.
                log.exception("drift.defect", environment=live.environment.slug)
            done.append(live.environment)
    return done


def check(environment: Environment, *, close: bool = False, mends: bool = True) -> Watch:
    """Check one environment, and return how that went; what was found is the open `Drift`.

    `close` compares everything even where nothing seems to have been written. Unless it `mends`, it
    leaves write blocks that are not as recorded. Nothing is checked while a promotion runs: it
    proves by itself what it leaves.
    """
    watch, _made = Watch.objects.get_or_create(environment=environment)
    live = StoredGeneration.live_in(environment)
    if live is None or running_in(environment) is not None:
        return watch
    # Of the beginning: what is written from now on is for the next check.
    now = timezone.now()
    try:
        writer = writer_for(environment)
        seen = writer.glance(_names(environment))
        if close or not seen or _is_due(watch, live.marker, seen, now):
            found = look(writer, environment)
            check_ours(environment, found)
            if not _keep(environment, live, found):
                # Another generation went live meanwhile.
                return watch
            if mends:
                _keep_lock(environment, live, found, writer)
            watch.looked_at, watch.marker, watch.seen = now, live.marker, seen
        watch.problem = ""
    except LeaseHeld:
        # Somebody works on it, and a check follows.
        return watch
    except (PromotionError, ElasticError) as error:
        watch.problem, watch.seen = str(error), ""
    watch.checked_at = now
    watch.save(
        update_fields=["checked_at", "looked_at", "marker", "seen", "problem"],
    )
    return watch


def _names(environment: Environment) -> list[str]:
    naming = environment.naming
    names = [name for r in naming.catalogue.promoted for name in names_of(naming, r.name)]
    return [*names, naming.marker_alias]


def _is_due(watch: Watch, marker: str, seen: str, now: datetime) -> bool:
    if watch.problem or (watch.marker, watch.seen) != (marker, seen):
        return True
    return watch.looked_at is None or now - watch.looked_at > CLOSE_LOOK


def _keep(environment: Environment, live: StoredGeneration, found: Live) -> bool:
    """Keep what a close look found, and say whether it is still of what is live."""
    # Not what the marker has: after a lost database, what it names may be known to nobody, and what
    # reconcile found is what is recorded.
    changed = {
        name: {"before": held.tree.digest, "after": now.tree.digest}
        for name, held in live.generation.resources.items()
        if (now := found.generation.resources[name]).tree.content != held.tree.content
    }
    content = found.captured.manifest.content
    with transaction.atomic():
        Environment.objects.select_for_update().get(pk=environment.pk)
        if (
            StoredGeneration.live_marker(environment) != live.marker
            or running_in(environment) is not None
        ):
            return False
        known = Drift.open_in(environment)
        if not changed:
            if known is not None:
                Drift.end(environment, Drift.Outcome.UNDONE)
                record(system_actor(), "drift.undone", environment)
            return True
        if known is not None and known.content == content and known.marker == live.marker:
            return True
        facts = {
            "resources": changed,
            "counts": _counts(changed),
            "content": content,
            "marker": live.marker,
            "moved_at": timezone.now(),
        }
        if known is None:
            known = Drift.objects.create(environment=environment, **facts)
            action = "drift.found"
        else:
            # What it was kept as, or carried, is not what it is now.
            Drift.objects.filter(pk=known.pk).update(**facts, build=None, carried_at=None)
            known.refresh_from_db()
            action = "drift.moved"
        record(system_actor(), action, environment, reason=known.words)
    log.warning("drift.found", environment=environment.slug, documents=known.documents)
    return True


def _counts(changed: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    counts = dict.fromkeys([kind.value for kind in COUNTED], 0)
    for _resource, documents in documents_of(changed):
        for change in documents:
            counts[change.kind.value] += 1
    return counts


def documents_of(
    resources: Mapping[str, Mapping[str, str]],
) -> Iterator[tuple[str, list[DocumentChange]]]:
    """Yield each resource of a drift with the documents that were edited; noise is none.

    `resources` are as `Drift.resources` has them.
    """
    content = DatabaseContent()
    for resource, pair in resources.items():
        changes = compare(content.tree(pair["before"]), content.tree(pair["after"]))
        yield resource, [change for change in changes if change.kind in COUNTED]


def _keep_lock(
    environment: Environment, live: StoredGeneration, found: Live, writer: ClusterWriter
) -> None:
    """Make the blocks what the record says, where they are not."""
    blocked = {
        held.index: found.states[held.index].write_blocked
        for held in live.generation.resources.values()
    }
    locked = Unlocking.of(environment) is None
    if all(is_blocked == locked for is_blocked in blocked.values()):
        return
    if wrong := as_recorded(environment, writer, blocked):
        what = "lifted" if locked else "set"
        words = f"The write block of {len(wrong)} indices was {what} outside the console's record."
        action = "environment.lock" if locked else "environment.unlock"
        record(system_actor(), action, environment, reason=words)
