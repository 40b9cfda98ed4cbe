"""The backup is from the middle of a promotion, an adoption or a release."""

import time
from collections.abc import Callable

import pytest

from environments.models import Environment
from promotion import recovery
from promotion.adoption import adopt, run_adopt
from promotion.beginning import begin
from promotion.engine.errors import RuleBroken
from promotion.journal import move
from promotion.lost import check
from promotion.models import LostState, Promotion
from promotion.preparing import prepare
from promotion.reconciling import reconcile
from promotion.recovery import recover
from promotion.releasing import request_release, run_release
from promotion.writer import ClusterWriter
from tests.backups import Backups
from tests.factories import (
    People,
    approved,
    served,
)
from tests.promotion.conftest import Put, Ship
from tests.promotion.lost import (
    back,
    check_agreement,
    check_main_job,
    live_in,
    reconciled,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def running(
    people: People, staging: Environment, adopted: Environment, put: Put
) -> Callable[[], Promotion]:
    """Return what records a promotion as running, as far as its last moment before the switch."""

    def begun() -> Promotion:
        put("segment", "one", '{"name": "One"}')
        build = approved(people, staging)
        ready = prepare(build, adopted)
        made = begin(
            people.admin,
            Promotion.Kind.PROMOTE,
            adopted,
            build=build,
            prepared=ready,
            plan_facts=ready.plan_facts,
            plan_digest=ready.plan_digest,
            made_facts=ready.made_facts,
        )
        move(made, Promotion.Status.RUNNING)
        return made

    return begun


def _switched(promotion: Promotion, writer: ClusterWriter) -> None:
    plan = promotion.plan
    assert plan is not None
    writer.switch(plan.switch(promotion.environment.naming))


def test_a_promotion_of_the_backup_that_went_live_is_verified_and_only_then_succeeded(
    backups: Backups,
    people: People,
    staging: Environment,
    adopted: Environment,
    writer: ClusterWriter,
    running: Callable[[], Promotion],
    quick: None,
) -> None:
    made = running()
    older = backups.take()
    _switched(made, writer)
    backups.restore(older)
    assert check(writer, adopted) is None
    # The command waits for a lease time, then reads it back as the worker does.
    assert reconcile(people.admin, adopted) is None
    made.refresh_from_db()
    assert made.status == "succeeded"
    assert made.steps.filter(name="verify", status="succeeded").exists()
    assert live_in(adopted).promotion == made
    check_agreement(people, adopted)
    check_main_job(people, staging, adopted)


def test_a_promotion_of_the_backup_that_did_not_go_live_is_given_up(
    backups: Backups,
    people: People,
    staging: Environment,
    adopted: Environment,
    running: Callable[[], Promotion],
    quick: None,
) -> None:
    made = running()
    backups.restore(backups.take())
    assert reconcile(people.admin, adopted) is None
    made.refresh_from_db()
    assert made.status == "errored"
    check_agreement(people, adopted)
    check_main_job(people, staging, adopted)


def test_a_promotion_of_the_backup_that_others_followed_is_errored_and_its_way_back_is_kept(
    backups: Backups,
    people: People,
    staging: Environment,
    adopted: Environment,
    writer: ClusterWriter,
    put: Put,
    ship: Ship,
    running: Callable[[], Promotion],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = running()
    older = backups.take()
    _switched(made, writer)
    monkeypatch.setattr(recovery, "clock", lambda: time.monotonic() + 31)
    recovery._sightings.clear()
    recover()
    monkeypatch.setattr(recovery, "clock", lambda: time.monotonic() + 62)
    recover()
    made.refresh_from_db()
    assert made.status == "succeeded"
    put("segment", "two", "{}")
    ship()
    expected = live_in(adopted)
    assert expected.previous is not None
    backups.restore(older)

    # The worker does not take the way back for something half made, however long it looks.
    for later in (93, 124):
        monkeypatch.setattr(recovery, "clock", lambda later=later: time.monotonic() + later)
        assert recover() == []
    assert expected.previous.marker in writer.states([adopted.naming.marker_pattern])
    assert LostState.of(adopted) is not None

    reconciled(people, adopted)
    made.refresh_from_db()
    assert made.status == "errored"
    assert "restored from an older backup" in made.message
    assert "was live" in made.message
    assert made.live_at is None
    live = live_in(adopted)
    assert live.marker == expected.marker
    assert live.previous is not None
    assert live.previous.marker == expected.previous.marker
    check_agreement(people, adopted)
    back(people, adopted)
    assert {"one", "two"} & served(adopted, "segment").keys() == {"one"}
    check_main_job(people, staging, adopted)


def test_an_adoption_and_a_release_that_wait_in_the_backup_are_not_done(
    backups: Backups, people: People, staging: Environment, adopted: Environment
) -> None:
    waiting = request_release(people.admin, adopted)
    older = backups.take()
    run_release(waiting)
    run_adopt(adopt(people.admin, adopted))
    marker = live_in(adopted).marker
    backups.restore(older)
    with pytest.raises(RuleBroken, match="did not record as live"):
        run_release(Promotion.objects.get(pk=waiting.pk))
    reconciled(people, adopted)
    assert live_in(adopted).marker == marker
    check_agreement(people, adopted)
    check_main_job(people, staging, adopted)
