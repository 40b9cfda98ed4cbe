"""What the home page says of the last looks at the network."""

from collections.abc import Iterable

from environments.models import Environment, NetworkRun


def to_mend(environments: Iterable[Environment]) -> list[NetworkRun]:
    """Return the last runs that found something or are old, by the environments' order."""
    found = []
    for environment in environments:
        last = NetworkRun.last_of(environment)
        if last is not None and (last.errors or last.warnings or last.is_old):
            found.append(last)
    return found
