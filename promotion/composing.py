"""Composes builds: what production serves, with some of a build's changes (docs/promotion.md)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from accounts.audit import Actor
from accounts.authorising import authorise
from accounts.roles import Verb
from environments.findings import Finding
from environments.models import Environment
from promotion.beginning import refuse
from promotion.dependencies import configuration_of, judge, live_configuration
from promotion.engine.compose import Choice, Composition, changes, compose, restoring
from promotion.engine.dependencies import Configuration, Key
from promotion.engine.diff import DocumentChange
from promotion.engine.errors import RuleBroken
from promotion.engine.manifest import TreeDigests
from promotion.engine.ports import Captured, CapturedResource, Fingerprint
from promotion.models import Build, StoredGeneration
from promotion.services import keep_build, prepare_if_approved
from promotion.store import DatabaseContent

ACTION: Final = "build.compose"
MOVED: Final = (
    "Production serves another configuration than the one that you were shown. Nothing was "
    "composed. Look at your choice again."
)
# What was composed was read from no index: no fingerprint of one equals this.
NO_FINGERPRINT: Final = Fingerprint("composed", (), 0, "")


@dataclass(frozen=True)
class Draft:
    """What can be chosen: the changes from what a target serves to a build.

    `content` is the digest of what it serves, `staging` whose build is made of the choice.
    """

    build: Build
    staging: Environment
    target: Environment
    live: StoredGeneration
    base: Configuration
    wanted: Configuration
    changes: dict[Key, DocumentChange]

    @property
    def content(self) -> str:
        return self.live.build.content

    def title(self, key: Key) -> str:
        """Return a document's title, be it in the build or in what is served alone."""
        return self.wanted.title(key, self.base.title(key))

    def compose(self, choice: Choice) -> Composition:
        """Return what comes of a choice; what does not change any more is left out of it."""
        return compose(self.base, self.wanted, choice.known(self.changes), self.changes)

    def restore(self, key: Key) -> Choice:
        """Return the choice of one document as the build has it; of nothing if that is served."""
        if key not in self.changes:
            return Choice()
        return restoring(self.base, self.wanted, key)

    def findings(self, made: Composition) -> list[Finding]:
        """Return what is wrong with the references of what a choice makes."""
        return judge(made.result, self.base, self.target)


def staging_of(environment: Environment) -> Environment | None:
    """Return where a build composed of an environment's builds is reviewed; None if nowhere."""
    if not environment.is_production:
        return environment
    return environment.fed_by.select_related("promotes_to__cluster", "cluster").first()


def draft(build: Build) -> Draft:
    """Return what can be chosen of a build. Writes nothing.

    Raises:
        RuleBroken: nothing can be.
    """
    nothing = "Nothing was composed."
    staging = staging_of(build.environment)
    if staging is None:
        words = f"No staging environment promotes to {build.environment}: nobody could review it."
        raise RuleBroken(f"{words} {nothing}")
    target = staging.promotes_to
    if target is None:
        raise RuleBroken(f"{staging} promotes to no production. {nothing}")
    live, base = StoredGeneration.live_in(target), live_configuration(target)
    if live is None or base is None:
        raise RuleBroken(f"{target} is not adopted. Adopt it first. {nothing}")
    if build.version != target.version:
        words = f"{build} is of Tracardi {build.version}, {target} of {target.version}."
        raise RuleBroken(f"{words} {nothing}")
    wanted = configuration_of(build)
    return Draft(build, staging, target, live, base, wanted, changes(base, wanted))


def compose_build(actor: Actor, build: Build, choice: Choice, content: str | None = None) -> Build:
    """Keep what production serves, with the chosen changes of a build, as a new build.

    What those changes need comes along, but for what the choice leaves out. `content` is the
    digest of what production served when the choice was made; None where nobody was shown it.

    Raises:
        NotAllowedError: the actor may not capture staging or see builds of production.
        RuleBroken: production moved, the choice names what does not change, or changes nothing.
    """
    staging = staging_of(build.environment) or build.environment
    authorise(actor, Verb.CAPTURE, ACTION, staging)
    if staging.promotes_to is not None:
        authorise(actor, Verb.VIEW_BUILD, ACTION, staging.promotes_to)
    try:
        held = draft(build)
        made = _composed(held, choice, content)
    except RuleBroken as error:
        raise refuse(actor, ACTION, staging, str(error)) from error
    composed = _keep(actor, held, choice, made)
    prepare_if_approved(composed)
    return composed


def _composed(held: Draft, choice: Choice, content: str | None) -> Composition:
    if content is not None and content != held.content:
        raise RuleBroken(MOVED)
    if unknown := choice.unknown(held.changes):
        names = ", ".join(unknown[:5])
        raise RuleBroken(
            f"{names}{' and more' if len(unknown) > 5 else ''}: no such change from {held.target} "
            f"to {held.build}. Nothing was composed. Choose among its changes."
        )
    made = held.compose(choice)
    if not made.trees:
        raise RuleBroken(
            f"Nothing is chosen: the build would be what {held.target} serves already. Nothing "
            "was composed."
        )
    return made


def _keep(actor: Actor, held: Draft, choice: Choice, made: Composition) -> Build:
    content = DatabaseContent()
    for name, tree in made.trees.items():
        content.keep_tree(tree)
        content.keep_links(tree.digest, made.links[name])
    trees = {name: part.tree for name, part in held.live.generation.resources.items()}
    trees |= {name: TreeDigests.of(tree) for name, tree in made.trees.items()}
    found = Captured(
        {
            # The names of the source's own indices, and the mappings that it was captured under.
            name: CapturedResource(part.index, NO_FINGERPRINT, part.mapping_digest, trees[name])
            for name, part in held.build.resources().items()
        },
        (),
    )
    return keep_build(
        actor,
        held.staging,
        found,
        held.build.cluster_uuid,
        Build.Kind.COMPOSED,
        action=ACTION,
        detail={
            "from": f"{held.build.environment.slug}:{held.build.number}",
            "on": held.live.number,
            "chosen": _listed(made.chosen),
            "added": _listed(need.key for need in made.added),
        },
        composed_from=held.build,
        composed_on=held.content,
        choice={**choice.to_dict(), **_made(made)},
    )


def _made(made: Composition) -> dict[str, Any]:
    return {
        "chosen": [list(key) for key in sorted(made.chosen)],
        "added": [
            {
                "key": list(need.key),
                "because": [[*reason.key, reason.removes] for reason in need.because],
            }
            for need in made.added
        ],
    }


def _listed(keys: Iterable[Key]) -> list[str]:
    return ["/".join(key) for key in sorted(keys)][:1000]
