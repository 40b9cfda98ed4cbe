"""What is not as it should be in an environment's set of indices. Pure: facts in, findings out."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from environments.catalogue import Policy, Resource
from environments.findings import Finding, Severity
from environments.first_few import first_few
from environments.flowgraph import shown
from environments.health.facts import IndexFacts, SetFacts, Traffic
from environments.naming import NameKind, Naming, Side

_NAMED: Final = 5
# A production that customers meet has an event a day.
SILENT: Final = timedelta(hours=24)
# Of fewer events a day no share is judged.
ENOUGH_EVENTS: Final = 20
MANY_FAILED, MOST_FAILED = 0.05, 0.25
_FULL: Final = "read_only_allow_delete"
# Codes of findings begin so that are the administrator's: of the cluster, and what else is in it.
OF_CLUSTER: Final = "cluster."
# By resource, the digests of the mapping and of the analysis settings.
Shapes = Mapping[str, Sequence[str]]


def named(names: Iterable[str]) -> str:
    """Return names as a message holds them: the first few, and how many more."""
    return first_few([shown(one[:255]) for one in sorted(names)], _NAMED)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    order = list(Severity)
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def things(findings: Iterable[Finding]) -> int:
    """Return how many findings ask somebody to do something."""
    return sum(1 for finding in findings if finding.severity is not Severity.INFO)


def behind(naming: Naming, facts: SetFacts, resource: Resource) -> list[IndexFacts]:
    """Return the indices that Tracardi reads a resource from."""
    alias = naming.alias(resource.name)
    return [one for one in facts.indices.values() if alias in {one.name, *one.aliases}]


def shapes(naming: Naming, facts: SetFacts) -> dict[str, list[str]]:
    """Return the mapping and the analysis settings of each promoted resource, as digests.

    One whose name leads to no index or to several has none.
    """
    found = {}
    for resource in naming.catalogue.promoted:
        held = behind(naming, facts, resource)
        if len(held) == 1:
            found[resource.name] = [held[0].mapping, held[0].analysis]
    return found


def judge_set(name: str, naming: Naming, facts: SetFacts, now: datetime) -> list[Finding]:
    """Return what is not as it should be in the environment called `name`."""
    if not any(naming.classify(one) is not None for one in facts.indices):
        return [
            Finding(
                "indices.none",
                Severity.ERROR,
                f"The cluster has no index of {name}.",
                "Start its Tracardi once, so that it makes them; or correct the environment's "
                "version and tenant.",
            )
        ]
    return worst_first(
        [
            *_indices(name, naming, facts),
            *_names(name, naming, facts),
            *_states(naming, facts),
            *_traffic(name, naming, facts.traffic, now),
        ]
    )


def _indices(name: str, naming: Naming, facts: SetFacts) -> Iterator[Finding]:
    missing: dict[bool, list[str]] = defaultdict(list)
    for resource in naming.catalogue.resources:
        if resource.partitioned or _holders(naming, facts, resource):
            continue
        missing[resource.policy is Policy.PROMOTED].append(naming.concrete(resource.name))
    for is_promoted, names in missing.items():
        yield Finding(
            "indices.missing" if is_promoted else "indices.missing-others",
            Severity.ERROR if is_promoted else Severity.WARNING,
            f"{_count(names, 'index', 'indices')} of {name} {_is(names)} missing: {named(names)}.",
            "Restart its Tracardi, which makes what is not there; what was in them comes back only "
            "from a snapshot, or by a promotion.",
            ", ".join(sorted(names)),
        )
    unknown = [
        one
        for one in facts.indices
        if (what := naming.classify(one)) is not None and what.kind is NameKind.UNKNOWN
    ]
    if unknown:
        yield Finding(
            "indices.unknown",
            Severity.WARNING,
            f"{_count(unknown, 'index', 'indices')} in {name} that Tracardi "
            f"{naming.catalogue.version} does not have: {named(unknown)}.",
            "Check the environment's version, or remove what nothing needs. Until then nothing is "
            "promoted.",
            ", ".join(sorted(unknown)),
        )


def _holders(naming: Naming, facts: SetFacts, resource: Resource) -> list[IndexFacts]:
    """Return what holds either name of a resource that is not partitioned."""
    wanted = {naming.alias(resource.name), naming.concrete(resource.name)}
    return [one for one in facts.indices.values() if wanted & {one.name, *one.aliases}]


def _names(name: str, naming: Naming, facts: SetFacts) -> Iterator[Finding]:
    wrong: dict[tuple[str, str], list[str]] = defaultdict(list)
    apart = []
    for resource in naming.catalogue.resources:
        alias = naming.alias(resource.name)
        if resource.partitioned:
            apart += [
                one.name
                for one in facts.indices.values()
                if (what := naming.classify(one.name)) is not None
                and what.kind is NameKind.PARTITION
                and what.resource == resource
                and alias not in one.aliases
            ]
        elif (found := _wrong(naming, facts, resource)) is not None:
            code, words = found
            wrong[code, _REMEDIES[code]].append(words)
    for (code, remedy), rows in wrong.items():
        yield Finding(code, Severity.ERROR, f"Names of {name} lead astray: {named(rows)}.", remedy)
    if apart:
        yield Finding(
            "names.partition",
            Severity.WARNING,
            f"{_count(apart, 'index', 'indices')} of {name} {_is(apart)} not read, because the "
            f"name that Tracardi reads by does not lead there: {named(apart)}.",
            "Add the alias to it. Look at the index template too, which gives it to new ones.",
            ", ".join(sorted(apart)),
        )
    if foreign := _foreign(naming, facts):
        # What else is in the cluster is not for everybody who sees the environment.
        yield Finding(
            f"{OF_CLUSTER}names",
            Severity.INFO,
            f"Names of {name} lead to indices that are not its own: {named(foreign)}.",
            "Move each to the environment's own index. The same is told to everybody without those "
            "indices' names.",
        )


_REMEDIES: Final = {
    "names.none": "Add the alias to the index. Tracardi reads nothing until then.",
    "names.several": "Remove the alias from all but one: Tracardi needs it to lead to exactly one.",
    "names.elsewhere": "Move the alias back to the environment's own index at once. Tracardi's own "
    "deploy leaves it so where it fails half-way.",
    "names.unmade": "Let the name that Tracardi writes to lead to the index that it reads: else "
    "the engine makes one without a mapping.",
    "names.split": "Let both names lead to one index: what is saved now is not what is read.",
}


def _foreign(naming: Naming, facts: SetFacts) -> list[str]:
    """Return which names lead to an index of somebody else, in words."""
    names = {
        name
        for one in naming.catalogue.resources
        if not one.partitioned
        for name in (naming.alias(one.name), naming.concrete(one.name))
    }
    return [
        f"{name} to {one.name}"
        for one in facts.indices.values()
        if naming.classify(one.name) is None
        for name in names & one.aliases
    ]


def _own(naming: Naming, names: Iterable[str]) -> str:
    """Return names of an environment's own indices, and how many others there are."""
    rows = list(names)
    own = [one for one in rows if naming.classify(one) is not None]
    if (others := len(rows) - len(own)) == 0:
        return named(own)
    words = "an index that is not its own" if others == 1 else f"{others} that are not its own"
    return f"{named(own)} and {words}" if own else words


def _wrong(naming: Naming, facts: SetFacts, resource: Resource) -> tuple[str, str] | None:
    """Return what is wrong with a resource's two names: a code, and words."""
    alias, concrete = naming.alias(resource.name), naming.concrete(resource.name)
    read = {one.name for one in behind(naming, facts, resource)}
    written = {one.name for one in facts.indices.values() if concrete in {one.name, *one.aliases}}
    if not read:
        return ("names.none", f"{alias} to nothing") if written else None
    if len(read) > 1:
        return "names.several", f"{alias} to {len(read)} indices ({_own(naming, read)})"
    (index,) = read
    what = naming.classify(index)
    # An index may have the very name that is an alias: the engine made it for a write.
    if what is None or what.resource != resource or what.kind is NameKind.ALIAS:
        return "names.elsewhere", f"{alias} to {_own(naming, read)}"
    if not written:
        return "names.unmade", f"{concrete} to nothing"
    if written != read:
        return "names.split", f"{alias} to {index}, and {concrete} to {_own(naming, written)}"
    return None


def _states(naming: Naming, facts: SetFacts) -> Iterator[Finding]:
    ours = {
        one.name: (one, what)
        for one in facts.indices.values()
        if (what := naming.classify(one.name))
    }
    red = [name for name, (one, _) in ours.items() if one.health == "red"]
    if red:
        yield Finding(
            "indices.red",
            Severity.ERROR,
            f"{_count(red, 'index', 'indices')} {_is(red)} red, with a part that is nowhere: "
            f"{named(red)}.",
            "See that all nodes of the cluster are up and their disks have room. What stays lost "
            "comes back from a snapshot.",
            ", ".join(sorted(red)),
        )
    yellow = [name for name, (one, _) in ours.items() if one.health == "yellow"]
    if yellow:
        yield Finding(
            "indices.yellow",
            Severity.WARNING,
            f"{_count(yellow, 'index', 'indices')} {_has(yellow)} fewer copies than asked for: "
            f"{named(yellow)}. If a node is lost, so is what it alone holds.",
            "Add a node, or ask for no copies (index.number_of_replicas: 0) where there is one.",
            ", ".join(sorted(yellow)),
        )
    closed = [name for name, (one, _) in ours.items() if not one.is_open]
    if closed:
        yield Finding(
            "indices.closed",
            Severity.ERROR,
            f"{_count(closed, 'index', 'indices')} {_is(closed)} closed: {named(closed)}.",
            "Open them, or remove them where nothing needs them.",
            ", ".join(sorted(closed)),
        )
    full = [name for name, (one, _) in ours.items() if _FULL in one.blocks]
    if full:
        yield Finding(
            "indices.full",
            Severity.ERROR,
            f"The engine refuses writes to {_count(full, 'index', 'indices')}, because a disk is "
            f"or was too full: {named(full)}.",
            "Free space, then see that index.blocks.read_only_allow_delete is gone. Events are "
            "lost until then.",
            ", ".join(sorted(full)),
        )
    blocked = [
        name
        for name, (one, what) in ours.items()
        # The configuration of a locked production is blocked on purpose.
        if what.resource is not None
        and what.resource.policy is Policy.PROTECTED
        and one.blocks - {_FULL}
    ]
    if blocked:
        yield Finding(
            "indices.blocked",
            Severity.ERROR,
            f"{_count(blocked, 'index', 'indices')} of what Tracardi runs {_is(blocked)} blocked, "
            f"which the console never does: {named(blocked)}.",
            "Ask who set index.blocks on them, and lift it: Tracardi cannot keep anything there.",
            ", ".join(sorted(blocked)),
        )


def _traffic(name: str, naming: Naming, traffic: Traffic, now: datetime) -> Iterator[Finding]:
    last = traffic.last_event
    if naming.side is Side.PRODUCTION and last is not None and now - last > SILENT:
        hours = int((now - last) / timedelta(hours=1))
        yield Finding(
            "events.silent",
            Severity.WARNING,
            f"{name} got no event for {hours} hours.",
            "See that shops reach its collector, and that Tracardi runs.",
        )
    share = traffic.failed_share
    if share is not None and (traffic.day or 0) >= ENOUGH_EVENTS and share >= MANY_FAILED:
        yield Finding(
            "events.failing",
            Severity.ERROR if share >= MOST_FAILED else Severity.WARNING,
            f"{100 * share:.0f} % of the last day's events of {name} failed: {traffic.failed:,} of "
            f"{traffic.day:,}.",
            "The dashboard shows since when. Look at what went live then, and at Tracardi's log.",
        )
    logged = traffic.logged or 0
    if traffic.day and traffic.day >= ENOUGH_EVENTS and logged / traffic.day >= MANY_FAILED:
        yield Finding(
            "events.logged",
            Severity.WARNING,
            f"Flows wrote an error about {logged:,} of the last day's {traffic.day:,} events of "
            f"{name}.",
            "Look at the errors in Tracardi's console log: they name the flow and the node.",
        )


def judge_drift(
    name: str, own: Shapes, other_name: str, other: Shapes, resources: Mapping[str, str]
) -> list[Finding]:
    """Return where two sides of a pipeline keep the same resource in different shapes.

    `resources` are the labels by name. What is not known of one side is not compared.
    """
    found = []
    for place, (code, words) in enumerate(
        (("mapping.differs", "mappings"), ("analysis.differs", "analysis settings"))
    ):
        differing = [
            one
            for one in resources
            if one in own and one in other and own[one][place] != other[one][place]
        ]
        if differing:
            labels = ", ".join(resources[one] for one in differing)
            found.append(
                Finding(
                    code,
                    Severity.ERROR,
                    f"The {words} of {name} and {other_name} differ: {labels}.",
                    "Bring both to the same Tracardi version, and restart them. Until then nothing "
                    "of these is promoted."
                    if not place
                    else "Bring both to the same settings.",
                    ", ".join(differing),
                )
            )
    return found


def _count(rows: Sequence[str], one: str, many: str) -> str:
    return f"{len(rows)} {one if len(rows) == 1 else many}"


def _is(rows: Sequence[str]) -> str:
    return "is" if len(rows) == 1 else "are"


def _has(rows: Sequence[str]) -> str:
    return "has" if len(rows) == 1 else "have"
