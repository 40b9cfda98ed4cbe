"""Removes the indices of generations that nothing refers to any more."""

from django.conf import settings

from environments.models import Environment
from environments.naming import Naming
from promotion.models import Promotion, StoredGeneration
from promotion.writer import ClusterWriter


def clean_up(writer: ClusterWriter, environment: Environment) -> list[str]:
    """Delete what no kept generation, preparation or running work needs; return the names.

    Only exact names that this console recorded as its own are considered, and never one that a
    name points at. It holds no claim, so as never to stand in the way of a click: what a promotion
    takes meanwhile is needed from its beginning on, and a fence refuses what is gone.
    """
    live = StoredGeneration.live_in(environment)
    facts = writer.marker(environment.naming.marker_alias)
    if live is None or facts is None or facts.get("marker") != live.marker:
        # Where the database does not know what is live, it does not know what is needed either.
        return []
    _keep_last(environment, live)
    needed, naming = _needed(environment), environment.naming
    there = writer.states([*naming.search_patterns(), naming.marker_pattern])
    free = [n for n, state in there.items() if n not in needed and not state.aliases]
    recorded = _recorded(environment, generation_numbers(naming, free))
    gone = [name for name in free if name in recorded]
    if gone:
        writer.delete(sorted(gone))
    return gone


def generation_numbers(naming: Naming, names: list[str]) -> set[int]:
    """Return the generations that indices and markers of those names belong to."""
    marker = naming.marker_pattern.removesuffix("*")
    found = set()
    for name in names:
        what = naming.classify(name)
        if what is not None and what.number is not None:
            found.add(what.number)
        elif name.startswith(marker):
            found.add(int(name.removeprefix(marker).partition("-")[0]))
    return found


def _keep_last(environment: Environment, live: StoredGeneration) -> None:
    """Keep the last KEPT_GENERATIONS distinct maps, and always where Roll back goes."""
    kept = {live.pk}
    if live.previous_id is not None:
        kept.add(live.previous_id)
    maps: set[frozenset[str]] = set()
    generations = StoredGeneration.objects.filter(environment=environment, is_kept=True)
    for stored in generations:
        held = frozenset(held.index for held in stored.generation.resources.values())
        if held in maps or len(maps) < settings.KEPT_GENERATIONS:
            maps.add(held)
            kept.add(stored.pk)
    generations.exclude(pk__in=kept).update(is_kept=False)


def _needed(environment: Environment) -> set[str]:
    names: set[str] = set()
    for stored in StoredGeneration.objects.filter(environment=environment, is_kept=True):
        names |= {stored.marker, *(h.index for h in stored.generation.resources.values())}
    promotions = Promotion.objects.filter(environment=environment)
    ready = (
        promotions.filter(kind=Promotion.Kind.PREPARE, status=Promotion.Status.SUCCEEDED)
        .exclude(fate=Promotion.Fate.SUPERSEDED)
        .first()
    )
    working = list(promotions.filter(status__in=Promotion.ACTIVE))
    for promotion in [*working, *([ready] if ready is not None and ready.is_prepared else [])]:
        if (plan := promotion.plan) is not None:
            names |= {plan.marker, *(part.next_index for part in plan.resources)}
            names |= {part.live.index for part in plan.resources}
    return names


def _recorded(environment: Environment, numbers: set[int]) -> set[str]:
    """Return the names that this console made for some generations, as it recorded them."""
    names: set[str] = set()
    ours = Promotion.objects.filter(environment=environment, plan_facts__number__in=numbers)
    for promotion in ours:
        if (plan := promotion.plan) is not None:
            names |= {plan.marker, *(part.next_index for part in plan.fresh)}
    gone = StoredGeneration.objects.filter(environment=environment, is_kept=False)
    for stored in gone.filter(number__in=numbers):
        names |= {stored.marker, *(h.index for h in stored.generation.resources.values())}
    return names
