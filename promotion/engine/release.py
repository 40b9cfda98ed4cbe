"""The way back from adoption: plain indices again, under the names that Tracardi gave them.

The concrete name is an alias that must go before a clone can take its name, and a writer that
does not stop would make an unmapped index there. Temporary templates of highest priority catch
it: what it creates is mapped, write-blocked and empty, and the writer gets 403 (docs/promotion.md).
"""

from collections.abc import Callable
from typing import Final

from environments.naming import Naming
from promotion.engine.errors import Conflict, MachineryError, Mismatch
from promotion.engine.plan import Generation
from promotion.engine.ports import AliasAction, IndexState, Writer
from promotion.engine.prepare import Sources, check_copy

CLONE_ATTEMPTS: Final = 200


def template_name(naming: Naming, resource: str) -> str:
    """Return the name of a resource's temporary template."""
    return f"tracardi-console.release.{naming.concrete(resource)}"


def guard_names(writer: Writer, naming: Naming, live: Generation) -> None:
    """Block the live indices and put the temporary templates, so that nothing unmapped appears."""
    writer.block([held.index for held in live.resources.values()])
    states = writer.states([held.index for held in live.resources.values()])
    for resource, held in live.resources.items():
        writer.put_template(
            template_name(naming, resource), states[held.index], naming.concrete(resource)
        )


def is_handed_over(writer: Writer, naming: Naming, live: Generation) -> bool:
    """Answer whether Tracardi's aliases point at plain indices already, all of them."""
    plain = writer.states([naming.concrete(resource) for resource in live.resources])
    return all(
        naming.concrete(resource) in plain
        and naming.alias(resource) in plain[naming.concrete(resource)].aliases
        for resource in live.resources
    )


def copy_back(
    writer: Writer, naming: Naming, live: Generation, check: Callable[[], None] = lambda: None
) -> None:
    """Free the concrete names and clone the live indices to them.

    `check` is called before each, and raises where the claim on the environment is lost.

    Raises:
        MachineryError: a writer was faster each time.
    """
    states = writer.states([held.index for held in live.resources.values()])
    drops = [
        AliasAction("remove", held.index, naming.concrete(resource))
        for resource, held in live.resources.items()
        if naming.concrete(resource) in states[held.index].aliases
    ]
    if drops:
        writer.switch(drops)
    plain = writer.states([naming.concrete(resource) for resource in live.resources])
    for resource, held in live.resources.items():
        check()
        there = plain.get(naming.concrete(resource))
        if there is not None and naming.alias(resource) in there.aliases:
            # Handed over already, by a run that was interrupted.
            continue
        _clone(writer, states[held.index], naming.concrete(resource))


def _clone(writer: Writer, source: IndexState, target: str) -> None:
    for _ in range(CLONE_ATTEMPTS):
        # Write-blocked from its first moment, so surely empty: no write was acknowledged there.
        writer.delete([target])
        try:
            writer.clone(source, target)
        except Conflict:
            continue
        return
    raise MachineryError(
        f"A writer re-created {target} {CLONE_ATTEMPTS} times. Production reads as before and is "
        "write-blocked. Stop Tracardi's saving for a moment, then release again."
    )


def hand_over(writer: Writer, content: Sources, naming: Naming, live: Generation) -> int:
    """Prove the clones, point Tracardi's aliases at them, and return how many documents there are.

    Raises:
        Mismatch: a clone differs from what was live.
    """
    plain = {resource: naming.concrete(resource) for resource in live.resources}
    writer.refresh(list(plain.values()))
    states = writer.states(list(plain.values()))
    count = 0
    for resource, index in plain.items():
        if index not in states or not states[index].write_blocked:
            raise Mismatch(f"{index} is gone or not write-blocked. Production reads as before.")
        tree = content.tree(live.resources[resource].tree.digest)
        check_copy(tree, writer.read(index), index)
        count += len(tree.entries)
    actions = []
    for resource, held in live.resources.items():
        if naming.alias(resource) not in states[plain[resource]].aliases:
            actions += [
                AliasAction("remove", held.index, naming.alias(resource)),
                AliasAction("add", plain[resource], naming.alias(resource)),
            ]
    if actions:
        actions.append(AliasAction("remove", live.marker, naming.marker_alias))
        writer.switch(actions)
    return count


def open_up(writer: Writer, naming: Naming, live: Generation) -> None:
    """Remove the temporary templates and lift the blocks of the plain indices."""
    for resource in live.resources:
        writer.delete_template(template_name(naming, resource))
    writer.unblock([naming.concrete(resource) for resource in live.resources])
