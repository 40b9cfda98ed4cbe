"""Installations as rows of a table: how each side stands, and whether it can be ticked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from environments.catalogue import Policy
from environments.discovery import Discovery, Gap, IndexSet, Installation
from environments.models import Environment
from environments.naming import Side

OK, WARN, BAD, MUTED, INFO = "ok", "warn", "bad", "muted", "info"


@dataclass(frozen=True)
class Cell:
    """One side of an installation. `reason` says why it cannot be ticked."""

    side: Side
    badge: str
    style: str
    words: str = ""
    key: str = ""
    reason: str = ""
    gaps: tuple[Gap, ...] = ()
    unknown: tuple[str, ...] = ()
    environment: Environment | None = None

    @property
    def wrong(self) -> int:
        """How many things are not as they ought to be."""
        return len(self.gaps) + len(self.unknown)

    @property
    def can_be_chosen(self) -> bool:
        return bool(self.key) and not self.reason and self.environment is None


@dataclass(frozen=True)
class Row:
    """One installation."""

    installation: Installation
    cells: tuple[Cell, ...] = field(default=())

    def fits(self, query: str) -> bool:
        """Answer whether a search finds it, by tenant, prefix or version."""
        one = self.installation
        texts = [one.tenant, one.prefix, one.version]
        texts += [str(cell.environment) for cell in self.cells if cell.environment is not None]
        return any(query.casefold() in text.casefold() for text in texts)


def rows_of(found: Discovery, there: Mapping[str, Environment]) -> Iterator[Row]:
    """Yield the rows of a table; `there` are the environments by the key of their set."""
    for one in found.installations:
        yield Row(one, tuple(_cell(one, side, there) for side in Side))


def _cell(one: Installation, side: Side, there: Mapping[str, Environment]) -> Cell:
    found = one.sets.get(side)
    if found is not None:
        return _of_set(found, there.get(found.key))
    if side not in one.sides:
        return Cell(side, "not there", MUTED)
    return Cell(side, "cannot be connected", BAD, reason=one.problem)


def _of_set(found: IndexSet, environment: Environment | None) -> Cell:
    side, successor = found.naming.side, found.successor
    badge, style = ("complete", OK) if found.is_complete else ("with gaps", WARN)
    if found.generation is not None:
        words = f"adopted, generation {found.generation}"
    elif found.loose:
        words = f"{found.loose} indices of generations, and no marker that names one of them"
    else:
        words = "not adopted" if side is Side.PRODUCTION else ""
    reason = ""
    if successor:
        badge, style = "left behind", MUTED
        reason = f"Its names lead to the indices of prefix {successor}, which took its place."
    return Cell(
        side,
        badge,
        style,
        words,
        found.key,
        reason,
        () if successor else found.gaps,
        found.unknown,
        environment,
    )


def gap_words(found: IndexSet) -> str:
    """Say in one sentence what a set lacks; empty where it lacks nothing."""
    promoted, rest = found.gaps_of(Policy.PROMOTED), len(found.gaps)
    rest -= len(promoted)
    if not found.gaps:
        return ""
    parts = []
    if promoted:
        whole = len(found.naming.catalogue.promoted)
        parts.append(f"{len(promoted)} of the {whole} that are promoted")
    if rest:
        parts.append(f"{rest} of the others")
    return f"Names or indices of {' and '.join(parts)} are not as Tracardi makes them."


def chosen_sets(found: Discovery, keys: Sequence[str]) -> tuple[list[IndexSet], list[str]]:
    """Return the sets that were ticked, each once, and the keys of those that are not there."""
    sets, gone = [], []
    for key in dict.fromkeys(keys):
        one = found.find(key)
        if one is None or one.successor:
            gone.append(key)
        else:
            sets.append(one)
    return sets, gone
