"""What reconcile finds open, edited, half-made or not to be proved."""

import pytest

from environments.elastic import Connection
from environments.models import Environment
from promotion.engine.errors import RuleBroken
from promotion.locking import lock, unlock
from promotion.lost import check
from promotion.models import StoredGeneration, Unlocking
from promotion.planning import look, writer_for
from promotion.preparing import prepare
from promotion.reconciling import reconcile, run_reconcile
from promotion.rollback import rollback
from promotion.writer import ClusterWriter
from tests.backups import Backups
from tests.factories import (
    People,
    approved,
    edit_past_the_block,
    served,
)
from tests.promotion.conftest import Put, Ship
from tests.promotion.lost import (
    check_agreement,
    check_main_job,
    live_in,
    reconciled,
    run,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_environment_that_is_open_is_never_taken_for_locked(
    backups: Backups, people: People, adopted: Environment, engine: Connection
) -> None:
    older = backups.take()
    unlock(people.admin, adopted, "An urgent edit")
    newer = backups.take()
    backups.restore(older)
    assert Unlocking.of(adopted) is None
    found = check(writer_for(adopted), adopted)
    assert found is not None
    assert found.code == "lost-lock"
    ended = reconciled(people, adopted)
    assert "open to edits by hand" in ended.message
    unlocking = Unlocking.of(adopted)
    assert unlocking is not None
    assert "reconcile" in unlocking.reason
    check_agreement(people, adopted)
    lock(people.admin, adopted)

    backups.restore(newer)
    assert Unlocking.of(adopted) is not None
    assert "is locked" in reconciled(people, adopted).message
    assert Unlocking.of(adopted) is None
    check_agreement(people, adopted)


def test_what_was_edited_by_hand_meanwhile_is_said_and_not_called_proved(
    backups: Backups,
    ship: Ship,
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
    writer: ClusterWriter,
) -> None:
    put("segment", "one", "{}")
    ship()
    older = backups.take()
    put("segment", "two", "{}")
    ship()
    index = live_in(adopted).generation.resources["segment"].index
    edit_past_the_block(writer, index, "by-hand", b'{"name": "By hand"}')
    backups.restore(older)
    ended = reconciled(people, adopted)
    assert "edited by hand since: segment" in ended.message
    assert "is lost" in ended.message
    live = live_in(adopted)
    # What is there now is what can be gone back to: its content is kept.
    assert look(writer, adopted).generation.resources["segment"].tree == (
        live.generation.resources["segment"].tree
    )
    assert look(writer, adopted).drifted == ("segment",)
    check_agreement(people, adopted)
    check_main_job(people, staging, adopted)
    assert "by-hand" in served(adopted, "segment")


def test_a_way_back_that_was_edited_and_is_not_known_is_none(
    backups: Backups,
    ship: Ship,
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
    writer: ClusterWriter,
) -> None:
    older = backups.take()
    for name in ("one", "two"):
        put("segment", name, "{}")
        ship()
    previous = live_in(adopted).previous
    assert previous is not None
    index = previous.generation.resources["segment"].index
    edit_past_the_block(writer, index, "by-hand", b"{}")
    backups.restore(older)
    ended = reconciled(people, adopted)
    assert f"Not to be proved: Generation {previous.number}" in ended.message
    assert "no generation to roll back to" in ended.message
    with pytest.raises(RuleBroken, match="no earlier generation"):
        rollback(people.admin, adopted, marker=live_in(adopted).marker)
    check_agreement(people, adopted)
    check_main_job(people, staging, adopted)


def test_a_generation_without_its_marker_is_refused_and_nothing_is_recorded(
    people: People, adopted: Environment, writer: ClusterWriter
) -> None:
    live = live_in(adopted)
    writer.delete([live.marker])
    found = check(writer, adopted)
    assert found is not None
    assert found.code == "lost-marker"
    begun = reconcile(people.admin, adopted)
    assert begun is not None
    with pytest.raises(RuleBroken, match="no marker says which"):
        run_reconcile(begun)
    begun.refresh_from_db()
    assert begun.status == "failed"
    assert live_in(adopted) == live


def test_a_live_marker_that_says_what_cannot_be_is_refused(
    backups: Backups, people: People, adopted: Environment, writer: ClusterWriter
) -> None:
    live = live_in(adopted)
    facts = writer.marker(live.marker)
    assert facts is not None
    # Such as one that names what is never to be read or removed.
    facts["resources"]["flow"]["index"] = adopted.naming.concrete("user")
    writer.connection.request("PUT", f"/{live.marker}/_doc/facts", body=facts)
    StoredGeneration.objects.all().delete()
    begun = reconcile(people.admin, adopted)
    assert begun is not None
    with pytest.raises(RuleBroken, match="nothing that can be true"):
        run_reconcile(begun)
    assert StoredGeneration.live_in(adopted) is None


def test_leftovers_are_listed_and_removed_only_when_asked_and_never_a_living_attempts(
    backups: Backups,
    ship: Ship,
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
    writer: ClusterWriter,
) -> None:
    older = backups.take()
    put("segment", "given-up", "{}")
    dead = prepare(approved(people, staging), adopted)
    assert dead.made is not None
    backups.restore(older)
    put("segment", "shipped", "{}")
    ship()
    put("segment", "next", "{}")
    living = prepare(approved(people, staging), adopted)
    assert living.made is not None
    backups.restore(older)
    gone = {dead.made.marker, dead.made.resources["segment"].index}
    stays = {living.made.marker, living.made.resources["segment"].index}

    code, told = run("reconcile", "production", "--as", "administrator")
    assert code == 0
    assert set(told["leftovers"]) == gone
    assert set(told["doubtful"]) == stays
    patterns = [*adopted.naming.search_patterns(), adopted.naming.marker_pattern]
    before = set(writer.states(patterns))
    assert gone | stays <= before

    code, told = run("reconcile", "production", "--clean", "--as", "administrator")
    assert code == 0
    assert told["leftovers"] == []
    assert set(writer.states(patterns)) == before - gone
    code, told = run("reconcile", "production", "--clean", "--as", "administrator")
    assert (code, told["promotion"]) == (0, None)
    check_agreement(people, adopted)
    check_main_job(people, staging, adopted)
