"""Where nobody can say how it ended: nothing is guessed, and the next worker reads the truth."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import OperationalError

from environments.elastic import Connection
from environments.models import Environment
from promotion import claim as claims
from promotion import live as going_live
from promotion.adoption import adopt, run_adopt
from promotion.beginning import cancel
from promotion.claim import claim
from promotion.engine import release as release_engine
from promotion.engine.errors import LeaseHeld, OutcomeUnknown, RuleBroken
from promotion.engine.ports import AliasAction
from promotion.engine.release import template_name
from promotion.live import finish
from promotion.locking import unlock
from promotion.models import Promotion, StoredGeneration
from promotion.planning import indices_of, writer_for
from promotion.preparing import current_preparation, prepare
from promotion.promotions import promote
from promotion.recovery import recover
from promotion.releasing import request_release, run_release
from promotion.rollback import rollback
from promotion.writer import ClusterWriter
from tests.factories import People, approved, served
from tests.promotion.conftest import Put, Ship

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def no_answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Let the next alias request get no answer, applied or not."""
    real = ClusterWriter.switch

    def arm(applied: bool) -> None:
        def switch(self: ClusterWriter, actions: Sequence[AliasAction]) -> None:
            monkeypatch.setattr(ClusterWriter, "switch", real)
            if applied:
                real(self, actions)
            raise OutcomeUnknown("No answer came.")

        monkeypatch.setattr(ClusterWriter, "switch", switch)

    return arm


@pytest.fixture
def ready(people: People, staging: Environment, adopted: Environment, put: Put) -> Promotion:
    put("segment", "new", '{"name": "New"}')
    return prepare(approved(people, staging), adopted)


def click(people: People, ready: Promotion) -> Promotion:
    assert ready.build is not None
    return promote(people.admin, ready.build, ready.environment, plan_digest=ready.plan_digest)


def live_number(environment: Environment) -> int:
    live = StoredGeneration.live_in(environment)
    assert live is not None
    return live.number


def test_a_switch_that_was_applied_without_an_answer_is_found_and_verified(
    people: People, ready: Promotion, no_answer: Callable[[bool], None]
) -> None:
    target, before = ready.environment, live_number(ready.environment)
    no_answer(True)
    with pytest.raises(OutcomeUnknown):
        click(people, ready)
    left = Promotion.objects.get(kind="promote")
    assert left.status == "running"
    assert "reads back what happened" in left.message
    assert recover() == [left]
    left.refresh_from_db()
    assert left.status == "succeeded"
    assert live_number(target) > before
    # Roll back goes one generation back, and not two.
    live = StoredGeneration.live_in(target)
    assert live is not None
    assert live.previous is not None
    assert live.previous.number == before


def test_a_switch_that_was_not_applied_is_given_up_and_prepared_anew(
    people: People, ready: Promotion, no_answer: Callable[[bool], None]
) -> None:
    target, before = ready.environment, live_number(ready.environment)
    no_answer(False)
    with pytest.raises(OutcomeUnknown):
        click(people, ready)
    [left] = recover()
    left.refresh_from_db()
    assert left.status == "errored"
    assert live_number(target) == before
    assert current_preparation(target) is None
    assert ready.build is not None
    again = prepare(ready.build, target)
    assert finish(click(people, again)).status == "succeeded"
    assert "new" in served(target, "segment")


def test_a_defect_after_the_switch_of_a_rollback_deletes_nothing_that_is_live(
    people: People, ship: Ship, adopted: Environment, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("segment", "new", '{"name": "New"}')
    ship()
    # The way back has to rebuild an index: the kept one was edited.
    live = StoredGeneration.live_in(adopted)
    assert live is not None
    assert live.previous is not None
    kept = live.previous.generation.resources["segment"].index
    writer = writer_for(adopted)
    writer.unblock([kept])
    writer.connection.request("PUT", f"/{kept}/_doc/by-hand", body={"name": "By hand"})
    real = going_live.record_live

    def broken(*_arguments: Any) -> None:
        monkeypatch.setattr(going_live, "record_live", real)
        raise OperationalError("database is locked")

    monkeypatch.setattr(going_live, "record_live", broken)
    with pytest.raises(OperationalError):
        rollback(people.admin, adopted, marker=live.marker)
    assert served(adopted, "segment").keys().isdisjoint({"new", "by-hand"})
    [left] = recover()
    left.refresh_from_db()
    assert left.status == "succeeded"
    assert served(adopted, "segment").keys().isdisjoint({"new", "by-hand"})


def test_an_adoption_that_switched_without_an_answer_loses_no_write(
    people: People, production: Environment, no_answer: Callable[[bool], None], engine: Connection
) -> None:
    no_answer(True)
    with pytest.raises(OutcomeUnknown):
        run_adopt(adopt(people.admin, production))
    left = Promotion.objects.get(kind="adopt")
    assert left.status == "running"
    assert StoredGeneration.live_in(production) is None
    assert recover() == [left]
    left.refresh_from_db()
    assert left.status == "succeeded"
    unlock(people.admin, production, "An edit by hand")
    index = production.naming.concrete("segment")
    engine.request("PUT", f"/{index}/_doc/after", body={"name": "After"})
    assert "after" in served(production, "segment")


def test_an_adoption_that_did_not_switch_is_given_up(
    people: People, production: Environment, no_answer: Callable[[bool], None], engine: Connection
) -> None:
    no_answer(False)
    with pytest.raises(OutcomeUnknown):
        run_adopt(adopt(people.admin, production))
    [left] = recover()
    left.refresh_from_db()
    assert left.status == "errored"
    engine.request("PUT", f"/{production.naming.concrete('segment')}/_doc/a", body={"name": "A"})
    assert "a" in served(production, "segment")
    assert run_adopt(adopt(people.admin, production)).status == "succeeded"


def test_a_release_that_broke_after_handing_over_goes_on_to_its_end(
    people: People, adopted: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = release_engine.open_up

    def broken(*_arguments: Any) -> None:
        monkeypatch.setattr(release_engine, "open_up", real)
        raise OutcomeUnknown("No answer came.")

    monkeypatch.setattr(release_engine, "open_up", broken)
    with pytest.raises(OutcomeUnknown):
        run_release(request_release(people.admin, adopted))
    left = Promotion.objects.get(kind="release")
    with pytest.raises(RuleBroken, match="cannot be cancelled"):
        cancel(people.admin, left)
    assert recover() == [left]
    left.refresh_from_db()
    assert left.status == "succeeded"
    writer, naming = writer_for(adopted), adopted.naming
    states = indices_of(writer, adopted)
    assert not [name for name in states if "-g0" in name]
    assert not any(state.write_blocked for state in states.values())
    templates = writer.connection.request("GET", "/_index_template")["index_templates"]
    assert template_name(naming, "flow") not in {found["name"] for found in templates}


def test_the_claim_of_one_that_died_runs_out(
    people: People, ready: Promotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(writer_for(ready.environment), ready.environment, "died").stop()
    with pytest.raises(LeaseHeld):
        click(people, ready)
    with pytest.raises(LeaseHeld):
        click(people, ready)
    monkeypatch.setattr(claims, "clock", lambda: time.monotonic() + 31)
    # The worker frees it, so that no click has to wait for its own sighting.
    assert recover() == []
    monkeypatch.undo()
    assert finish(click(people, ready)).status == "succeeded"


def test_what_switches_cannot_be_cancelled(
    people: People, ready: Promotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, said = ClusterWriter.switch, []

    def switch(self: ClusterWriter, actions: Sequence[AliasAction]) -> None:
        with pytest.raises(RuleBroken) as error:
            cancel(people.admin, Promotion.objects.get(kind="promote"))
        said.append(str(error.value))
        real(self, actions)

    monkeypatch.setattr(ClusterWriter, "switch", switch)
    assert finish(click(people, ready)).status == "succeeded"
    assert "cannot be cancelled" in said[0]
