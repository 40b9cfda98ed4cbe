"""Whether this process can serve: what a probe is told, in words that hold no secret and no error.

Clusters are no part of it: with one out of reach the console is needed more, not less. A stalled
worker is told and does not make the console unready: a load balancer would take all web servers out
for what none of them can mend, and nobody could look at what waits.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import structlog
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from accounts.crypto import UndecryptableError, decrypt
from environments.models import Cluster
from promotion.models import StoredTree, WorkerSign
from promotion.signs import State, workers

log = structlog.get_logger(__name__)
OK: Final = "ok"
FAILED: Final = "failed"
READY, DEGRADED, UNREADY = "ready", "degraded", "unready"
# Each page needs it.
_A_STATIC_FILE: Final = "console/page.css"
_CACHE_KEY: Final = "readiness"


class NotSoError(Exception):
    """A check found that it is not as it has to be; the text is for the log."""


@dataclass(frozen=True)
class Readiness:
    """What each check said, and what it comes to."""

    checks: dict[str, str]

    @property
    def status(self) -> str:
        if FAILED in self.checks.values():
            return UNREADY
        late = {State.LATE.value, State.MISSING.value}
        return DEGRADED if late & set(self.checks.values()) else READY

    @property
    def can_serve(self) -> bool:
        return self.status != UNREADY


def readiness() -> Readiness:
    """Return how it stands with each thing that a page needs; a handful of short queries."""
    found: dict[str, str] = {}
    for name, check in _CHECKS.items():
        found[name] = _said(name, check)
        if name == "database" and found[name] == FAILED:
            # All that follows would wait for it again.
            return Readiness({**dict.fromkeys(_CHECKS, "unknown"), name: FAILED})
    if found["migrations"] == OK:
        found |= dict(_workers())
    return Readiness(found)


def _said(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except (DatabaseError, NotSoError, UndecryptableError, OSError, ValueError) as error:
        log.error("readiness.failed", what=name, error=type(error).__name__, words=str(error)[:300])
        return FAILED
    return OK


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@lru_cache(maxsize=1)
def _known_migrations() -> frozenset[tuple[str, str]]:
    """Return the migrations of this code; files do not change while it runs."""
    return frozenset(MigrationLoader(None).disk_migrations)


def _migrations() -> None:
    missing = _known_migrations() - set(MigrationRecorder(connection).applied_migrations())
    if missing:
        raise NotSoError(f"{len(missing)} migrations are not applied: run manage.py migrate.")


def _cache() -> None:
    # Read alone: a probe changes nothing.
    cache.get(_CACHE_KEY)


def _keys() -> None:
    """Decrypt one stored value, where any is: of a cluster, else of a build."""
    with connection.cursor() as cursor:
        cluster = Cluster._meta.db_table
        cursor.execute(f"SELECT secret FROM {cluster} WHERE secret <> '' ORDER BY id LIMIT 1")  # noqa: S608
        row = cursor.fetchone()
    if row is None:
        # The smallest: it is of one list of titles, and short.
        row = StoredTree.objects.order_by("size", "digest").values_list("body").first()
    if row is not None:
        held = row[0]
        decrypt(held.encode() if isinstance(held, str) else bytes(held))


def _static() -> None:
    """Look for one collected file; DEBUG and DEMO serve them from where they lie."""
    if not hasattr(staticfiles_storage, "stored_name"):
        return
    # Raises where there is no manifest, or the file is not in it.
    name = staticfiles_storage.stored_name(_A_STATIC_FILE)
    if not staticfiles_storage.exists(name):
        raise NotSoError("Static files are not collected: run manage.py collectstatic.")


def _workers() -> Iterator[tuple[str, str]]:
    known = workers()
    for part, state in known.states.items():
        # A sign has a thread of its own: the worker gives it while an act hangs, or always fails.
        stands = part == WorkerSign.Part.SCHEDULE and state is State.OK and known.still
        yield f"worker-{part}", (State.LATE if stands else state).value
    if known.still:
        log.warning("readiness.acts-stand-still", acts=known.still)


_CHECKS: Final[dict[str, Callable[[], None]]] = {
    "database": _database,
    "migrations": _migrations,
    "cache": _cache,
    "keys": _keys,
    "static": _static,
}
