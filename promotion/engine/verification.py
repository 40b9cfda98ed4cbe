"""Proof after a switch: the names, the content behind them, and what was not to be touched."""

from collections.abc import Mapping
from dataclasses import dataclass

from environments.catalogue import Policy
from environments.naming import Naming
from promotion.engine.errors import Mismatch
from promotion.engine.plan import Generation, names_of
from promotion.engine.ports import IndexState, Writer, fingerprint
from promotion.engine.prepare import Sources, check_copy


@dataclass(frozen=True)
class Proof:
    """How many documents were read and equal, and which kept resources were edited meanwhile."""

    documents: int
    edited: tuple[str, ...] = ()


def verify(
    writer: Writer, content: Sources, naming: Naming, live: Generation, *, unlocked: bool = False
) -> Proof:
    """Read the live generation through its names, and compare it.

    What this generation's own indices hold is compared byte for byte; an index that an earlier
    one made was proved then, so its fingerprint proves that nobody wrote to it since. Where edits
    by hand are allowed (`unlocked`), one to such an index is told, and no fault of the promotion.

    Raises:
        Mismatch: a name points elsewhere, or a document differs.
    """
    states = writer.states([held.index for held in live.resources.values()])
    marks = writer.marks([held.index for held in live.resources.values()])
    count = 0
    edited = []
    aliases = [name for resource in live.resources for name in names_of(naming, resource)]
    holders = writer.states(aliases)
    for resource, held in live.resources.items():
        names = names_of(naming, resource)
        state = states.get(held.index)
        others = [n for n, s in holders.items() if n != held.index and set(names) & set(s.aliases)]
        if state is None or others or state.aliases != tuple(sorted(names)):
            raise Mismatch(f"The names of {resource} do not point at {held.index} alone.")
        if held.index == naming.generation_index(resource, live.number):
            writer.refresh([held.index])
            tree = content.tree(held.tree.digest)
            check_copy(tree, writer.read(names[0]), names[0])
            count += len(tree.entries)
        elif fingerprint(state, marks[held.index]) != held.fingerprint:
            if not unlocked:
                raise Mismatch(f"Index {held.index} of {resource} was written to.")
            edited.append(resource)
    return Proof(count, tuple(edited))


@dataclass(frozen=True)
class Receipt:
    """What the protected indices were: index to UUID and mapping digest."""

    indices: Mapping[str, tuple[str, str]]

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
