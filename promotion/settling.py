"""Settles a drift: keep what was edited by hand, or discard it (docs/promotion.md)."""

from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.roles import Verb
from environments.models import Environment
from promotion.beginning import refuse
from promotion.drift import check
from promotion.engine.errors import PromotionError
from promotion.models import Build, Drift, Promotion, StoredGeneration
from promotion.planning import check_ours, look, writer_for
from promotion.rollback import rollback
from promotion.services import keep_build

MOVED = "What was edited by hand is not what you were shown. Nothing was changed. Look again."


def current_drift(
    actor: Actor, action: str, environment: Environment, content: str
) -> tuple[Drift, StoredGeneration]:
    """Return the drift that a person was shown, looked at anew, and the generation it is of.

    `content` is the digest of what was shown.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: there is none, or it is another by now; nothing was changed.
    """
    authorise(actor, Verb.PROMOTE, action, environment)
    watch = check(environment, close=True)
    if watch.problem:
        raise refuse(actor, action, environment, watch.problem)
    drift, live = Drift.open_in(environment), StoredGeneration.live_in(environment)
    if drift is None or live is None:
        words = f"{environment} serves what was promoted. Nothing was changed."
        raise refuse(actor, action, environment, words)
    if drift.content != content or drift.marker != live.marker:
        raise refuse(actor, action, environment, MOVED)
    return drift, live


def keep(actor: Actor, environment: Environment, content: str) -> Build:
    """Keep what production serves as a build, for QA to review, and return it.

    Approved, it is promoted like any other: nothing is copied, and it is no drift any more.

    Raises:
        NotAllowedError, RuleBroken, MachineryError: nothing was changed.
    """
    action = "drift.keep"
    drift, _live = current_drift(actor, action, environment, content)
    if drift.build is not None:
        words = f"It is kept as {drift.build} already. Nothing was changed."
        raise refuse(actor, action, environment, words)
    found = look(writer_for(environment), environment)
    check_ours(environment, found)
    if found.captured.manifest.content != content:
        raise refuse(actor, action, environment, MOVED)
    uuid = environment.cluster.uuid
    build = keep_build(actor, environment, found.captured, uuid, Build.Kind.DRIFT)
    Drift.objects.filter(pk=drift.pk, content=content).update(build=build)
    record(actor, action, build)
    return build


def discard(
    actor: Actor, environment: Environment, content: str, *, comment: str = ""
) -> Promotion:
    """Make production serve again what was promoted, and return the promotion, live.

    It is verified like any other: call `live.finish` afterwards. What was edited is kept as a
    build first.

    Raises:
        NotAllowedError, RuleBroken, MachineryError: as `rollback.rollback`.
    """
    drift, live = current_drift(actor, "drift.discard", environment, content)
    try:
        return rollback(
            actor,
            environment,
            marker=live.marker,
            to=live,
            # Just what was shown: an edit of anything else is asked about anew.
            consents=[f"drift:{resource}" for resource in drift.resources],
            comment=comment or f"Discards an edit by hand: {drift.words}.",
        )
    except PromotionError:
        check(environment, close=True)
        raise
