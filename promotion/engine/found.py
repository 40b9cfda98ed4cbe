"""What a cluster itself tells of an environment's generations (docs/recovery.md).

Only its markers are asked, and the indices that they name: nothing that a database remembers.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from environments.naming import NameKind, Naming
from promotion.engine.capture import read_tree
from promotion.engine.errors import RuleBroken
from promotion.engine.manifest import TreeDigests
from promotion.engine.plan import Generation, names_of
from promotion.engine.ports import Content, IndexState, Reader, Writer, fingerprint


@dataclass(frozen=True)
class Marked:
    """A marker index. `generation` is None where it holds no facts that can be true here.

    `base` is the marker that was live when it was made, `previous` that of the way back from it,
    `restores` that of the generation which it brings back.
    """

    name: str
    number: int
    generation: Generation | None = None
    base: str = ""
    previous: str = ""
    restores: str = ""

    @property
    def parents(self) -> tuple[str, ...]:
        return tuple(name for name in (self.base, self.previous, self.restores) if name)


@dataclass(frozen=True)
class Sight:
    """An environment as the cluster has it: all its indices, markers included.

    `holds_names` says that a generation's index has one of Tracardi's names.
    """

    states: Mapping[str, IndexState]
    markers: Mapping[str, Marked]
    live: Marked | None
    holds_names: bool

    @property
    def live_marker(self) -> str:
        return self.live.name if self.live is not None else ""


def see(writer: Writer, naming: Naming) -> Sight:
    """Look at an environment; reads names, states and the markers' facts.

    Raises:
        RuleBroken: the marker alias points at what is no marker of this environment.
    """
    states = writer.states([*naming.search_patterns(), naming.marker_pattern, naming.marker_alias])
    markers = {}
    for name in states:
        number = marker_number(naming, name)
        if number is not None:
            markers[name] = _marked(naming, name, number, writer.marker(name))
    holders = [name for name, state in states.items() if naming.marker_alias in state.aliases]
    if len(holders) > 1 or any(name not in markers for name in holders):
        raise RuleBroken(
            f"{naming.marker_alias} points at {', '.join(sorted(holders))}, which cannot be. "
            "Nothing was changed. Somebody changed it by hand: point it at the right marker."
        )
    kinds = {name: naming.classify(name) for name in states}
    holds = any(
        what is not None and what.kind is NameKind.GENERATION and states[name].aliases
        for name, what in kinds.items()
    )
    return Sight(states, markers, markers[holders[0]] if holders else None, holds)


def marker_number(naming: Naming, name: str) -> int | None:
    """Return the generation that a marker index belongs to; None for any other index."""
    before = naming.marker_pattern.removesuffix("*")
    number, dash, token = name.removeprefix(before).partition("-")
    if not name.startswith(before) or not dash or not (number.isascii() and number.isdigit()):
        return None
    try:
        expected = naming.marker_index(int(number), token)
    except ValueError:
        return None
    return int(number) if expected == name else None


def _marked(naming: Naming, name: str, number: int, facts: Mapping[str, Any] | None) -> Marked:
    if facts is None:
        # An attempt that died before it had proved what it made.
        return Marked(name, number)
    try:
        generation = Generation.from_dict(facts)
        if generation.marker != name or generation.number != number:
            return Marked(name, number)
        promoted = {resource.name for resource in naming.catalogue.promoted}
        if generation.resources.keys() != promoted:
            return Marked(name, number)
        for resource, held in generation.resources.items():
            what = naming.classify(held.index)
            # Whatever it says, no other index is ever read or named for it.
            if (
                what is None
                or what.kind is not NameKind.GENERATION
                or what.resource != naming.catalogue.get(resource)
            ):
                return Marked(name, number)
    except (KeyError, TypeError, ValueError):
        return Marked(name, number)
    parents = [str(facts.get(which) or "") for which in ("base", "previous", "restores")]
    return Marked(name, number, generation, *parents)


def lineage(sight: Sight) -> list[Marked]:
    """Return the markers that the live one descends from, the live one first.

    Each was live: an attempt names as its base only what was live when it switched.
    """
    found: dict[str, Marked] = {}
    due = [sight.live_marker] if sight.live is not None else []
    while due:
        name = due.pop(0)
        marked = sight.markers.get(name)
        if marked is not None and name not in found:
            found[name] = marked
            due += marked.parents
    return list(found.values())


@dataclass
class Prover:
    """Proves generations against what their indices hold; each index is read once at most.

    `known` are the digests of trees that are kept already.
    """

    reader: Reader
    content: Content
    sight: Sight
    known: set[str]
    limit: int
    read: list[str] = field(default_factory=list)
    _trees: dict[str, TreeDigests] = field(default_factory=dict)

    def problem(self, generation: Generation) -> str:
        """Say in words why a generation cannot be gone back to as it is; empty where it can.

        Each of its indices must have the fingerprint of its marker, and hold just the recorded
        tree, which is then kept.
        """
        gone = [h.index for h in generation.resources.values() if h.index not in self.sight.states]
        if gone:
            return f"{', '.join(gone[:3])}{' and more' if len(gone) > 3 else ''} is gone"
        marks = self.reader.marks([held.index for held in generation.resources.values()])
        for resource, held in generation.resources.items():
            now = fingerprint(self.sight.states[held.index], marks[held.index])
            if now != held.fingerprint or not marks[held.index].settled:
                return f"{held.index} was written to since it was proved"
            if held.tree.digest not in self.known:
                tree = self._trees.get(held.index)
                if tree is None:
                    tree = read_tree(
                        self.reader, self.content, resource, held.index, limit=self.limit
                    )
                    self._trees[held.index] = tree
                    self.read.append(held.index)
                if tree.digest != held.tree.digest:
                    return f"{held.index} does not hold what its marker says"
        return ""


def check_names(naming: Naming, sight: Sight, generation: Generation) -> None:
    """Check that both names of each resource point at the generation's index alone.

    Raises:
        RuleBroken: one does not.
    """
    wrong = []
    for resource, held in generation.resources.items():
        names = names_of(naming, resource)
        holders = {n for n, s in sight.states.items() if set(names) & {n, *s.aliases}}
        if holders != {held.index} or not set(names) <= set(sight.states[held.index].aliases):
            wrong.append(resource)
    if wrong:
        raise RuleBroken(
            f"The names of {', '.join(wrong)} do not point at what the live marker says. Nothing "
            "was recorded. Somebody moved them by hand, or an adoption stopped half-way at another "
            "console: let that one end it, or point them at the marker's indices."
        )


@dataclass(frozen=True)
class Leftovers:
    """Indices with a generation's number that nothing refers to.

    `doubtful` are newer than what is live: another console may be preparing them.
    """

    dead: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()


def leftovers(naming: Naming, sight: Sight, needed: Collection[str]) -> Leftovers:
    """Return what attempts left behind; `needed` are names that somebody still refers to.

    Ask while the lease is held: then no promotion, rollback, adoption or release is under way. A
    preparation holds none; but one that is older than what is live can never go live.
    """
    newest = sight.live.number if sight.live is not None else None
    keep = set(needed)
    for marked in sight.markers.values():
        later = newest is not None and marked.number > newest
        if later and marked.generation is not None:
            keep |= {held.index for held in marked.generation.resources.values()}
    dead, doubtful = [], []
    for name, state in sorted(sight.states.items()):
        what = naming.classify(name)
        number = marker_number(naming, name)
        if what is not None and what.kind is NameKind.GENERATION:
            number = what.number
        if number is None or state.aliases or name in set(needed):
            continue
        if newest is not None and (number > newest or name in keep):
            doubtful.append(name)
        else:
            dead.append(name)
    if sight.live is None and sight.holds_names:
        # Nothing says which generation is live: nothing is surely dead.
        return Leftovers(doubtful=(*dead, *doubtful))
    return Leftovers(tuple(dead), tuple(doubtful))
