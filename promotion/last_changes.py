"""When a document changed last: found by comparing the lists of documents that were recorded.

An adopted environment's are those of its generations, in the order in which they were live; of
another one those of its builds. A list never changes, so what differs between two is kept.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Final

from django.urls import reverse

from accounts.models import User
from accounts.policy import may
from accounts.roles import Verb
from environments.last_changes import NOT_YET, WITHHELD, Change, NotYet, Withheld
from environments.models import Environment
from environments.ways import Key
from promotion.engine.recent import Recent
from promotion.models import Build, BuildPart, Drift, StoredGeneration, Unlocking
from promotion.store import DatabaseContent
from promotion.timeline import How, periods
from promotion.views import visible_promotions

# So many states are looked back through, and so many pairs of lists compared anew for one page.
MOST_STATES: Final = 200
MOST_COMPARED: Final = 150
_differences: Final[Recent[tuple[str, str], frozenset[str]]] = Recent(200_000)
# Of each generation, by its marker, which lists it has: its facts are large, and never change.
_lists: Final[Recent[str, Mapping[str, str]]] = Recent(20_000)
_TOO_MUCH: Final = (
    "So much changed that not all of it was compared yet. Open the page again for more of it."
)
_READ: Final = (Build.Kind.CAPTURE, Build.Kind.BASELINE, Build.Kind.DRIFT, Build.Kind.FOUND)


@dataclass(frozen=True)
class State:
    """What an environment held from a moment on: by resource the digest of its list."""

    change: Change
    lists: Mapping[str, str]


@dataclass
class Recorded:
    """The states of an environment, the newest first; see `environments.last_changes.Changes`."""

    states: Sequence[State]
    word: str
    # What these records cannot tell.
    gaps: Sequence[str] = ()
    is_short: bool = False
    _budget: int = field(default_factory=lambda: MOST_COMPARED)

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self.gaps, _TOO_MUCH) if self.is_short else tuple(self.gaps)

    def last(self, keys: Collection[Key]) -> dict[Key, Change | NotYet]:
        """Return the last change of each document that the newest state holds."""
        found: dict[Key, Change | NotYet] = {}
        for resource in {key[0] for key in keys}:
            ids = {key[1] for key in keys if key[0] == resource}
            for doc_id, change in self._of(resource, ids).items():
                found[resource, doc_id] = change
        return found

    def _of(self, resource: str, ids: set[str]) -> dict[str, Change | NotYet]:
        newest = self.states[0].lists.get(resource) if self.states else None
        if newest is None:
            return {}
        pending = ids & DatabaseContent().tree(newest).by_id.keys()
        found: dict[str, Change | NotYet] = {}
        for newer, older in pairwise(self.states):
            if not pending:
                return found
            changed = self._difference(newer.lists.get(resource), older.lists.get(resource))
            if changed is None:
                # That far back only the next page looks.
                return found | dict.fromkeys(pending, NOT_YET)
            found |= dict.fromkeys(pending & changed, newer.change)
            pending -= changed
        first = self.states[-1].change
        since = Change(first.time, first.label, first.url, is_first=True)
        return found | dict.fromkeys(pending, since)

    def since(self, moment: datetime) -> set[Key]:
        """Return the documents that a state from a moment on holds otherwise than before."""
        found: set[Key] = set()
        for newer, older in pairwise(self.states):
            if newer.change.time < moment:
                break
            for resource, digest in newer.lists.items():
                changed = self._difference(digest, older.lists.get(resource))
                found |= {(resource, doc_id) for doc_id in changed or ()}
        return found

    def _difference(self, newer: str | None, older: str | None) -> frozenset[str] | None:
        """Return the ids of documents that two lists hold otherwise; None where it is too much."""
        if newer == older:
            return frozenset()
        key = (newer or "", older or "")
        known = _differences.get(key)
        if known is None:
            if self._budget <= 0:
                self.is_short = True
                return None
            self._budget -= 1
            known = _compared(newer, older)
            _differences.put(key, known)
        return known


def _compared(newer: str | None, older: str | None) -> frozenset[str]:
    """Return the ids of documents whose content differs; what is noise alone does not count."""
    content = DatabaseContent()
    new, old = (
        {entry.id: entry.content for entry in content.tree(one).entries} if one else {}
        for one in (newer, older)
    )
    return frozenset(one for one in new.keys() | old.keys() if new.get(one) != old.get(one))


def recorded(environment: Environment, user: User) -> Recorded | Withheld | None:
    """Return when an environment's documents changed; WITHHELD where the person may not know.

    None where nobody recorded it.
    """
    if environment.is_production:
        states = _generations(environment, user)
        word = "by"
    else:
        # Who sees no build learns nothing of when staging was captured either.
        if not may(user, Verb.VIEW_BUILD, environment):
            return WITHHELD
        states = _builds(environment)
        word = "seen in"
    if not states:
        return None
    return Recorded(states, word, _gaps(environment))


def _generations(environment: Environment, user: User) -> list[State]:
    """Return what went live, the newest first, without what was swapped back again."""
    lasted: list[tuple[StoredGeneration, datetime]] = []
    known = periods(environment)
    if known and known[-1].generation is None:
        # Released: nobody records what is changed since.
        return []
    for period in known:
        if period.how is How.SWAPPED_BACK:
            # What it brought was live for a moment, and ends as if it had not been.
            if lasted:
                lasted.pop()
        elif period.generation is not None:
            lasted.append((period.generation, period.since))
    recent = lasted[::-1][:MOST_STATES]
    lists = _lists_of(environment, [generation for generation, _ in recent])
    visible = set(
        visible_promotions(user).filter(environment=environment).values_list("pk", flat=True)
    )
    states = []
    for generation, since in recent:
        promotion = generation.promotion
        seen = promotion.pk in visible
        label = f"{promotion.get_kind_display()} {promotion.pk}" if seen else ""
        url = reverse("promotion:promotion", args=[promotion.pk]) if seen else ""
        states.append(State(Change(since, label, url), lists.get(generation.marker, {})))
    return states


def _lists_of(
    environment: Environment, generations: Sequence[StoredGeneration]
) -> dict[str, Mapping[str, str]]:
    """Return by marker the digests of the lists that each generation has, by resource."""
    known = {one.marker: _lists.get(one.marker) for one in generations}
    found = {marker: lists for marker, lists in known.items() if lists is not None}
    unknown = [marker for marker in known if marker not in found]
    names = [resource.name for resource in environment.catalogue.promoted]
    paths = [f"facts__resources__{name}__tree__digest" for name in names]
    rows = StoredGeneration.objects.filter(marker__in=unknown).values_list("marker", *paths)
    for marker, *digests in rows if unknown else ():
        found[marker] = {name: one for name, one in zip(names, digests, strict=True) if one}
        _lists.put(marker, found[marker])
    return found


def _builds(environment: Environment) -> list[State]:
    """Return what was read from an environment, the newest first."""
    builds = list(
        Build.objects.filter(environment=environment, kind__in=_READ).order_by("-number")[
            :MOST_STATES
        ]
    )
    lists: dict[int, dict[str, str]] = {}
    rows = BuildPart.objects.filter(build__in=[build.pk for build in builds])
    for build, resource, digest in rows.values_list("build_id", "tree__resource", "tree_id"):
        lists.setdefault(build, {})[resource] = digest
    return [
        State(
            Change(
                build.captured_at,
                f"build {build.number}",
                reverse("promotion:build", args=[environment.slug, build.number]),
            ),
            lists.get(build.pk, {}),
        )
        for build in builds
    ]


def _gaps(environment: Environment) -> tuple[str, ...]:
    """Say what records alone cannot tell."""
    if not environment.is_production:
        return ("What was changed since the last build is not seen before the next one.",)
    if Drift.open_in(environment) is not None:
        return (
            "Documents were edited by hand since the last promotion: of those, the change that is "
            "told is older than the last one.",
        )
    if Unlocking.of(environment) is not None:
        return ("It is open to edits by hand, which are told once they were promoted or found.",)
    return ()
