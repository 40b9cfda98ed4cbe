"""Which environments a licence could cover too: those beside one that it covers."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from environments.findings import Finding
from environments.licence_warnings import warning
from environments.models import Environment, Licence, LicenceUse


@dataclass(frozen=True)
class Offer:
    """That an environment without a licence stands beside one that has one."""

    environment: Environment
    beside: Environment
    licence: Licence


def offers() -> list[Offer]:
    """Return the offers for all environments."""
    bare = Environment.objects.filter(licence_use=None)
    return [found for one in bare if (found := offer_for(one)) is not None]


def offer_for(environment: Environment) -> Offer | None:
    """Return the offer for one environment; None where it is covered, or nothing is beside it."""
    if LicenceUse.objects.filter(environment=environment).exists():
        return None
    # The other side of a pipeline, or of the same Tracardi; a pipeline's own first.
    pipeline = Q(environment=environment.promotes_to_id) | Q(environment__promotes_to=environment)
    side = Q(
        environment__cluster=environment.cluster_id,
        environment__version=environment.version,
        environment__tenant=environment.tenant,
    )
    for near in (pipeline, side):
        if use := uses().filter(near).first():
            return Offer(environment, use.environment, use.licence)
    return None


def uses(of: Iterable[Environment] | None = None) -> QuerySet[LicenceUse]:
    """Return who uses what, of all environments or of some; no key is read."""
    rows = LicenceUse.objects.select_related("environment", "licence").defer("licence__key")
    return rows if of is None else rows.filter(environment__in=of)


@dataclass(frozen=True)
class State:
    """What an environment's own page says of its licence."""

    licence: Licence | None
    warning: Finding | None
    offer: Offer | None


def state_of(environment: Environment) -> State:
    """Return an environment's licence and its warning, or the offer to cover it."""
    use = uses([environment]).first()
    if use is None:
        return State(None, None, offer_for(environment))
    return State(use.licence, warning(use.licence), None)
