"""What the next worker does with what a dead one left."""

import time

import pytest
from django_tasks import default_task_backend
from pytest_django import Settings

from environments.models import Environment
from promotion import recovery
from promotion.adoption import adopt, run_adopt
from promotion.beginning import begin, cancel
from promotion.claim import claim, holder_of
from promotion.engine.errors import Conflict
from promotion.journal import move
from promotion.models import Promotion, Review, StoredGeneration
from promotion.planning import writer_for
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.recovery import recover
from promotion.services import capture, review
from tests.factories import People
from tests.promotion.conftest import Put

pytestmark = pytest.mark.django_db(transaction=True)


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker's clock say that a lease time has passed."""
    monkeypatch.setattr(recovery, "clock", lambda: time.monotonic() + 31)


@pytest.fixture
def ready(people: People, staging: Environment, production: Environment, put: Put) -> Promotion:
    run_adopt(adopt(people.admin, production))
    put("segment", "new", '{"name": "New"}')
    build = capture(people.qa, staging)
    review(people.qa, build, Review.Verdict.APPROVED, content=build.content)
    return prepare(build, production)


def test_a_live_promotion_whose_worker_died_is_verified_by_the_next(
    people: People, ready: Promotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ready.build is not None
    made = promote(people.admin, ready.build, ready.environment, plan_digest=ready.plan_digest)
    assert recover() == []
    later(monkeypatch)
    assert recover() == [made]
    made.refresh_from_db()
    assert made.status == "succeeded"


def test_a_promotion_that_died_before_the_switch_is_given_up_and_cannot_land_later(
    people: People, ready: Promotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, plan = ready.environment, ready.plan
    assert plan is not None
    dead = begin(
        people.admin,
        Promotion.Kind.PROMOTE,
        target,
        build=ready.build,
        plan_facts=ready.plan_facts,
        plan_digest=ready.plan_digest,
        made_facts=ready.made_facts,
    )
    move(dead, Promotion.Status.RUNNING)
    writer = writer_for(target)
    claim(writer, target, holder_of(dead)).stop()
    recover()
    later(monkeypatch)
    assert recover() == [dead]
    dead.refresh_from_db()
    assert dead.status == "errored"
    with pytest.raises(Conflict):
        writer.switch(plan.switch(target.naming))
    live = StoredGeneration.live_in(target)
    assert live is not None
    assert live.number == plan.base


def test_an_adoption_that_died_before_the_switch_leaves_production_open_as_it_was(
    people: People, production: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = adopt(people.admin, production)
    move(dead, Promotion.Status.RUNNING)
    writer, naming = writer_for(production), production.naming
    writer.block([naming.concrete("flow")])
    claim(writer, production, holder_of(dead)).stop()
    recover()
    later(monkeypatch)
    recover()
    dead.refresh_from_db()
    assert dead.status == "errored"
    assert not writer.states([naming.concrete("flow")])[naming.concrete("flow")].write_blocked
    assert run_adopt(adopt(people.admin, production)).status == "succeeded"


def test_what_no_worker_began_is_handed_over_again_and_begins_once(
    people: People,
    production: Environment,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    settings.TASKS = {"default": {"BACKEND": "django_tasks.backends.dummy.DummyBackend"}}
    lost = adopt(people.admin, production)
    recover()
    later(monkeypatch)
    assert recover() == [lost]
    [handed_over] = default_task_backend.results  # type: ignore[attr-defined]
    assert handed_over.args == [lost.pk]
    for _ in range(2):
        assert run_adopt(lost).status == "succeeded"
    assert lost.steps.filter(name="check").count() == 1


def test_what_no_worker_began_is_cancelled_at_once(people: People, production: Environment) -> None:
    waiting = adopt(people.admin, production)
    cancel(people.admin, waiting)
    assert waiting.status == "aborted"
    assert run_adopt(waiting).steps.count() == 0
