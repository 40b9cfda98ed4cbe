"""Proof after a switch: the names, the content behind them, and what was not to be touched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from environments.catalogue import Policy
from environments.naming import Naming
from promotion.engine.delta import delta
from promotion.engine.errors import Mismatch
from promotion.engine.manifest import TreeDigests
from promotion.engine.plan import Generation, names_of
from promotion.engine.ports import IndexState, Writer, fingerprint
from promotion.engine.prepare import Sources, check_copy, check_part


@dataclass(frozen=True)
class Proof:
    """How many documents were read and equal, and which kept resources were edited meanwhile."""

    documents: int
    edited: tuple[str, ...] = ()


def verify(
    writer: Writer,
    content: Sources,
    naming: Naming,
    live: Generation,
    states: Mapping[str, IndexState],
    *,
    before: Mapping[str, TreeDigests] | None = None,
    unlocked: bool = False,
) -> Proof:
    """Read the live generation through its names, and compare it.

    `states` are of all indices that hold one of its names, as they are now. `before` has the trees
    that were live until now.

    All indices were proved byte for byte when they were made; their fingerprints prove that nobody
    wrote to them since. Of this generation's own, what differs from `before` is read once more,
    through the name that Tracardi reads, and all documents are counted. Where edits by hand are
    allowed (`unlocked`), one to an earlier generation's index is told, and no fault of the
    promotion.

    Raises:
        Mismatch: a name points elsewhere, an index was written to, or a document differs.
    """
    marks = writer.marks([held.index for held in live.resources.values()])
    count = 0
    edited = []
    for resource, held in live.resources.items():
        names = names_of(naming, resource)
        _check_names(resource, held.index, names, states)
        own = held.index == naming.generation_index(resource, live.number)
        if fingerprint(states[held.index], marks[held.index]) != held.fingerprint:
            if own or not unlocked:
                raise Mismatch(f"Index {held.index} of {resource} was written to.")
            edited.append(resource)
        elif own:
            count += read_back(writer, content, names[0], held.tree, (before or {}).get(resource))
    return Proof(count, tuple(edited))


def _check_names(
    resource: str, index: str, names: tuple[str, str], states: Mapping[str, IndexState]
) -> None:
    holders = {name for name, state in states.items() if set(names) & set(state.aliases)}
    if holders != {index} or states[index].aliases != tuple(sorted(names)):
        raise Mismatch(f"The names of {resource} do not point at {index} alone.")


def read_back(
    writer: Writer, content: Sources, name: str, held: TreeDigests, before: TreeDigests | None
) -> int:
    """Compare what a name serves with a tree, and return how many documents were read.

    `before` is what was live until now: where little differs from it, the rest is only counted.

    Raises:
        Mismatch: a document differs, is missing or is too many.
    """
    tree = content.tree(held.digest)
    if before is not None:
        change = delta(content.tree(before.digest), tree)
        if change.is_small:
            check_part(writer, tree, change.written, name)
            return len(change.written.entries)
    check_copy(tree, writer.read(name), name)
    return len(tree.entries)


@dataclass(frozen=True)
class Receipt:
    """What the protected indices were: index to UUID and mapping digest."""

    indices: Mapping[str, tuple[str, str]]

    @classmethod
    def from_dict(cls, raw: Mapping[str, Sequence[str]]) -> Self:
        """Return what was kept as JSON: index to a list of UUID and mapping digest."""
        return cls({name: (value[0], value[1]) for name, value in raw.items()})

    def differences(self, after: "Receipt") -> list[str]:
        """Say in words what is not as it was. A new index, as each month brings one, is none."""
        words = []
        for name, (uuid, mapping) in self.indices.items():
            now = after.indices.get(name)
            if now is None:
                words.append(f"{name} is gone")
            elif now[0] != uuid:
                words.append(f"{name} was replaced")
            elif now[1] != mapping:
                words.append(f"the mapping of {name} grew or changed")
        return words


def receipt(naming: Naming, states: Mapping[str, IndexState]) -> Receipt:
    """Return what the protected and shared indices among `states` are."""
    kept = {}
    for name, state in states.items():
        found = naming.classify(name)
        if found is None or found.resource is None or found.resource.policy is Policy.PROMOTED:
            continue
        kept[name] = (state.uuid, state.mapping_digest)
    return Receipt(kept)
