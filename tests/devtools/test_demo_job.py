"""The demo's own configuration, promoted: equal by digest, and nothing else touched."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.audit import command_actor
from accounts.models import User
from devtools.demo import job, shop
from devtools.demo.removal import remove_demo
from devtools.demo.setup import Demo, set_up
from devtools.demo.state import State
from environments.catalogue import Policy
from environments.elastic import connect
from environments.models import Environment
from promotion.cluster import ClusterReader
from promotion.engine.manifest import Tree, describe
from promotion.live import finish
from promotion.models import Review
from promotion.planning import indices_of, writer_for
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.services import capture, review

pytestmark = pytest.mark.django_db(transaction=True)
LIMIT = 1_000_000


@pytest.fixture
def demo(tmp_path: Path, elasticsearch_url: str) -> Iterator[Demo]:
    state = State(tmp_path / "demo")
    tenant = f"demo-{uuid.uuid4().hex[:8]}"
    yield set_up(state, elasticsearch_url, own_node=False, say=lambda _: None, tenant=tenant)
    marker = state.marker()
    assert marker is not None
    remove_demo(marker, elasticsearch_url)


def untouchable(environment: Environment) -> dict[str, object]:
    """Return what tells of any change to the protected and shared indices, documents included."""
    writer, naming = writer_for(environment), environment.naming
    found = {name: naming.classify(name) for name in indices_of(writer, environment)}
    names = [
        name
        for name, what in found.items()
        if what is not None and what.resource is not None
        if what.resource.policy is not Policy.PROMOTED
    ]
    states, marks = writer.states(names), writer.marks(names)
    writer.refresh(names)
    return {name: (states[name], marks[name], sum(1 for _ in writer.read(name))) for name in names}


def served(environment: Environment, resource: str) -> Tree:
    reader, alias = ClusterReader(connect(environment.cluster)), environment.naming.alias(resource)
    found = (describe(resource, *document, limit=LIMIT) for document in reader.read(alias))
    return Tree.of(resource, found)


def test_the_demos_configuration_arrives_whole_and_nothing_else_is_touched(demo: Demo) -> None:
    staging, production = demo.staging, demo.production
    before = {e.slug: untouchable(e) for e in (staging, production)}
    assert all(len(found) > 15 for found in before.values())
    # Adopt, promote and roll back.
    job.do_job(demo, lambda _: None)
    admin = command_actor(User.objects.get(username="admin"))
    qa = command_actor(User.objects.get(username="qa"))
    build = capture(qa, staging)
    if build.review is None:
        review(qa, build, Review.Verdict.APPROVED, content=build.content)
    ready = prepare(build, production)
    agreed = [finding["code"] for finding in ready.consents_due]
    made = promote(admin, build, production, plan_digest=ready.plan_digest, consents=agreed)
    assert finish(made).status == "succeeded"

    plan = made.plan
    assert plan is not None
    changed = {part.resource for part in plan.changed}
    assert shop.change(1)[0] in changed
    for resource in staging.catalogue.promoted:
        wanted, found = served(staging, resource.name), served(production, resource.name)
        assert found.entries
        assert found.content == wanted.content
        if resource.name in changed:
            assert found.exact == wanted.exact
            assert found.digest == wanted.digest
    assert {e.slug: untouchable(e) for e in (staging, production)} == before
