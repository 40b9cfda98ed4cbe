"""What the home page says of the last looks at the network."""

from collections.abc import Iterable

from django.db.models import Max

from environments.models import Environment, NetworkRun


def to_mend(environments: Iterable[Environment]) -> list[NetworkRun]:
    """Return the last runs that found something or are old, by the environments' order."""
    wanted = {one.pk: place for place, one in enumerate(environments)}
    runs = NetworkRun.objects.filter(environment__in=wanted, status=NetworkRun.Status.DONE)
    last = runs.order_by().values("environment").annotate(last=Max("pk")).values("last")
    # Without what was found: a home page says how much, and no more.
    found = NetworkRun.objects.filter(pk__in=last).defer("checks", "new", "mended")
    return sorted(
        (
            one
            for one in found.select_related("environment")
            if one.errors or one.warnings or one.is_old
        ),
        key=lambda one: wanted[one.environment_id],
    )
