"""Sets the demo up: indices and their documents, the console's environments and accounts.

Again, it keeps what is there. Needs Django with its settings.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from django.db import transaction

from accounts.audit import Actor, command_actor, system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user, grant
from devtools.demo import Document, indices, shop, traffic
from devtools.demo.removal import demo_cluster, names_of, remove_marked
from devtools.demo.state import DemoError, Marker, Say, State, timed
from environments.catalogue import catalogue_for
from environments.elastic import Connection, ElasticError, connect
from environments.funnels.services import make_funnel
from environments.models import Cluster, Environment
from environments.naming import Naming, Side
from promotion.engine.errors import PromotionError
from promotion.models import Suite
from promotion.suite_files import read_folder
from promotion.suites import take_tests
from promotion.writer import ClusterWriter

SUITE = "Web shop"
FUNNEL = "From a look to an order"
FUNNEL_STEPS = ("product-viewed", "basket-item-added", "order-placed")
ACCOUNTS = {"admin": Role.ADMINISTRATOR, "qa": Role.QA, "marketing": Role.MARKETING}


@dataclass(frozen=True)
class Demo:
    """What was set up. `passwords` are by user name."""

    staging: Environment
    production: Environment
    passwords: dict[str, str]


def naming_of(tenant: str, side: Side) -> Naming:
    """Return the names of one side of a demo."""
    return Naming(catalogue_for(shop.VERSION), tenant, side)


def set_up(state: State, url: str, *, own_node: bool, say: Say, tenant: str = "") -> Demo:
    """Make what is not there yet, and return it. A `tenant` is for tests: else it is random.

    Raises:
        DemoError: the cluster cannot be used, or has names of that tenant that are not the
            demo's.
    """
    cluster = demo_cluster(url)
    connection = connect(cluster)
    try:
        uuid = ClusterWriter(connection).uuid()
        marker = state.marker()
        if marker is None:
            marker = _new_marker(connection, tenant or f"demo-{secrets.token_hex(4)}")
            marker = replace(marker, cluster_uuid=uuid, own_node=own_node)
            state.keep_marker(marker)
        elif marker.cluster_uuid != uuid:
            raise DemoError(
                "The demo's data is in another cluster than the one that answers now: "
                "set ELASTICSEARCH_URL to that one, or run `make demo-reset` with it."
            )
        if marker.done:
            _check_there(connection, marker)
        else:
            _fill(connection, marker, say)
            state.keep_marker(replace(marker, done=True))
    except (ElasticError, PromotionError, indices.LoadError) as error:
        raise DemoError(
            f"The demo's data was not made: {error} Correct that, try again."
        ) from error
    return _console(state, cluster, uuid, marker.tenant)


def _new_marker(connection: Connection, tenant: str) -> Marker:
    """Name all that is to be made for a tenant that the cluster does not know.

    Raises:
        DemoError: it knows it.
    """
    if found := names_of(connection, tenant):
        raise DemoError(
            f"Tenant {tenant} was not made by this demo, but the cluster has {found[0]} and "
            f"{len(found) - 1} more of its names: nothing was touched. Use another cluster."
        )
    months = traffic.months(datetime.now(UTC))
    named = [indices.names(naming_of(tenant, side), months) for side in Side]
    return Marker(
        tenant=tenant,
        cluster_uuid="",
        own_node=False,
        months=tuple(months),
        # Both sides name the shared ones.
        indices=tuple(dict.fromkeys(chain(*((*one.indices, *one.shared) for one in named)))),
        templates=tuple(chain(*(one.templates for one in named))),
    )


def _check_there(connection: Connection, marker: Marker) -> None:
    naming = naming_of(marker.tenant, Side.STAGING)
    wanted = {naming.concrete(resource.name) for resource in naming.catalogue.promoted}
    if gone := wanted - set(ClusterWriter(connection).states(sorted(wanted))):
        raise DemoError(f"The demo's index {min(gone)} is gone: run `make demo-reset`.")


def _fill(connection: Connection, marker: Marker, say: Say) -> None:
    # An earlier run that was interrupted made a part of it.
    remove_marked(connection, marker)
    now, months = datetime.now(UTC), marker.months
    for side in Side:
        naming = naming_of(marker.tenant, side)
        with timed(f"{side.value.capitalize()}'s indices made", say) as details:
            made = indices.create(connection, naming, months)
            details.append(f"{len(made.indices)} indices, {len(made.templates)} templates")
        with timed(f"{side.value.capitalize()}'s documents loaded", say) as details:
            # A month may have begun since they were named.
            known = (d for d in _documents(side, now) if d.month is None or d.month in months)
            details.append(f"{sum(indices.load(connection, naming, known).values())} documents")


def _documents(side: Side, now: datetime) -> Iterator[Document]:
    yield from shop.documents(side)
    yield from traffic.documents(now=now, side=side)
    if side is Side.STAGING:
        yield from shop.shared()


def _console(state: State, cluster: Cluster, uuid: str, tenant: str) -> Demo:
    """Make or renew the console's own rows."""
    with transaction.atomic():
        cluster.uuid = uuid
        cluster.save()
        facts = {"cluster": cluster, "version": shop.VERSION, "tenant": tenant}
        production, is_new = Environment.objects.get_or_create(
            slug="production",
            defaults={**facts, "name": "Production", "kind": Side.PRODUCTION.value},
        )
        staging, _ = Environment.objects.get_or_create(
            slug="staging",
            defaults={
                **facts,
                "name": "Staging",
                "kind": Side.STAGING.value,
                "promotes_to": production,
            },
        )
        passwords = _accounts(state, {"qa": [staging, production], "marketing": [production]})
        _suite(staging)
        if is_new:
            # Later it is its users': what they remove does not come back.
            make_funnel(_qa(), production, FUNNEL, FUNNEL_STEPS)
    return Demo(staging, production, passwords)


def _suite(staging: Environment) -> None:
    """Make the shop's suite of workflow tests, unless there was ever one."""
    if not Suite.objects.filter(environment=staging).exists():
        take_tests(_qa(), staging, SUITE, read_folder(Path(__file__).parent / "suite"))


def _qa() -> Actor:
    return command_actor(User.objects.get(username="qa"))


def _accounts(state: State, granted: dict[str, list[Environment]]) -> dict[str, str]:
    passwords = state.passwords()
    missing = [name for name in ACCOUNTS if name not in passwords]
    if missing:
        passwords |= {name: secrets.token_urlsafe(12) for name in missing}
        state.keep_passwords(passwords)
    for name, role in ACCOUNTS.items():
        user = User.objects.filter(username=name).first()
        if user is None:
            user = create_user(system_actor(), username=name, role=role, password=passwords[name])
            for environment in granted.get(name, []):
                grant(system_actor(), user, environment)
        elif name in missing:
            user.set_password(passwords[name])
            user.save(update_fields=["password"])
    return passwords
