"""Adopt, prepare and cut over, step for step, on the real engine."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from accounts.audit import system_actor
from environments.elastic import Refused, connect
from environments.models import Environment
from environments.naming import Naming
from promotion.engine.adopt import clone_originals, move_aliases, replace_originals
from promotion.engine.cutover import cutover
from promotion.engine.delta import CLONE_BYTES
from promotion.engine.diff import count
from promotion.engine.errors import RuleBroken, StalePlan
from promotion.engine.lease import Lease, acquire
from promotion.engine.plan import Generation, Plan, make_plan
from promotion.engine.prepare import prepare
from promotion.live import finish
from promotion.locking import unlock
from promotion.preparing import prepare as prepare_build
from promotion.promotions import promote
from promotion.services import capture
from promotion.store import DatabaseContent
from promotion.writer import ClusterWriter
from tests import factories
from tests.data import configuration
from tests.factories import People, approved, edit_past_the_block
from tests.factories import put as edit

pytestmark = pytest.mark.django_db
Put = Callable[[str, str, str], None]
CONTENT = DatabaseContent()


@pytest.fixture
def writer(staging: Environment) -> ClusterWriter:
    return ClusterWriter(connect(staging.cluster))


@pytest.fixture
def naming(production: Environment) -> Naming:
    return production.naming


@pytest.fixture
def live(production: Environment, naming: Naming, writer: ClusterWriter) -> Generation:
    """Adopt production: what is live then."""
    writer.block([naming.concrete(r.name) for r in naming.catalogue.promoted])
    baseline = capture(system_actor(), production).resources()
    generation = clone_originals(
        writer,
        CONTENT,
        naming,
        number=1,
        marker=naming.marker_index(1, "adopt"),
        baseline={name: part.tree for name, part in baseline.items()},
    )
    move_aliases(writer, naming, generation)
    replace_originals(writer, naming, generation, wait=lambda: True)
    return generation


@pytest.fixture
def lease(writer: ClusterWriter, naming: Naming) -> Lease:
    return acquire(writer, naming.key, "test", seconds=30, clock=lambda: 0.0)


def planned(staging: Environment, naming: Naming, live: Generation, number: int) -> Plan:
    wanted = {n: part.tree for n, part in capture(system_actor(), staging).resources().items()}
    return make_plan(
        naming,
        cluster_uuid=staging.cluster.uuid,
        number=number,
        attempt="a1",
        live=live,
        content="",
        wanted=wanted,
        counts={
            n: count(CONTENT.tree(live.resources[n].tree.digest), CONTENT.tree(t.digest))
            for n, t in wanted.items()
        },
    )


def filled(writer: ClusterWriter, plan: Plan) -> Generation:
    return prepare(
        writer, CONTENT, plan, writer.states([part.live.index for part in plan.resources])
    )


def served(writer: ClusterWriter, naming: Naming, resource: str) -> dict[str, bytes]:
    return dict(writer.read(naming.alias(resource)))


def test_adoption_keeps_every_document_under_both_names(
    live: Generation, naming: Naming, writer: ClusterWriter
) -> None:
    for resource in naming.catalogue.promoted:
        for name in (naming.alias(resource.name), naming.concrete(resource.name)):
            assert list(writer.states([name])) == [live.resources[resource.name].index]
            assert dict(writer.read(name)) == dict(configuration(resource.storage))


def test_a_promotion_serves_what_was_captured_to_the_byte(
    staging: Environment,
    naming: Naming,
    writer: ClusterWriter,
    live: Generation,
    lease: Lease,
    put: Put,
) -> None:
    raw = '{"name": "New", "enabled": true}'
    put("segment", "seg-new", raw)
    plan = planned(staging, naming, live, 2)
    assert [part.resource for part in plan.changed] == ["segment"]
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))).digest == plan.digest
    made = filled(writer, plan)
    assert "seg-new" not in served(writer, naming, "segment")
    cutover(writer, lease, plan, made, naming)
    assert served(writer, naming, "segment")["seg-new"] == raw.encode()
    facts = writer.marker(naming.marker_alias)
    assert facts is not None
    assert Generation.from_dict(facts) == made


def test_two_promoters_of_one_generation_one_wins(
    staging: Environment,
    naming: Naming,
    writer: ClusterWriter,
    live: Generation,
    lease: Lease,
    put: Put,
) -> None:
    put("segment", "seg-new", '{"name": "New"}')
    first = planned(staging, naming, live, 2)
    put("rule", "rule-new", '{"name": "New"}')
    second = planned(staging, naming, live, 3)
    second = replace(
        second,
        resources=tuple(
            part
            if part.resource == "rule"
            else replace(part, next_index=part.live.index, kept=part.live.fingerprint)
            for part in second.resources
        ),
    )
    one = filled(writer, first)
    two = filled(writer, second)
    cutover(writer, lease, first, one, naming)
    with pytest.raises(StalePlan):
        cutover(writer, lease, second, two, naming)
    assert "seg-new" in served(writer, naming, "segment")
    assert "rule-new" not in served(writer, naming, "rule")


def test_what_was_written_to_while_it_was_copied_is_not_prepared(
    staging: Environment,
    naming: Naming,
    writer: ClusterWriter,
    live: Generation,
    put: Put,
) -> None:
    put("segment", "seg-new", json.dumps({"name": "x" * CLONE_BYTES}))
    plan = planned(staging, naming, live, 2)
    first = filled(writer, plan)
    held = first.resources["segment"]
    put("segment", "seg-newer", '{"name": "New"}')
    following = planned(staging, naming, first, 3)
    states = writer.states([part.live.index for part in following.resources])
    # One more or less is seen by counting; an edit only by the fingerprint.
    edit_past_the_block(writer, held.index, "seg-loyal", b'{"name": "By hand"}')
    with pytest.raises(RuleBroken, match="was written to while it was copied"):
        prepare(writer, CONTENT, following, states)


def test_production_edited_after_planning_is_never_overwritten(
    staging: Environment,
    naming: Naming,
    writer: ClusterWriter,
    live: Generation,
    lease: Lease,
    put: Put,
) -> None:
    put("segment", "seg-new", '{"name": "New"}')
    plan = planned(staging, naming, live, 2)
    made = filled(writer, plan)
    writer.unblock([live.resources["rule"].index])
    writer.load(naming.concrete("rule"), [("edited", b'{"name": "By hand"}')])
    with pytest.raises(StalePlan, match="rule"):
        cutover(writer, lease, plan, made, naming)
    assert "seg-new" not in served(writer, naming, "segment")


def test_an_unlocked_environment_takes_edits_again_once_what_went_live_is_proved(
    people: People, staging: Environment, adopted: Environment
) -> None:
    unlock(people.admin, adopted, "An edit by hand")
    edit(adopted, "segment", "by-hand", '{"name": "By hand"}')
    edit(staging, "rule", "new", '{"name": "New"}')
    build = approved(people, staging)
    ready = prepare_build(build, adopted)
    due = [finding["code"] for finding in ready.consents_due]
    made = promote(people.admin, build, adopted, plan_digest=ready.plan_digest, consents=due)
    # The proof is of what was promoted.
    with pytest.raises(Refused, match="index write"):
        edit(adopted, "rule", "by-hand", '{"name": "By hand"}')
    finish(made)
    edit(adopted, "rule", "by-hand", '{"name": "By hand"}')
    assert "by-hand" in factories.served(adopted, "rule")
