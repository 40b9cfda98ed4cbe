"""Where a person begins who chose a page for it, by whoever keeps such choices."""

from collections.abc import Callable

from accounts.models import User

# Returns a path that this person may open; empty where they chose none.
StartPage = Callable[[User], str]
_providers: list[StartPage] = []


def register_start_page(provider: StartPage) -> None:
    """Let `provider(user)` say where a person begins; of several the first that answers counts.

    It is asked at each page: one query, and no cluster.
    """
    if provider not in _providers:
        _providers.append(provider)


def start_page(user: User) -> str:
    """Return where a person begins by their own choice; empty for what their role has."""
    return next((url for provider in _providers if (url := provider(user))), "")
