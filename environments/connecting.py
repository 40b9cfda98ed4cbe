"""What the administrator does with clusters and environments: connect, correct, remove."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import ProtectedError, Q, QuerySet
from guardian.models import UserObjectPermission

from accounts.audit import Actor, record
from accounts.authorising import authorise
from accounts.models import AuditEvent
from accounts.policy import APP_LABEL, MODEL
from accounts.roles import Verb
from environments.installations import connected
from environments.models import Cluster, Environment, Funnel, RecipeVersion, SavedView, Summary
from environments.naming import Naming, Side
from environments.suggesting import HERE, THERE
from environments.ties import tie_of
from environments.trial import Proof, try_out

# What an environment is; all else of it may be changed at any time.
SET_FIELDS: Final = ("kind", "cluster", "version", "tenant")


class ConnectError(Exception):
    """A rule said no; nothing was changed. `str()` is fit for people."""


class NotMadeError(ConnectError):
    """Some environments could not be made, so none was. `problems` are by the key of a set.

    Each is as a form takes it: messages by field, an empty one for the whole.
    """

    def __init__(self, problems: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        super().__init__("Nothing was made.")
        self.problems = problems


@dataclass(frozen=True)
class Wanted:
    """One environment to be made: which set, what it is called, and its pipeline's other end."""

    naming: Naming
    name: str
    slug: str
    other: str = ""


def keep_cluster(actor: Actor, cluster: Cluster, fields: Sequence[str]) -> None:
    """Save a cluster that was tried. `fields` are what was entered, for the audit trail.

    Raises:
        NotAllowedError, ConfirmationNeededError: the actor may not, or has to prove who it is.
    """
    action = "cluster.changed" if cluster.pk else "cluster.added"
    authorise(actor, Verb.MANAGE, action, None, confirmed=True)
    with transaction.atomic():
        cluster.save()
        record(actor, action, cluster, detail={"fields": list(fields)})


def check_connection(actor: Actor, cluster: Cluster) -> Proof:
    """Ask a saved cluster with its stored credentials, and return what answered.

    Raises:
        NotAllowedError: the actor may not.
        TrialError: it cannot be used as it is saved.
    """
    authorise(actor, Verb.MANAGE, "cluster.test", None)
    return try_out(cluster, cluster.uuid)


def make_environments(
    actor: Actor, cluster: Cluster, wanted: Sequence[Wanted]
) -> list[Environment]:
    """Make environments of some sets of a cluster, all or none, and return them.

    Raises:
        NotAllowedError, ConfirmationNeededError: the actor may not, or has to prove who it is.
        NotMadeError: one of them cannot be made.
    """
    authorise(actor, Verb.MANAGE, "environment.added", None, confirmed=True)
    problems: dict[str, Mapping[str, Sequence[str]]] = {}
    made: dict[str, Environment] = {}
    with transaction.atomic():
        Cluster.objects.select_for_update().get(pk=cluster.pk)
        there = connected(cluster)
        # What is promoted to comes first.
        for one in sorted(wanted, key=lambda one: one.naming.side is Side.STAGING):
            key = one.naming.key
            if key in there:
                problems[key] = {"": [f"It is connected already, as {there[key]}."]}
                continue
            try:
                made[key] = _make(actor, cluster, one, made)
            except ValidationError as error:
                problems[key] = _by_field(error)
        if problems:
            transaction.set_rollback(True)
    if problems:
        raise NotMadeError(problems)
    return [made[one.naming.key] for one in wanted]


def _make(
    actor: Actor, cluster: Cluster, one: Wanted, made: Mapping[str, Environment]
) -> Environment:
    naming = one.naming
    environment = Environment(
        name=one.name,
        slug=one.slug,
        cluster=cluster,
        version=naming.catalogue.version,
        tenant=naming.tenant,
        kind=naming.side.value,
    )
    other = _other_end(one.other, made)
    if naming.side is Side.STAGING:
        environment.promotes_to = other
    environment.full_clean()
    environment.save()
    detail = {"cluster": str(cluster), "set": naming.key, "by": "connect"}
    record(actor, "environment.added", environment, detail=detail)
    if naming.side is Side.PRODUCTION and other is not None:
        if other.promotes_to is not None:
            raise ValidationError({"other": f"{other} promotes to {other.promotes_to} already."})
        other.promotes_to = environment
        other.full_clean()
        other.save(update_fields=["promotes_to"])
        record(actor, "environment.changed", other, detail={"fields": ["promotes_to"]})
    return environment


def _other_end(other: str, made: Mapping[str, Environment]) -> Environment | None:
    if not other:
        return None
    found = None
    if other.startswith(HERE):
        found = made.get(other.removeprefix(HERE))
    elif other.startswith(THERE) and (pk := other.removeprefix(THERE)).isascii() and pk.isdigit():
        found = Environment.objects.filter(pk=int(pk)).first() if len(pk) < 19 else None
    if found is None:
        raise ValidationError({"other": "That environment is not there any more. Choose again."})
    return found


def _by_field(error: ValidationError) -> dict[str, list[str]]:
    if not hasattr(error, "error_dict"):
        return {"": error.messages}
    return {
        field if field in {"name", "slug", "other"} else "": [str(one) for one in messages]
        for field, messages in error.message_dict.items()
    }


def remove_problem(environment: Environment) -> str:
    """Return why an environment stays, or nothing."""
    if words := tie_of(environment):
        return f"{words}. It stays in the console."
    feeders = ", ".join(environment.fed_by.values_list("name", flat=True))
    if feeders:
        return f"{feeders} promotes to {environment}. Let it promote elsewhere, or remove it first."
    return ""


def recipes_of(environment: Environment) -> QuerySet[RecipeVersion]:
    """Return the recipes that go with an environment: a recipe is of both sides of a pair."""
    either = Q(staging=environment) | Q(production=environment)
    found = RecipeVersion.objects.filter(either).select_related("staging")
    return found.order_by("staging__name", "number")


def remove_environment(actor: Actor, environment: Environment) -> None:
    """Forget an environment that has no history. Nothing in its cluster is touched.

    Raises:
        NotAllowedError, ConfirmationNeededError: the actor may not, or has to prove who it is.
        ConnectError: it has builds, is adopted, or something else holds it.
    """
    action = "environment.removed"
    authorise(actor, Verb.MANAGE, action, environment, confirmed=True)
    with transaction.atomic():
        held = Environment.objects.select_for_update().get(pk=environment.pk)
        problem = remove_problem(held)
        if not problem:
            try:
                _forget(actor, action, held)
            except ProtectedError as error:
                kinds = sorted({str(one._meta.verbose_name) for one in error.protected_objects})
                problem = f"{held} has {', '.join(kinds)}. It stays in the console."
    if problem:
        raise _refused(actor, action, environment, problem)


def _forget(actor: Actor, action: str, held: Environment) -> None:
    with transaction.atomic():
        detail: dict[str, Any] = {"cluster": str(held.cluster), "set": held.naming.key}
        # Who may see it: guardian ties that to no row that would take it along.
        grants = UserObjectPermission.objects.filter(
            content_type__app_label=APP_LABEL,
            content_type__model=MODEL,
            object_pk=str(held.pk),
        )
        detail["revoked"] = sorted(set(grants.values_list("user__username", flat=True)))
        recipes = recipes_of(held)
        if recipes:
            detail["recipes"] = [str(one) for one in recipes]
        if funnels := list(Funnel.objects.filter(environment=held).values_list("name", flat=True)):
            detail["funnels"] = funnels
        for key, kept, field in (
            ("views", SavedView.objects.filter(environment=held), "name"),
            ("summaries_of", Summary.objects.filter(environment=held), "user__username"),
        ):
            if names := sorted(kept.values_list(field, flat=True)):
                detail[key] = names
        record(actor, action, held, detail=detail)
        grants.delete()
        recipes.delete()
        held.delete()


def remove_cluster(actor: Actor, cluster: Cluster) -> None:
    """Forget a cluster without environments, and its credentials.

    Raises:
        NotAllowedError, ConfirmationNeededError: the actor may not, or has to prove who it is.
        ConnectError: it has environments.
    """
    action = "cluster.removed"
    authorise(actor, Verb.MANAGE, action, None, confirmed=True)
    with transaction.atomic():
        held = Cluster.objects.select_for_update().get(pk=cluster.pk)
        count = held.environments.count()
        if not count:
            record(actor, action, held, detail={"url": held.url})
            held.delete()
    if count:
        what = "an environment" if count == 1 else f"{count} environments"
        raise _refused(actor, action, cluster, f"{cluster} has {what}. Remove those first.")


def _refused(actor: Actor, action: str, obj: Any, problem: str) -> ConnectError:
    words = f"{problem} Nothing was removed."
    record(actor, action, obj, outcome=AuditEvent.Outcome.REFUSED, reason=words)
    return ConnectError(words)
