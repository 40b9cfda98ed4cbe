"""Looks at production after a promotion: names, content, and whether Tracardi answers.

It reads alone. No visit is ever sent to production.
"""

from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from accounts.audit import Actor, record, system_actor
from accounts.authorising import authorise
from accounts.roles import Verb
from environments.collector import Collector, CollectorError
from environments.elastic import ElasticError
from environments.models import Environment
from promotion.beginning import refuse, running_in
from promotion.drift import check
from promotion.engine.errors import PromotionError
from promotion.engine.plan import names_of
from promotion.models import Drift, Promotion, SmokeCheck, StoredGeneration
from promotion.planning import writer_for

ACTION: Final = "smoke.requested"
# A name that leads elsewhere is told; so many of them.
_MOST_TOLD: Final = 5


def smoke_problem(promotion: Promotion) -> str:
    """Return why what a promotion brought live cannot be looked at, or an empty string."""
    live = StoredGeneration.live_in(promotion.environment)
    if live is None or live.promotion_id != promotion.pk:
        return f"What {promotion} brought live is not live any more. Look at the one that is."
    return ""


def request_smoke_check(actor: Actor, promotion: Promotion) -> SmokeCheck:
    """Begin to look at what a promotion brought live; `run_smoke_check` does it.

    Raises:
        NotAllowedError: the actor may not.
        RuleBroken: it is not live.
    """
    target = promotion.environment
    authorise(actor, Verb.PROMOTE, ACTION, target)
    if problem := smoke_problem(promotion):
        raise refuse(actor, ACTION, target, f"{problem} Nothing was changed.")
    made = SmokeCheck.objects.create(promotion=promotion, requested_by=actor.user)
    record(actor, ACTION, made)
    return made


def after(promotion: Promotion) -> SmokeCheck | None:
    """Begin the look that an environment asks for after each promotion, if it does."""
    if not promotion.environment.smoke_after_promotion or smoke_problem(promotion):
        return None
    return SmokeCheck.objects.create(promotion=promotion)


def run_smoke_check(smoke: SmokeCheck) -> SmokeCheck:
    """Look, and keep what was found; one that ended already is left alone."""
    if smoke.status != SmokeCheck.Status.RUNNING:
        return smoke
    target = smoke.promotion.environment
    results = [_names(target), _content(target), _health(target)]
    if problem := smoke_problem(smoke.promotion):
        # Something else went live meanwhile: what was seen is of that.
        results.append(_told("Generation", problem, ok=False))
    # What was not asked for is neither sound nor not.
    held = all(one["ok"] is not False for one in results)
    smoke.results = results
    smoke.status = SmokeCheck.Status.PASSED if held else SmokeCheck.Status.FAILED
    smoke.finished_at = timezone.now()
    smoke.save(update_fields=["results", "status", "finished_at"])
    record(system_actor(), "smoke.ended", smoke, detail={"status": smoke.status})
    return smoke


def give_up_smoke_checks(words: str) -> int:
    """End the looks that nobody has any more as not held, each with `words`; return how many."""
    return SmokeCheck.objects.filter(status=SmokeCheck.Status.RUNNING).update(
        status=SmokeCheck.Status.FAILED,
        results=[_told("Look", words, ok=False)],
        finished_at=timezone.now(),
    )


def _told(what: str, words: str, *, ok: bool | None) -> dict[str, Any]:
    return {"what": what, "ok": ok, "words": words}


def _names(target: Environment) -> dict[str, Any]:
    """Each name that Tracardi reads and writes by leads to the one index of what is live."""
    what, live = "Names", StoredGeneration.live_in(target)
    if live is None:
        return _told(what, f"{target} is not adopted any more.", ok=False)
    naming = target.naming
    wanted: dict[str, str] = {}
    for resource, held in live.generation.resources.items():
        wanted |= dict.fromkeys(names_of(naming, resource), held.index)
    wanted[naming.marker_alias] = live.marker
    try:
        states = writer_for(target).states(list(wanted))
    except (PromotionError, ElasticError) as error:
        return _told(what, str(error), ok=False)
    wrong = []
    for name, index in wanted.items():
        behind = sorted(one for one, state in states.items() if name in (one, *state.aliases))
        if behind != [index]:
            wrong.append(f"{name} leads to {', '.join(behind) or 'nothing'}, not to {index}")
    if wrong:
        more = f", and {len(wrong) - _MOST_TOLD} more" if len(wrong) > _MOST_TOLD else ""
        return _told(what, f"{'; '.join(wrong[:_MOST_TOLD])}{more}.", ok=False)
    return _told(what, f"{len(wanted)} names lead to generation {live.number} alone.", ok=True)


def _content(target: Environment) -> dict[str, Any]:
    """What is served has the digests of what was promoted."""
    since = timezone.now()
    watch = check(target, close=True, mends=False)
    if watch.looked_at is None or watch.looked_at < since:
        running = running_in(target)
        why = watch.problem or (f"{running} is running." if running else "It moved meanwhile.")
        return _told("Content", f"It was not looked at: {why} Check it again.", ok=False)
    if watch.problem:
        return _told("Content", watch.problem, ok=False)
    if (drift := Drift.open_in(target)) is not None:
        return _told("Content", f"It is not what was promoted: {drift.words}.", ok=False)
    return _told("Content", "Its digests are those of what was promoted.", ok=True)


def _health(target: Environment) -> dict[str, Any]:
    """Tracardi answers."""
    if not target.api_url:
        words = "Not asked: the administrator gave no address of Tracardi's API."
        return _told("Tracardi", words, ok=None)
    try:
        words = Collector(target.api_url, settings.WORKFLOW_ANSWER_SECONDS).health()
    except CollectorError as error:
        return _told("Tracardi", str(error), ok=False)
    return _told("Tracardi", f"{words}.", ok=True)
