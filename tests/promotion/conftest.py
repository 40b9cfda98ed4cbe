"""A staging set of indices on the real engine, with a real Tracardi's documents."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from accounts.audit import Actor, command_actor, system_actor
from accounts.roles import Role
from accounts.services import create_user, grant
from environments.catalogue import catalogue_for
from environments.elastic import Connection, connect
from environments.models import Cluster, Environment
from promotion.adoption import adopt, run_adopt
from promotion.live import finish
from promotion.models import Build, Promotion, Review
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.services import capture, review
from promotion.writer import ClusterWriter
from tests.data import configuration, load


def make(engine: Connection, index: str, body: object) -> None:
    """Create an index without waiting for its shard: what is sent to it next waits by itself."""
    engine.request("PUT", f"/{index}", params={"wait_for_active_shards": "0"}, body=body)


@pytest.fixture
def staging(elasticsearch_url: str) -> Iterator[Environment]:
    """A staging set with the real documents, under a tenant of its own."""
    cluster = Cluster.objects.create(name="Test", url=elasticsearch_url)
    environment = Environment.objects.create(
        name="Staging",
        slug="staging",
        cluster=cluster,
        version="0.8.1",
        tenant=f"t{uuid.uuid4().hex[:8]}",
        kind="staging",
    )
    engine, naming = connect(cluster), environment.naming
    shapes, made = load("0.8.1/indices.json"), []
    for resource in catalogue_for("0.8.1").promoted:
        index = naming.concrete(resource.name)
        shape = shapes[resource.storage]
        alias: dict[str, object] = {naming.alias(resource.name): {}}
        make(engine, index, {**shape, "aliases": alias})
        made.append(index)
        lines = [
            f"{json.dumps({'index': {'_id': doc_id}})}\n{raw.decode()}\n"
            for doc_id, raw in configuration(resource.storage)
        ]
        if lines:
            answer = engine.request("POST", f"/{index}/_bulk", body="".join(lines))
            assert not answer["errors"]
    yield environment
    engine.request("DELETE", f"/{','.join(made)}")


@pytest.fixture
def engine(staging: Environment) -> Connection:
    return connect(staging.cluster)


Put = Callable[[str, str, str], None]


@pytest.fixture
def put(staging: Environment, engine: Connection) -> Put:
    """Write a document without a refresh, as Tracardi does."""

    def write(resource: str, path_id: str, raw: str) -> None:
        index = staging.naming.concrete(resource)
        engine.request("PUT", f"/{index}/_doc/{path_id}", body=raw)

    return write


@pytest.fixture
def production(staging: Environment, engine: Connection) -> Iterator[Environment]:
    """What staging promotes to: plain indices with the same documents, and protected ones."""
    made = Environment.objects.create(
        name="Production",
        slug="production",
        cluster=staging.cluster,
        version="0.8.1",
        tenant=staging.tenant,
        kind="production",
    )
    staging.promotes_to = made
    staging.save()
    naming, writer, shapes = made.naming, ClusterWriter(engine), load("0.8.1/indices.json")
    for resource in naming.catalogue.promoted:
        aliases: dict[str, object] = {naming.alias(resource.name): {}}
        index = naming.concrete(resource.name)
        make(engine, index, {**shapes[resource.storage], "aliases": aliases})
        writer.load(index, configuration(resource.storage))
    for index in (naming.concrete("user"), naming.partition("event", "2026-11")):
        engine.request("PUT", f"/{index}")
    yield made
    patterns = [*naming.search_patterns(), f"tracardi-console.{naming.key}.*"]
    writer.delete(list(writer.states(patterns)))


@dataclass(frozen=True)
class People:
    """One account of each role; QA and marketing are granted staging and production."""

    admin: Actor
    qa: Actor
    marketing: Actor


@pytest.fixture
def people(production: Environment, staging: Environment) -> People:
    def actor(role: Role) -> Actor:
        user = create_user(
            system_actor(), username=role.value, role=role, password="a long enough phrase 7"
        )
        if role is not Role.ADMINISTRATOR:
            for environment in (staging, production):
                grant(system_actor(), user, environment)
        return command_actor(user)

    return People(actor(Role.ADMINISTRATOR), actor(Role.QA), actor(Role.MARKETING))


@pytest.fixture
def adopted(people: People, production: Environment) -> Environment:
    run_adopt(adopt(people.admin, production))
    return production


Ship = Callable[[], Promotion]


def approved(people: People, staging: Environment) -> Build:
    build = capture(people.qa, staging)
    if build.review is None:
        review(people.qa, build, Review.Verdict.APPROVED, content=build.content)
    return build


@pytest.fixture
def ship(people: People, staging: Environment, adopted: Environment) -> Ship:
    """Capture, approve, prepare, promote and verify what staging holds."""

    def run() -> Promotion:
        build = approved(people, staging)
        ready = prepare(build, adopted)
        consents = [finding["code"] for finding in ready.consents_due]
        made = promote(
            people.admin, build, adopted, plan_digest=ready.plan_digest, consents=consents
        )
        return finish(made)

    return run


def served(environment: Environment, resource: str) -> dict[str, bytes]:
    writer = ClusterWriter(connect(environment.cluster))
    writer.refresh([environment.naming.alias(resource)])
    return dict(writer.read(environment.naming.alias(resource)))
