"""The tour of a first visit: three steps on the page where a role begins its day."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from accounts.roles import Role

# The step in an address: without scripts each is a page of its own.
PARAMETER: Final = "tour"
CLOSED: Final = "The tour is closed. “Your settings” shows it again."
# The names of the routes, or their beginnings, where each role begins.
_BEGINS: Final = {
    Role.ADMINISTRATOR: "admin:index",
    Role.QA: "admin:index",
    Role.MARKETING: "environments:dashboard",
}
_WORDS: Final[dict[Role, tuple[tuple[str, str], ...]]] = {
    Role.ADMINISTRATOR: (
        (
            "What is here",
            "Home says first what needs you now. Below is each pipeline: what staging holds, what "
            "QA said of it, what is prepared, and what production serves.",
        ),
        (
            "What you do",
            "Once QA has approved a build, “Promote to production” shows what will change, and "
            "puts it live at once. “Roll back” takes it back as fast.",
        ),
        (
            "Where help is",
            "A button that does nothing now says why beside it. “Audit trail” tells who did what. "
            "The folder docs of the console has a guide for each job.",
        ),
    ),
    Role.QA: (
        (
            "What is here",
            "Home says which builds wait for you, the oldest first, what changed on staging, and "
            "how the last workflow tests went.",
        ),
        (
            "What you do",
            "Open a build, look at each change, then approve it, reject it or request changes. "
            "What you approve is exactly what can go live.",
        ),
        (
            "Where help is",
            "A button that does nothing now says why beside it. What you may not do says whom to "
            "ask.",
        ),
    ),
    Role.MARKETING: (
        (
            "What is here",
            "This dashboard shows what visitors do. Nothing that you open or choose here can "
            "change what they meet.",
        ),
        (
            "What you do",
            "Choose the days above the figures. Your choice is in the address of the page: a link "
            "that you pass on shows the same. “Environments” has the configuration behind it.",
        ),
        (
            "Where help is",
            "Each page says what its figures mean and how old they are. What is not shown to you "
            "says whom to ask.",
        ),
    ),
}


@dataclass(frozen=True)
class Step:
    """One step, as it is shown. `back` and `forward` are addresses, empty at the ends."""

    number: int
    title: str
    words: str
    back: str
    forward: str
    is_shown: bool


class Tour:
    """The tour of a person, on the page that was asked for."""

    def __init__(self, request: HttpRequest, user: User) -> None:
        self._request, self._user = request, user
        self._words = _WORDS[Role(user.role)]

    @property
    def current(self) -> int:
        """The number of the step that the address asks for; the first where it asks for none."""
        asked = self._request.GET.get(PARAMETER, "")
        known = {str(number): number for number in range(1, len(self._words) + 1)}
        return known.get(asked, 1)

    @property
    def total(self) -> int:
        return len(self._words)

    @cached_property
    def steps(self) -> list[Step]:
        """All steps, of which one is shown."""
        return [
            Step(
                number,
                title,
                words,
                self._address(number - 1),
                self._address(number + 1),
                number == self.current,
            )
            for number, (title, words) in enumerate(self._words, 1)
        ]

    @property
    def here(self) -> str:
        """The page's address without a step, to come back to."""
        return self._with(0)

    @cached_property
    def helper(self) -> User | None:
        """Who is asked where the pages do not say enough; None for the administrator."""
        return None if self._user.is_administrator else administrator()

    def _address(self, number: int) -> str:
        return f"{self._with(number)}#tour" if 1 <= number <= self.total else ""

    def _with(self, number: int) -> str:
        # What else the address chooses, such as a range of days, stays as it is.
        query = self._request.GET.copy()
        query.pop(PARAMETER, None)
        if number:
            query[PARAMETER] = str(number)
        words = query.urlencode()
        return f"{self._request.path}?{words}" if words else self._request.path


def administrator() -> User | None:
    """Return the one to ask; None on a console that has none yet."""
    return User.objects.filter(role=Role.ADMINISTRATOR.value, is_active=True).first()


def tour_on(request: HttpRequest) -> Any:
    """Return the tour of whoever asks for a page, if it is to be shown there; else None.

    Not where an administrator looks at the console as somebody else: it is not their first visit.
    """
    user, match = request.user, request.resolver_match
    if not isinstance(user, User) or hasattr(request, "viewer") or match is None:
        return None
    if user.tour_done_at is not None or not match.view_name.startswith(_BEGINS[Role(user.role)]):
        return None
    return Tour(request, user)


def lazy_tour(request: HttpRequest) -> Any:
    """Return the same, worked out where a page asks for it."""
    return SimpleLazyObject(lambda: tour_on(request))
