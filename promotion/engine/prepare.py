"""Fills the indices of a new generation, without touching a name that Tracardi uses."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from promotion.engine.delta import Delta, delta
from promotion.engine.errors import Mismatch, RuleBroken
from promotion.engine.manifest import Tree, oid_of
from promotion.engine.plan import Generation, Held, Plan, ResourcePlan, marker_facts
from promotion.engine.ports import Fingerprint, IndexState, Writer, fingerprint

DOCUMENTS_A_CALL: Final = 500


class Sources(Protocol):
    """The content that is written."""

    def tree(self, digest: str) -> Tree:
        """Return a kept tree."""

    def sources(self, tree: Tree) -> Iterator[tuple[str, bytes]]:
        """Yield each document of a tree: its id and its exact source."""


def prepare(
    writer: Writer,
    content: Sources,
    plan: Plan,
    live: Mapping[str, IndexState],
    progress: Callable[[], None] = lambda: None,
    lineage: Mapping[str, str] | None = None,
) -> Generation:
    """Create, fill, prove and block an index for each fresh resource; then make the marker.

    `live` has the states of the indices that the plan was made from. `progress` is called after
    some documents each, and may raise to stop. `lineage` has the markers of the generations that
    it comes from, for the marker. Returns the generation as it will be live.

    A large resource of which little changes is not written anew: the live index is cloned where
    it is write-blocked, which shares its files, and the clone is changed. What the clone then holds
    besides was proved when the live index was made, and its fingerprint says that it stands.

    Raises:
        RuleBroken: an index template would change a new index, or a live one moved meanwhile.
        Mismatch: what was read back is not what was written.
    """
    fresh = [part.next_index for part in plan.fresh]
    changes = {part.resource: _delta(content, part, live) for part in plan.fresh}
    # All at first: their primaries start while the others are made.
    for part in plan.fresh:
        _create(writer, part, live.get(part.live.index), clone=changes[part.resource] is not None)
    writer.make_marker(plan.marker)
    writer.await_started({part.next_index: live[part.live.index].primaries for part in plan.fresh})
    _check_made(writer, plan, live)
    for part in plan.fresh:
        _fill(writer, content, part, changes[part.resource], progress)
        progress()
    if fresh:
        writer.seal(fresh)
    generation = Generation(plan.number, plan.marker, _held(writer, plan, changes))
    writer.put_marker(plan.marker, marker_facts(plan, generation, lineage or {}))
    return generation


def _delta(content: Sources, part: ResourcePlan, live: Mapping[str, IndexState]) -> Delta | None:
    """Return what to change in a clone of the live index, or None to write everything."""
    state = live.get(part.live.index)
    if state is None or not state.write_blocked:
        return None
    found = delta(content.tree(part.live.tree.digest), content.tree(part.next_tree.digest))
    return found if found.is_small else None


def _often(
    documents: Iterable[tuple[str, bytes]], progress: Callable[[], None]
) -> Iterator[tuple[str, bytes]]:
    for number, document in enumerate(documents, 1):
        yield document
        if number % DOCUMENTS_A_CALL == 0:
            progress()


def _create(writer: Writer, part: ResourcePlan, like: IndexState | None, *, clone: bool) -> None:
    name = part.next_index
    if like is None:
        raise RuleBroken(f"Index {part.live.index} is gone. Nothing was switched. Plan again.")
    claimed = writer.template_for(name)
    if claimed:
        raise RuleBroken(
            f"An index template would change {name} ({', '.join(sorted(claimed))}). Nothing was "
            "switched. Narrow that template's patterns, then try again."
        )
    if clone:
        writer.clone(like, name, writable=True)
    else:
        writer.create(name, like)


def _fill(
    writer: Writer,
    content: Sources,
    part: ResourcePlan,
    change: Delta | None,
    progress: Callable[[], None],
) -> None:
    name = part.next_index
    tree = content.tree(part.next_tree.digest)
    if change is None:
        writer.load(name, _often(content.sources(tree), progress))
        writer.refresh([name])
        check_copy(tree, _often(writer.read(name), progress), name)
        return
    writer.erase(name, change.removed)
    writer.load(name, _often(content.sources(change.written), progress))
    writer.refresh([name])
    check_part(writer, tree, change.written, name)


def check_copy(tree: Tree, found: Iterable[tuple[str, bytes]], index: str) -> None:
    """Compare what an index holds with a tree, byte for byte.

    Raises:
        Mismatch: a document differs, is missing or is too many.
    """
    wanted = {entry.id: entry.oid for entry in tree.entries}
    for doc_id, source in found:
        if wanted.pop(doc_id, None) != oid_of(source):
            raise Mismatch(
                f"Document {doc_id!r} in {index} is not what was written. Nothing was switched."
            )
    if wanted:
        raise Mismatch(f"{len(wanted)} documents are missing in {index}. Nothing was switched.")


def check_part(writer: Writer, tree: Tree, written: Tree, index: str) -> None:
    """Compare the written documents with what an index holds, byte for byte, and the number of all.

    Raises:
        Mismatch: a document differs or is missing, or there are more or fewer than in the tree.
    """
    check_copy(written, writer.find(index, list(written.by_id)), index)
    count = writer.count(index)
    if count != len(tree.entries):
        raise Mismatch(
            f"{index} holds {count:,} documents instead of {len(tree.entries):,}. Nothing was "
            "switched."
        )


def _held(writer: Writer, plan: Plan, changes: Mapping[str, Delta | None]) -> dict[str, Held]:
    cloned = [part for part in plan.fresh if changes[part.resource] is not None]
    names = [part.next_index for part in plan.fresh]
    prints = fingerprints_of(writer, [*names, *(part.live.index for part in cloned)])
    for part in cloned:
        if prints[part.live.index] != part.live.fingerprint:
            raise RuleBroken(
                f"Index {part.live.index} was written to while it was copied. Nothing was "
                "switched. Plan again."
            )
    return {
        part.resource: Held(part.next_index, part.next_tree, part.kept or prints[part.next_index])
        for part in plan.resources
    }


def _check_made(writer: Writer, plan: Plan, live: Mapping[str, IndexState]) -> None:
    states = writer.states([part.next_index for part in plan.fresh])
    for part in plan.fresh:
        made, like = states[part.next_index], live[part.live.index]
        # A legacy template may add what simulating an index does not show.
        if (made.mapping_digest, made.settings_digest, made.aliases) != (
            like.mapping_digest,
            like.settings_digest,
            (),
        ):
            raise Mismatch(
                f"{made.name} was not made as {like.name} is: its mapping, settings or aliases "
                "differ. Nothing was switched. Look for index templates that match it."
            )


def fingerprints_of(writer: Writer, names: Sequence[str]) -> dict[str, Fingerprint]:
    """Return the fingerprints of indices by exact name.

    Raises:
        RuleBroken: one is gone, or a write is in flight.
    """
    if not names:
        return {}
    states, marks = writer.states(names), writer.marks(names)
    prints = {}
    for name in names:
        if name not in states or not marks[name].settled:
            raise RuleBroken(f"Index {name} is gone or being written to. Nothing was switched.")
        prints[name] = fingerprint(states[name], marks[name])
    return prints
