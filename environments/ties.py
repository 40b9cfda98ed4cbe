"""What binds an environment to its indices, so that it is neither another one nor removed.

Builds and generations belong to an app above: it says so by a provider.
"""

from collections.abc import Callable

from environments.models import Environment

# Why an environment is bound, in words that go on after its name; empty where it is not.
Tie = Callable[[Environment], str]
_providers: list[Tie] = []


def register_tie(provider: Tie) -> None:
    """Let `provider(environment)` say why an environment stays what and where it is."""
    if provider not in _providers:
        _providers.append(provider)


def tie_of(environment: Environment) -> str:
    """Return why an environment's kind, cluster, version and tenant stay, or nothing."""
    for provider in _providers:
        if words := provider(environment):
            return f"{environment} {words}"
    return ""
