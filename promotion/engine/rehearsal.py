"""What a rehearsal proves beyond a preparation. Reads only."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from promotion.engine.manifest import Tree, oid_of
from promotion.engine.plan import Generation, Plan
from promotion.engine.ports import IndexState, Writer, fingerprint
from promotion.engine.prepare import DOCUMENTS_A_CALL, Sources
from promotion.engine.verification import read_back


def read_made(
    writer: Writer, content: Sources, plan: Plan, progress: Callable[[], None] = lambda: None
) -> int:
    """Read what was made as verification would after a switch, and return how many documents.

    `progress` is called after each resource, and may raise to stop.

    Raises:
        Mismatch: a document is not what was written.
    """
    writer.marks([part.next_index for part in plan.resources])
    count = 0
    for part in plan.fresh:
        count += read_back(writer, content, part.next_index, part.next_tree, part.live.tree)
        progress()
    return count


@dataclass(frozen=True)
class Kept:
    """How one resource of a kept generation stands.

    `differing` is the number of documents that are not as recorded, missing ones and strangers
    among them. `untouched` says that by its fingerprint nobody wrote to the index.
    """

    resource: str
    index: str
    documents: int
    differing: int
    untouched: bool

    @property
    def as_recorded(self) -> bool:
        return self.untouched and not self.differing

    @property
    def is_unsound(self) -> bool:
        """Whether it differs although nobody seems to have written to it."""
        return self.untouched and bool(self.differing)


def compare_kept(
    writer: Writer,
    content: Sources,
    kept: Generation,
    states: Mapping[str, IndexState],
    progress: Callable[[], None] = lambda: None,
) -> list[Kept]:
    """Read every index of a kept generation, and compare it with the recorded tree to the byte.

    `states` are of all the environment's indices. `progress` is called often, and may raise to
    stop.
    """
    there = [held.index for held in kept.resources.values() if held.index in states]
    # What was acknowledged and no search shows yet would be missed.
    if there:
        writer.refresh(there)
    marks = writer.marks(there) if there else {}
    found = []
    for resource, held in kept.resources.items():
        tree = content.tree(held.tree.digest)
        if held.index not in states:
            count = len(tree.entries)
            found.append(Kept(resource, held.index, count, count, untouched=False))
            continue
        untouched = fingerprint(states[held.index], marks[held.index]) == held.fingerprint
        differing = _differing(tree, writer.read(held.index), progress)
        found.append(Kept(resource, held.index, len(tree.entries), differing, untouched))
        progress()
    return found


def _differing(tree: Tree, found: Iterable[tuple[str, bytes]], progress: Callable[[], None]) -> int:
    wanted = {entry.id: entry.oid for entry in tree.entries}
    wrong = 0
    for number, (doc_id, source) in enumerate(found, 1):
        if wanted.pop(doc_id, None) != oid_of(source):
            wrong += 1
        if number % DOCUMENTS_A_CALL == 0:
            progress()
    return wrong + len(wanted)
