"""Fills the indices of a new generation, without touching a name that Tracardi uses."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from promotion.engine.errors import Mismatch, RuleBroken
from promotion.engine.manifest import Tree, oid_of
from promotion.engine.plan import Generation, Held, Plan, ResourcePlan
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
    progress: Callable[[], None] = lambda: None,
) -> Generation:
    """Create, load, verify and block an index for each fresh resource; then make the marker.

    `progress` is called after some documents each, and may raise to stop. Returns the generation as
    it will be live. Again after a crash, it starts over with what is named by this plan alone.

    Raises:
        RuleBroken: an index template would change a new index.
        Mismatch: what was read back is not what was written.
    """
    fresh = [part.next_index for part in plan.fresh]
    writer.delete([plan.marker, *fresh])
    live = writer.states([part.live.index for part in plan.fresh])
    # All at first: their primaries start while the others are made.
    for part in plan.fresh:
        _create(writer, part, live.get(part.live.index))
    writer.make_marker(plan.marker)
    writer.await_started(fresh)
    for part in plan.fresh:
        _fill(writer, content, part, progress)
        progress()
    if fresh:
        writer.block(fresh)
    generation = Generation(plan.number, plan.marker, _held(writer, plan))
    writer.put_marker(plan.marker, {**generation.to_dict(), "plan": plan.digest})
    return generation


def _often(
    documents: Iterable[tuple[str, bytes]], progress: Callable[[], None]
) -> Iterator[tuple[str, bytes]]:
    for number, document in enumerate(documents, 1):
        yield document
        if number % DOCUMENTS_A_CALL == 0:
            progress()


def _create(writer: Writer, part: ResourcePlan, like: IndexState | None) -> None:
    name = part.next_index
    if like is None:
        raise RuleBroken(f"Index {part.live.index} is gone. Nothing was switched. Plan again.")
    claimed = writer.template_for(name)
    if claimed:
        raise RuleBroken(
            f"An index template would change {name} ({', '.join(sorted(claimed))}). Nothing was "
            "switched. Narrow that template's patterns, then try again."
        )
    writer.create(name, like)
    made = writer.states([name])[name]
    # A legacy template may add what simulating an index does not show.
    if (made.mapping_digest, made.settings_digest, made.aliases) != (
        like.mapping_digest,
        like.settings_digest,
        (),
    ):
        raise Mismatch(
            f"{name} was not made as {like.name} is: its mapping, settings or aliases differ. "
            "Nothing was switched. Look for index templates that match it."
        )


def _fill(
    writer: Writer, content: Sources, part: ResourcePlan, progress: Callable[[], None]
) -> None:
    name = part.next_index
    tree = content.tree(part.next_tree.digest)
    writer.load(name, _often(content.sources(tree), progress))
    writer.refresh([name])
    check_copy(tree, _often(writer.read(name), progress), name)


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


def _held(writer: Writer, plan: Plan) -> dict[str, Held]:
    names = [part.next_index for part in plan.fresh]
    prints = fingerprints_of(writer, names) if names else {}
    return {
        part.resource: Held(part.next_index, part.next_tree, part.kept or prints[part.next_index])
        for part in plan.resources
    }


def fingerprints_of(writer: Writer, names: list[str]) -> dict[str, Fingerprint]:
    """Return the fingerprints of indices by exact name.

    Raises:
        RuleBroken: one is gone, or a write is in flight.
    """
    states, marks = writer.states(names), writer.marks(names)
    prints = {}
    for name in names:
        if name not in states or not marks[name].settled:
            raise RuleBroken(f"Index {name} is gone or being written to. Nothing was switched.")
        prints[name] = fingerprint(states[name], marks[name])
    return prints
