"""The demo in its cluster: what is there of it, and its removal by exact names only."""

from collections.abc import Iterable
from urllib.parse import quote, unquote, urlsplit

from devtools.demo.state import DemoError, Marker
from environments.elastic import Connection, ElasticError, Refused, connect
from environments.models import Cluster, Environment
from environments.naming import LEASE_INDEX, Naming
from promotion.engine.errors import PromotionError
from promotion.engine.release import template_name
from promotion.models import Promotion, StoredGeneration
from promotion.writer import ClusterWriter

# An address has a greatest length.
_AT_ONCE = 20
CLUSTER = "Demo"


def remove_demo(marker: Marker, url: str) -> int:
    """Remove all that is the demo's from a cluster that is not its own; return how much it was.

    Raises:
        DemoError: the cluster cannot be used, or is another one, or something would be left.
    """
    cluster = demo_cluster(url)
    connection = connect(cluster)
    try:
        if ClusterWriter(connection).uuid() != marker.cluster_uuid:
            raise DemoError(
                "The demo's data is in another cluster than the one that answers: nothing was "
                "removed. Set ELASTICSEARCH_URL to that one."
            )
        removed = 0
        for environment in Environment.objects.filter(tenant=marker.tenant):
            removed += remove_promoted(connection, environment)
        removed += remove_marked(connection, marker)
        left = names_of(connection, marker.tenant)
    except (ElasticError, PromotionError) as error:
        raise DemoError(f"The demo was not removed: {error} Correct that, try again.") from error
    if left:
        raise DemoError(
            f"The demo did not make {', '.join(left)}, so they were left: remove them by hand, "
            "then try again."
        )
    return removed


def demo_cluster(url: str) -> Cluster:
    """Return the demo's cluster at an address, or at its last one, not saved.

    Credentials leave the address, as everybody may see that.

    Raises:
        DemoError: there is no address, or it is none.
    """
    cluster = Cluster.objects.filter(name=CLUSTER).first()
    if cluster is not None and not url:
        return cluster
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise DemoError("Set ELASTICSEARCH_URL to the demo's cluster, as http://HOST:PORT.")
    cluster = cluster or Cluster(name=CLUSTER)
    cluster.url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    cluster.authentication, cluster.username, cluster.secret = Cluster.Authentication.NONE, "", ""
    if parts.username:
        cluster.authentication = Cluster.Authentication.BASIC
        cluster.username = unquote(parts.username)
        cluster.secret = unquote(parts.password or "")
    return cluster


def names_of(connection: Connection, tenant: str) -> list[str]:
    """Return every index, by any of its names, and every template of a tenant. Only reads."""
    starts = (f"{start}{tenant}.*" for start in ("", "prod-", "static-"))
    states = ClusterWriter(connection).states([f"*.{tenant}.*", *starts])
    try:
        templates = connection.request("GET", f"/_index_template/*.{tenant}.*")
    except Refused as error:
        if not error.missing:
            raise
        return sorted(states)
    return [*sorted(states), *(found["name"] for found in templates["index_templates"])]


def remove_marked(connection: Connection, marker: Marker) -> int:
    """Remove the indices and templates that the marker names, and return how many there were."""
    return _remove_indices(connection, marker.indices) + _remove_each(
        connection, [f"/_index_template/{quote(name)}" for name in marker.templates]
    )


def remove_promoted(connection: Connection, environment: Environment) -> int:
    """Remove what the console made for an environment, as its own database recorded it."""
    naming = environment.naming
    templates = [template_name(naming, resource.name) for resource in naming.catalogue.promoted]
    leases = [f"/{LEASE_INDEX}/_doc/{quote(naming.key)}"]
    return _remove_indices(connection, _recorded(environment, naming)) + _remove_each(
        connection, [*(f"/_index_template/{quote(name)}" for name in templates), *leases]
    )


def _recorded(environment: Environment, naming: Naming) -> set[str]:
    """Return the names of all generations' indices and markers, of abandoned attempts too."""
    names: set[str] = set()
    for stored in StoredGeneration.objects.filter(environment=environment):
        names |= {stored.marker, *(held.index for held in stored.generation.resources.values())}
    for promotion in Promotion.objects.filter(environment=environment):
        if (plan := promotion.plan) is not None:
            names |= {plan.marker, *(part.next_index for part in plan.fresh)}
        number = (promotion.made_facts or {}).get("number")
        if number is not None and promotion.kind == Promotion.Kind.ADOPT:
            names.add(naming.marker_index(number, promotion.token))
            names |= {naming.generation_index(r.name, number) for r in naming.catalogue.promoted}
    return names


def _remove_indices(connection: Connection, names: Iterable[str]) -> int:
    wanted, writer, removed = sorted(names), ClusterWriter(connection), 0
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        # A name may be an alias by now: the index behind it is removed by its own name, if it is
        # the demo's.
        states = writer.states(part)
        there = [name for name in part if name in states]
        writer.delete(there)
        removed += len(there)
    return removed


def _remove_each(connection: Connection, paths: Iterable[str]) -> int:
    removed = 0
    for path in paths:
        try:
            connection.request("DELETE", path)
        except Refused as error:
            if not error.missing:
                raise
        else:
            removed += 1
    return removed
