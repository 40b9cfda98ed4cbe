"""Reach a state by the real services: environments on a real engine, accounts, builds."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.test import Client

from accounts.audit import Actor, command_actor, system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user, grant
from devtools.elasticsearch.mappings import fitted
from environments.elastic import Connection, connect
from environments.models import Cluster, Environment
from promotion.models import Build, Review
from promotion.services import capture, review
from promotion.writer import ClusterWriter
from tests.data import configuration, load

# What a session of a role that needs a second factor is proved by.
FACTORS = ("password", "mfa")


def make_index(engine: Connection, index: str, body: object) -> None:
    """Create an index without waiting for its shard: what is sent to it next waits by itself."""
    engine.request("PUT", f"/{index}", params={"wait_for_active_shards": "0"}, body=body)


def make_staging(url: str, tenant: str = "") -> Environment:
    """Make a staging set with the real documents, under a tenant of its own.

    One of several is told by a word, which its names and its cluster's begin with.
    """
    cluster = Cluster.objects.create(name=f"{tenant} Test".strip(), url=url)
    environment = Environment.objects.create(
        name=f"{tenant} Staging".strip(),
        slug=f"{tenant}-staging".lower().lstrip("-"),
        cluster=cluster,
        version="0.8.1",
        tenant=f"t{uuid.uuid4().hex[:8]}",
        kind="staging",
    )
    _fill(environment)
    return environment


def make_production(staging: Environment) -> Environment:
    """Make what staging promotes to: plain indices with the same documents, and protected ones."""
    made = Environment.objects.create(
        name=staging.name.replace("Staging", "Production"),
        slug=staging.slug.replace("staging", "production"),
        cluster=staging.cluster,
        version="0.8.1",
        tenant=staging.tenant,
        kind="production",
    )
    staging.promotes_to = made
    staging.save()
    _fill(made)
    naming, engine = made.naming, connect(made.cluster)
    for index in (naming.concrete("user"), naming.partition("event", "2026-11")):
        engine.request("PUT", f"/{index}")
    return made


def _fill(environment: Environment) -> None:
    naming, shapes = environment.naming, load("0.8.1/indices.json")
    writer = ClusterWriter(connect(environment.cluster))
    for resource in naming.catalogue.promoted:
        aliases: dict[str, object] = {naming.alias(resource.name): {}}
        index = naming.concrete(resource.name)
        shape = fitted(writer.connection, shapes[resource.storage])
        make_index(writer.connection, index, {**shape, "aliases": aliases})
        writer.load(index, configuration(resource.storage))
    # A page that is looked at next searches.
    writer.refresh([naming.alias(resource.name) for resource in naming.catalogue.promoted])


def remove(environment: Environment, engine: Connection) -> None:
    """Delete all indices of an environment, generations and markers included."""
    writer, naming = ClusterWriter(engine), environment.naming
    patterns = [*naming.search_patterns(), naming.marker_pattern]
    writer.delete(list(writer.states(patterns)))


def put(environment: Environment, resource: str, path_id: str, raw: str) -> None:
    """Write a document without a refresh, as Tracardi does."""
    index = environment.naming.concrete(resource)
    connect(environment.cluster).request("PUT", f"/{index}/_doc/{path_id}", body=raw)


def edit_past_the_block(writer: ClusterWriter, index: str, doc_id: str, raw: bytes) -> None:
    """Write to a blocked index, as the engine's administrator might."""
    writer.unblock([index])
    writer.load(index, [(doc_id, raw)])
    writer.block([index])


@dataclass(frozen=True)
class People:
    """One account of each role; QA and marketing are granted the environments."""

    admin: Actor
    qa: Actor
    marketing: Actor


def make_people(*environments: Environment) -> People:
    """Make an account of each role."""

    def actor(role: Role) -> Actor:
        user = create_user(
            system_actor(), username=role.value, role=role, password="a long enough phrase 7"
        )
        if role is not Role.ADMINISTRATOR:
            for environment in environments:
                grant(system_actor(), user, environment)
        return command_actor(user)

    return People(actor(Role.ADMINISTRATOR), actor(Role.QA), actor(Role.MARKETING))


def approved(people: People, staging: Environment) -> Build:
    """Capture what staging holds, and approve it."""
    build = capture(people.qa, staging)
    if build.review is None:
        review(people.qa, build, Review.Verdict.APPROVED, content=build.content)
    return build


def served(environment: Environment, resource: str) -> dict[str, bytes]:
    """Return what an environment serves of one resource, by id."""
    writer, alias = ClusterWriter(connect(environment.cluster)), environment.naming.alias(resource)
    writer.refresh([alias])
    return dict(writer.read(alias))


def enter(user: User | None, *, factors: Sequence[str] = FACTORS) -> Client:
    """Sign a person in, who is there, and return their browser.

    `factors` are those that the session was proved by, a moment ago.
    """
    assert user is not None
    client = Client(headers={"x-forwarded-proto": "https"})
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    prove(client, user, factors)
    return client


def prove(
    client: Client, user: User, factors: Sequence[str] = FACTORS, *, ago: float = 0.0
) -> None:
    """Let a session have been proved so many seconds ago, as django-allauth keeps it."""
    session = client.session
    session["account_authentication_methods_user"] = str(user.pk)
    session["account_authentication_methods"] = [
        {"method": method, "at": time.time() - ago} for method in factors
    ]
    session.save()
