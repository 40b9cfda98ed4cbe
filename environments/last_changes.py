"""When a document changed last, and by what: told by whoever knows it, such as promotions."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Protocol

from accounts.models import User
from environments.models import Environment
from environments.ways import Key


@dataclass(frozen=True)
class Change:
    """A moment, what a document changed by then, and where that is told; `url` may be empty.

    `is_first` says that it has been the same for as far back as was looked: since then.
    """

    time: datetime
    label: str
    url: str = ""
    is_first: bool = False


@dataclass(frozen=True)
class NotYet:
    """That a document's records were too many to compare at once: its last change comes later."""

    is_not_yet: ClassVar = True


NOT_YET: Final = NotYet()


class Changes(Protocol):
    """What is known of an environment's changes, as far as one person may see it."""

    @property
    def word(self) -> str:
        """What stands between the time and the label: `by` a promotion, `seen in` a build."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What nobody can tell by records alone, and what was not told of what was asked so far."""
        ...

    def last(self, keys: Collection[Key]) -> Mapping[Key, Change | NotYet]:
        """Return the last change of each document, or that it is not known yet; some have none."""
        ...

    def since(self, moment: datetime) -> Collection[Key]:
        """Return the documents that changed from a moment on."""
        ...


@dataclass(frozen=True)
class Withheld:
    """That changes may be recorded, and are not this person's to see: it tells of none."""

    word: str = ""
    notes: Sequence[str] = ()

    def last(self, keys: Collection[Key]) -> Mapping[Key, Change | NotYet]:
        return {}

    def since(self, moment: datetime) -> Collection[Key]:
        return ()


WITHHELD: Final = Withheld()
ChangesProvider = Callable[[Environment, User], Changes | None]
_providers: list[ChangesProvider] = []


def register_changes(provider: ChangesProvider) -> None:
    """Let `provider(environment, user)` tell when documents changed.

    It returns None where nobody recorded it, and WITHHELD where the person may not know.
    """
    if provider not in _providers:
        _providers.append(provider)


def changes_of(environment: Environment, user: User) -> Changes | None:
    """Return what the first provider that knows of an environment tells, which may be WITHHELD.

    None where nobody recorded anything.
    """
    found = (provider(environment, user) for provider in _providers)
    return next((one for one in found if one is not None), None)
