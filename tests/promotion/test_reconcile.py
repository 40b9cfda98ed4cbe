"""The console's database is restored from an older backup; the cluster went on."""

import pytest
from pytest_django import Settings

from environments.models import Environment
from promotion.adoption import adopt, run_adopt
from promotion.cleaning import clean_up
from promotion.engine.errors import RuleBroken
from promotion.live import finish
from promotion.locking import unlock
from promotion.lost import check
from promotion.models import Build, Promotion, StoredGeneration, Unlocking
from promotion.planning import writer_for
from promotion.preparing import prepare
from promotion.promotions import promote
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


def test_after_promotions_that_the_backup_does_not_know(
    backups: Backups,
    ship: Ship,
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
) -> None:
    put("segment", "one", '{"name": "One"}')
    ship()
    older = backups.take()
    for name in ("two", "three"):
        put("segment", name, "{}")
        ship()
    served_now, newest = served(adopted, "segment"), live_in(adopted)
    known_before = live_in(adopted).previous
    assert known_before is not None
    backups.restore(older)
    assert live_in(adopted).number < newest.number

    writer = writer_for(adopted)
    found = check(writer, adopted)
    assert found is not None
    assert found.code == "lost-generation"
    with pytest.raises(RuleBroken, match="reconcile"):
        prepare(Build.objects.get(environment=staging), adopted)

    with pytest.raises(RuleBroken, match="reconcile"):
        unlock(people.admin, adopted, "Of indices that are not live")
    assert Unlocking.of(adopted) is None

    ended = reconciled(people, adopted)
    live = live_in(adopted)
    assert (live.number, live.marker) == (newest.number, newest.marker)
    assert live.generation == newest.generation
    assert "not known here" in ended.message
    # Nobody approved it, as far as this database knows; what it does know is said.
    assert "nobody approved" in ended.message
    assert live.build.kind == Build.Kind.FOUND
    assert live.build.review is None
    assert ended.live_at is None
    assert live.previous is not None
    assert live.previous.marker == known_before.marker
    # Whose database did not hold them, they were read from the cluster.
    assert served(adopted, "segment") == served_now
    check_agreement(people, adopted)
    assert back(people, adopted).status == "succeeded"
    assert served(adopted, "segment").keys() == served_now.keys() - {"three"}
    check_main_job(people, staging, adopted)


def test_content_that_qa_approved_before_the_backup_counts_as_approved(
    backups: Backups,
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
) -> None:
    put("segment", "one", '{"name": "One"}')
    build = approved(people, staging)
    ready = prepare(build, adopted)
    older = backups.take()
    finish(promote(people.admin, build, adopted, plan_digest=ready.plan_digest))
    marker = live_in(adopted).marker
    backups.restore(older)
    # Its preparation's marker is live, and it never was promoted as far as the backup knows.
    ended = reconciled(people, adopted)
    live = live_in(adopted)
    assert (live.marker, live.build) == (marker, build)
    assert "which QA approved" in ended.message
    assert Promotion.objects.get(pk=ready.pk).fate == Promotion.Fate.SUPERSEDED
    assert not Promotion.objects.filter(kind="promote").exists()
    check_agreement(people, adopted)
    check_main_job(people, staging, adopted)


def test_after_a_rollback_the_way_back_is_what_the_marker_says(
    backups: Backups,
    ship: Ship,
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
) -> None:
    for name in ("one", "two"):
        put("segment", name, "{}")
        ship()
    older = backups.take()
    put("segment", "three", "{}")
    ship()
    back(people, adopted)
    expected = live_in(adopted)
    assert expected.previous is not None
    assert expected.restores is not None
    backups.restore(older)
    reconciled(people, adopted)
    live = live_in(adopted)
    assert live.marker == expected.marker
    assert live.previous is not None
    assert live.restores is not None
    assert live.previous.marker == expected.previous.marker
    assert live.restores.marker == expected.restores.marker
    check_agreement(people, adopted)
    # A second roll back goes further back, not forward.
    back(people, adopted)
    assert served(adopted, "segment").keys() & {"one", "two", "three"} == {"one"}
    check_main_job(people, staging, adopted)


def test_after_the_adoption(
    backups: Backups, people: People, staging: Environment, production: Environment
) -> None:
    older = backups.take()
    run_adopt(adopt(people.admin, production))
    backups.restore(older)
    with pytest.raises(RuleBroken, match="Reconcile it"):
        run_adopt(adopt(people.admin, production))
    assert StoredGeneration.live_in(production) is None
    ended = reconciled(people, production)
    assert live_in(production).previous is None
    assert "no generation to roll back to" in ended.message
    check_agreement(people, production)
    check_main_job(people, staging, production)


def test_after_a_release(
    backups: Backups,
    ship: Ship,
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
) -> None:
    put("segment", "one", "{}")
    ship()
    unlock(people.admin, adopted, "For a moment")
    older = backups.take()
    run_release(request_release(people.admin, adopted))
    plain = served(adopted, "segment")
    backups.restore(older)
    found = check(writer_for(adopted), adopted)
    assert found is not None
    assert found.code == "lost-release"
    ended = reconciled(people, adopted)
    assert "not adopted" in ended.message
    assert StoredGeneration.live_in(adopted) is None
    assert Unlocking.of(adopted) is None
    assert not StoredGeneration.objects.filter(is_kept=True).exists()
    assert served(adopted, "segment") == plain
    check_agreement(people, adopted)
    assert run_adopt(adopt(people.admin, adopted)).status == "succeeded"
    check_main_job(people, staging, adopted)


def test_after_a_release_and_another_adoption(
    backups: Backups, people: People, staging: Environment, adopted: Environment
) -> None:
    older = backups.take()
    run_release(request_release(people.admin, adopted))
    run_adopt(adopt(people.admin, adopted))
    expected = live_in(adopted)
    backups.restore(older)
    with pytest.raises(RuleBroken, match="did not record as live"):
        run_release(request_release(people.admin, adopted))
    reconciled(people, adopted)
    live = live_in(adopted)
    assert live.marker == expected.marker
    assert live.previous is None
    assert [row.number for row in StoredGeneration.objects.filter(is_kept=True)] == [live.number]
    check_agreement(people, adopted)
    check_main_job(people, staging, adopted)


def test_after_clean_up_removed_what_the_backup_believes_kept(
    backups: Backups,
    ship: Ship,
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
    settings: Settings,
) -> None:
    for name in ("one", "two"):
        put("segment", name, "{}")
        ship()
    older = backups.take()
    kept_then = set(StoredGeneration.objects.filter(is_kept=True).values_list("number", flat=True))
    settings.KEPT_GENERATIONS = 1
    clean_up(writer_for(adopted), adopted)
    backups.restore(older)
    found = check(writer_for(adopted), adopted)
    assert found is not None
    assert found.code == "lost-kept"
    reconciled(people, adopted)
    kept = set(StoredGeneration.objects.filter(is_kept=True).values_list("number", flat=True))
    assert kept < kept_then
    check_agreement(people, adopted)
    check_main_job(people, staging, adopted)


def test_clean_up_removes_nothing_while_the_database_does_not_know_what_is_live(
    backups: Backups,
    ship: Ship,
    people: People,
    adopted: Environment,
    put: Put,
    writer: ClusterWriter,
    settings: Settings,
) -> None:
    put("segment", "one", "{}")
    ship()
    older = backups.take()
    put("segment", "two", "{}")
    ship()
    backups.restore(older)
    patterns = [*adopted.naming.search_patterns(), adopted.naming.marker_pattern]
    before = set(writer.states(patterns))
    settings.KEPT_GENERATIONS = 1
    assert clean_up(writer, adopted) == []
    assert set(writer.states(patterns)) == before
