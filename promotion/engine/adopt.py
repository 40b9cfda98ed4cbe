"""Replaces an environment's plain indices by a first generation, once (docs/promotion.md)."""

from collections.abc import Callable, Mapping

from environments.naming import Naming
from promotion.engine.errors import Mismatch, RuleBroken
from promotion.engine.manifest import TreeDigests
from promotion.engine.plan import Generation, Held, names_of
from promotion.engine.ports import AliasAction, Writer
from promotion.engine.prepare import Sources, check_copy, fingerprints_of


def clone_originals(
    writer: Writer,
    content: Sources,
    naming: Naming,
    *,
    number: int,
    marker: str,
    baseline: Mapping[str, TreeDigests],
) -> Generation:
    """Clone the write-blocked originals, prove the clones equal the baseline, make the marker.

    Raises:
        RuleBroken: an original is not blocked.
        Mismatch: a clone is not what the baseline says.
    """
    originals = writer.states([naming.concrete(name) for name in baseline])
    targets = {name: naming.generation_index(name, number) for name in baseline}
    writer.delete([marker, *targets.values()])
    for name, target in targets.items():
        source = originals.get(naming.concrete(name))
        if source is None or not source.write_blocked:
            raise RuleBroken(f"Index {naming.concrete(name)} is gone or not write-blocked.")
        writer.clone(source, target)
    writer.refresh(list(targets.values()))
    for name, target in targets.items():
        check_copy(content.tree(baseline[name].digest), writer.read(target), target)
    made = writer.states(list(targets.values()))
    if unblocked := [name for name in targets.values() if not made[name].write_blocked]:
        raise Mismatch(f"{', '.join(unblocked)} came out of the clone without its write block.")
    prints = fingerprints_of(writer, list(targets.values()))
    held = {n: Held(t, baseline[n], prints[t]) for n, t in targets.items()}
    generation = Generation(number, marker, held)
    writer.make_marker(marker)
    writer.put_marker(marker, generation.to_dict())
    return generation


def move_aliases(writer: Writer, naming: Naming, generation: Generation) -> None:
    """First request: Tracardi's own aliases and the marker's point at the generation."""
    actions = []
    for name, held in generation.resources.items():
        alias = naming.alias(name)
        actions += [
            AliasAction("remove", naming.concrete(name), alias),
            AliasAction("add", held.index, alias),
        ]
    writer.switch([*actions, AliasAction("add", generation.marker, naming.marker_alias)])


def replace_originals(
    writer: Writer,
    naming: Naming,
    generation: Generation,
    *,
    wait: Callable[[], bool],
) -> None:
    """Second request: the concrete names become aliases too, and the originals go.

    In one request with the first, reads failed for a moment (measured). `wait` pauses shortly and
    says whether to go on waiting for the searches that still run on the originals.
    """
    originals = [naming.concrete(name) for name in generation.resources]
    while writer.searches_running(originals) and wait():
        pass
    actions = []
    for name, held in generation.resources.items():
        actions += [
            AliasAction("remove_index", naming.concrete(name)),
            AliasAction("add", held.index, names_of(naming, name)[1]),
        ]
    writer.switch(actions)
