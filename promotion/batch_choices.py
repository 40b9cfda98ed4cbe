"""What a batch can hold: for each target its newest approved build, and why not, where not."""

from dataclasses import dataclass

from accounts.audit import Actor
from accounts.policy import may
from accounts.roles import Verb
from environments.models import Environment
from promotion.buttons import Readiness, readiness
from promotion.models import Build, StoredGeneration
from promotion.preparing import is_live_already, newest_approved


@dataclass(frozen=True)
class Candidate:
    """A target that something promotes to, and its newest approved build, if there is one.

    `is_due` says that the build is not what is live; `state` whether it can go live now.
    """

    target: Environment
    build: Build | None
    state: Readiness
    is_due: bool


def candidates(actor: Actor) -> list[Candidate]:
    """Return the targets that a person may promote to, by name."""
    targets = (
        Environment.objects.production()
        .filter(pk__in=Environment.objects.filter(promotes_to__isnull=False).values("promotes_to"))
        .select_related("cluster")
        .order_by("name")
    )
    return [
        candidate(actor, target)
        for target in targets
        if actor.user is None or may(actor.user, Verb.PROMOTE, target)
    ]


def candidate(actor: Actor, target: Environment) -> Candidate:
    """Return what there is to promote to a target."""
    build = newest_approved(target)
    if build is None:
        return Candidate(target, None, Readiness("Nothing is approved for it yet."), False)
    if StoredGeneration.live_in(target) is None:
        return Candidate(target, build, Readiness(f"{target} is not adopted."), False)
    due = not is_live_already(build, target)
    return Candidate(target, build, readiness(actor, build, target), due)
