"""Moments worth seeing on a time axis, told by whoever knows of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from accounts.models import User
from environments.models import Environment


@dataclass(frozen=True)
class Marker:
    """A moment worth seeing on the time axis, such as a promotion; `url` tells more."""

    time: datetime
    label: str
    url: str


MarkerProvider = Callable[[Environment, datetime, datetime, User], Iterable[Marker]]
_providers: list[MarkerProvider] = []


def register_markers(provider: MarkerProvider) -> None:
    """Let `provider(environment, start, end, user)` add what that user may see to the axis."""
    if provider not in _providers:
        _providers.append(provider)


def markers(environment: Environment, start: datetime, end: datetime, user: User) -> list[Marker]:
    """Return every provider's markers from `start` until before `end`, the earliest first."""
    found = (m for provider in _providers for m in provider(environment, start, end, user))
    return sorted(
        (marker for marker in found if start <= marker.time < end), key=lambda marker: marker.time
    )
