"""What the wizard suggests for index sets that become environments: names, and what feeds what."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.text import slugify

from environments.models import Environment
from environments.naming import Naming, Side, default_tenant

LONGEST_NAME: Final = 100
LONGEST_SLUG: Final = 60
# A choice among more is none: the set-up of the environment has them all.
MOST_CHOICES: Final = 50
# What leads where: an environment that is there, or another set that is chosen too.
HERE, THERE = "set:", "environment:"


@dataclass(frozen=True)
class Suggestion:
    """What one set may be called, and the other end of its pipeline: what may be, and what fits."""

    name: str
    slug: str
    other: str
    choices: tuple[tuple[str, str], ...]


def suggest(chosen: Sequence[Naming]) -> dict[str, Suggestion]:
    """Return what is suggested for each of some sets, by its key."""
    names = {name.casefold() for name in Environment.objects.values_list("name", flat=True)}
    slugs = set(Environment.objects.values_list("slug", flat=True))
    found = {}
    for naming in chosen:
        name, slug = _free(naming, names, slugs)
        names.add(name.casefold())
        slugs.add(slug)
        choices = _others(naming, chosen)
        fits = [value for value, _, same in choices if same]
        # Of two that fit, none is the one: a person chooses.
        other = fits[0] if fits and (len(fits) == 1 or fits[0].startswith(HERE)) else ""
        found[naming.key] = Suggestion(name, slug, other, tuple((v, w) for v, w, _ in choices))
    return found


def _free(naming: Naming, names: set[str], slugs: set[str]) -> tuple[str, str]:
    """Return a name and a slug that nobody has."""
    tenant, side = naming.tenant, naming.side.value
    own = tenant != default_tenant(naming.catalogue.prefix)
    stem = tenant[:1].upper() + tenant[1:] if own else "Tracardi"
    for extra in _extras(naming):
        name = f"{stem} {side}{f' {extra}' if extra else ''}"[:LONGEST_NAME]
        end = slugify(f"-{side}-{extra}".replace(".", "")).strip("-")
        slug = f"{slugify(stem)[: LONGEST_SLUG - len(end) - 1].strip('-')}-{end}".strip("-")
        if name.casefold() not in names and slug not in slugs:
            return name, slug
    return "", ""


def _extras(naming: Naming) -> Iterable[str]:
    yield ""
    yield naming.catalogue.version
    yield from (f"{naming.catalogue.version} {number}" for number in range(2, 1000))


def _others(naming: Naming, chosen: Sequence[Naming]) -> list[tuple[str, str, bool]]:
    """Return the other ends that a set may have: value, words, and whether it is its pair."""
    wanted = Side.PRODUCTION if naming.side is Side.STAGING else Side.STAGING
    version = naming.catalogue.version
    found = [
        (f"{HERE}{one.key}", f"{one.tenant}, {wanted.value}, chosen here", one.tenant)
        for one in chosen
        if one.side is wanted and one.catalogue.version == version
    ]
    # A production is fed by one staging here; which others feed it, each of those says itself.
    if wanted is Side.STAGING:
        found = []
    rows = Environment.objects.filter(kind=wanted.value, version=version).select_related("cluster")
    if wanted is Side.STAGING:
        rows = rows.filter(promotes_to=None)
    same = list(rows.filter(tenant=naming.tenant)[:MOST_CHOICES])
    rest = list(rows.exclude(tenant=naming.tenant)[: MOST_CHOICES - len(same)])
    found += [
        (f"{THERE}{one.pk}", f"{one} (tenant {one.tenant}, cluster {one.cluster})", one.tenant)
        for one in (*same, *rest)
    ]
    pairs = [(value, words, tenant == naming.tenant) for value, words, tenant in found]
    return sorted(pairs, key=lambda pair: not pair[2])
