"""Looks at a target and makes the plan that would make it equal a build. Writes to no cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from environments.elastic import connect
from environments.findings import Finding, Severity, errors
from environments.models import Environment
from environments.naming import NameKind
from promotion.dependencies import configuration, configuration_of, judge
from promotion.engine import preflight
from promotion.engine.capture import capture as capture_content
from promotion.engine.diff import Counts, count
from promotion.engine.errors import PreflightFailed, RuleBroken
from promotion.engine.manifest import TreeDigests
from promotion.engine.plan import Generation, Held, Plan, make_plan, names_of
from promotion.engine.ports import Capacity, Captured, CapturedResource, IndexState, fingerprint
from promotion.models import Build, StoredGeneration
from promotion.store import DatabaseContent
from promotion.together import together
from promotion.writer import ClusterWriter


@dataclass(frozen=True)
class Live:
    """What a target serves at this moment.

    `generation` has each resource as it is now, `drifted` the resources whose content is not what
    was last promoted, `captured` what was read to know, `states` all indices of the environment,
    `room` how the cluster is.
    """

    generation: Generation
    drifted: tuple[str, ...]
    captured: Captured
    states: Mapping[str, IndexState]
    room: Capacity


def writer_for(environment: Environment, *, pins: bool = True) -> ClusterWriter:
    """Return a writer for the environment's cluster, once that is sure to be the same as ever.

    The first one pins which cluster that is, unless it is for a look that must keep nothing.

    Raises:
        RuleBroken: behind the address is another cluster than before.
    """
    writer = ClusterWriter(connect(environment.cluster))
    uuid = writer.same_uuid(environment.cluster, "Nothing was changed.")
    if pins and not environment.cluster.uuid:
        environment.cluster.uuid = uuid
        environment.cluster.save(update_fields=["uuid"])
    return writer


def indices_of(writer: ClusterWriter, environment: Environment) -> dict[str, IndexState]:
    """Return all indices of an environment: Tracardi's, generations', and unknown ones."""
    naming = environment.naming
    states = writer.states(naming.search_patterns())
    return {name: state for name, state in states.items() if naming.classify(name) is not None}


def everything(writer: ClusterWriter, environment: Environment) -> dict[str, IndexState]:
    """Return what `indices_of` does, and whatever else holds a name of its configuration."""
    naming = environment.naming
    promoted = naming.catalogue.promoted
    names = [name for resource in promoted for name in names_of(naming, resource.name)]
    return writer.states([*naming.search_patterns(), *names])


def generation_numbers(environment: Environment, names: Mapping[str, object]) -> list[int]:
    """Return the numbers of generations that are in the cluster, or were recorded."""
    found = [environment.naming.classify(name) for name in names]
    there = [what.number for what in found if what is not None and what.number is not None]
    kept = StoredGeneration.objects.filter(environment=environment)
    return [*there, *kept.values_list("number", flat=True)]


def recorded_live(writer: ClusterWriter, environment: Environment) -> Generation:
    """Return the live generation as its marker has it.

    Raises:
        RuleBroken: the environment is not adopted.
    """
    return _recorded(environment, writer.marker(environment.naming.marker_alias))


def _recorded(environment: Environment, facts: dict[str, Any] | None) -> Generation:
    if facts is None:
        raise RuleBroken(
            f"{environment} is not adopted: no generation of this console is live in it. "
            "Nothing was changed. Adopt it first."
        )
    return Generation.from_dict(facts)


def captured_before(
    generation: Generation, states: Mapping[str, IndexState]
) -> dict[str, CapturedResource]:
    """Return what of a generation need not be read again while nobody writes to it."""
    digests = [held.tree.digest for held in generation.resources.values()]
    # Another console with a database of its own may have promoted last.
    known = DatabaseContent().known_trees(digests)
    return {
        name: CapturedResource(
            held.index, held.fingerprint, states[held.index].mapping_digest, held.tree
        )
        for name, held in generation.resources.items()
        if held.index in states and held.tree.digest in known
    }


def look(writer: ClusterWriter, environment: Environment) -> Live:
    """Return what an adopted environment serves; an index that nobody wrote to is not read."""
    states, facts, room = together(
        lambda: everything(writer, environment),
        lambda: writer.marker(environment.naming.marker_alias),
        writer.capacity,
    )
    recorded = _recorded(environment, facts)
    found = capture_content(
        writer,
        DatabaseContent(),
        environment.naming,
        previous=captured_before(recorded, states),
        limit=settings.MAX_DOCUMENT_BYTES,
        states=states,
    )
    held = {n: Held(r.index, r.tree, r.fingerprint) for n, r in found.resources.items()}
    drifted = tuple(
        name
        for name, now in held.items()
        if now.tree.content != recorded.resources[name].tree.content
    )
    naming = environment.naming
    ours = {name: state for name, state in states.items() if naming.classify(name) is not None}
    generation = Generation(recorded.number, recorded.marker, held)
    return Live(generation, drifted, found, ours, room)


def check_ours(environment: Environment, live: Live) -> None:
    """Check that what the cluster serves is what this console put live last.

    Raises:
        RuleBroken: another console, or a promotion that nobody recorded, came between.
    """
    if StoredGeneration.live_marker(environment) != live.generation.marker:
        raise RuleBroken(not_ours(environment, live.generation.number))


def check_known(writer: ClusterWriter, environment: Environment) -> None:
    """Check that the database knows what is live, by its marker.

    Raises:
        RuleBroken: it does not.
    """
    facts = writer.marker(environment.naming.marker_alias) or {}
    if facts.get("marker", "") != StoredGeneration.live_marker(environment):
        raise RuleBroken(not_ours(environment, facts.get("number", "of nobody")))


def not_ours(environment: Environment, number: int | str) -> str:
    """Say that what is live was not recorded, and what to do."""
    return (
        f"{environment} serves generation {number}, which this console did not record as live: "
        "another console promoted, the database was restored from an older backup, or an attempt "
        "is still being read back. Nothing was changed. Wait for the worker; if it stays so, "
        "reconcile the environment."
    )


def check_health(room: Capacity) -> None:
    """Check that the cluster is fit to be changed.

    Raises:
        PreflightFailed: it is red.
    """
    _raise_errors(preflight.check_health(room.health))


def check_room(plan: Plan, live: Live) -> None:
    """Check that the cluster has room for the indices that a plan makes.

    Raises:
        PreflightFailed: it has not, or a disk is over the flood stage.
    """
    # One shard more, with its copy, is the marker's.
    shards = 2 + sum(preflight.shards_of(live.states[part.live.index]) for part in plan.fresh)
    room = live.room
    _raise_errors([*preflight.check_disks(room), *preflight.check_shards(room, shards)])


def _raise_errors(findings: list[Finding]) -> None:
    if found := errors(findings):
        words = " ".join(f"{finding.message} {finding.remedy}" for finding in found)
        raise PreflightFailed(f"{words} Nothing was changed.", tuple(findings))


def check_build(build: Build, live: Live, target: Environment) -> None:
    """Check everything that can be known before writing.

    Raises:
        PreflightFailed: with all that stands against it.
    """
    parts = build.resources()
    state_of = {name: live.states[held.index] for name, held in live.generation.resources.items()}
    findings = [
        *preflight.check_engine(live.room),
        *preflight.check_health(live.room.health),
        *preflight.check_disks(live.room),
        *preflight.check_versions(build.version, target.version),
        *preflight.check_indices(target.naming, list(live.states)),
    ]
    if build.version == target.version:
        digests = {name: part.mapping_digest for name, part in parts.items()}
        findings += preflight.check_mappings(digests, state_of)
    if not any(part.tree.count for part in parts.values()):
        findings.append(
            Finding(
                "empty-build",
                Severity.ERROR,
                f"{build} holds no document at all.",
                "Check staging's tenant and version, then capture again.",
            )
        )
    else:
        held = {name: held.tree for name, held in live.generation.resources.items()}
        findings += judge(configuration_of(build), configuration(held), target)
    rests = build.rests_on(StoredGeneration.live_in(target))
    findings += preflight.check_basis(str(build), str(target), rests=rests)
    _raise_errors(findings)


def differences(live: Generation, wanted: Mapping[str, TreeDigests]) -> dict[str, Counts]:
    """Count how each wanted tree differs from the live one; equal trees are not opened."""
    content = DatabaseContent()
    counts = {}
    for name, tree in wanted.items():
        now = live.resources[name].tree
        if now.exact == tree.exact:
            counts[name] = Counts(total_before=now.count, total_after=tree.count)
        else:
            counts[name] = count(content.tree(now.digest), content.tree(tree.digest))
    return counts


def reusable(
    writer: ClusterWriter, environment: Environment, states: Mapping[str, IndexState]
) -> dict[str, list[Held]]:
    """Return the kept indices of earlier generations that nobody wrote to since, by resource."""
    candidates: dict[str, tuple[str, Held]] = {}
    kept = StoredGeneration.objects.filter(environment=environment, is_kept=True)
    for stored in kept:
        for name, held in stored.generation.resources.items():
            candidates.setdefault(held.index, (name, held))
    # What has a name is live, and stays where it fits without being asked for.
    there = [index for index in candidates if index in states and not states[index].aliases]
    marks = writer.marks(there) if there else {}
    found: dict[str, list[Held]] = {}
    for index in there:
        name, held = candidates[index]
        if (
            states[index].write_blocked
            and fingerprint(states[index], marks[index]) == held.fingerprint
        ):
            found.setdefault(name, []).append(held)
    return found


def plan_for(
    writer: ClusterWriter,
    target: Environment,
    live: Live,
    wanted: Mapping[str, TreeDigests],
    *,
    content: str,
    number: int,
    attempt: str,
) -> Plan:
    """Plan what makes `target` serve `wanted`."""
    return make_plan(
        target.naming,
        cluster_uuid=target.cluster.uuid,
        number=number,
        attempt=attempt,
        live=live.generation,
        content=content,
        wanted=wanted,
        counts=differences(live.generation, wanted),
        reusable=reusable(writer, target, live.states),
    )


def is_adopted(states: Mapping[str, IndexState], environment: Environment) -> bool:
    """Answer whether any generation's index holds a name of the environment."""
    naming = environment.naming
    for name, state in states.items():
        what = naming.classify(name)
        if what is not None and what.kind is NameKind.GENERATION and state.aliases:
            return True
    return False
