"""An empty database, other consoles, and who may reconcile, by command and page."""

import pytest
from django.core.management import call_command
from django.urls import reverse

from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from environments.models import Cluster, Environment
from promotion import claim as claims
from promotion.claim import claim
from promotion.engine.errors import LeaseHeld
from promotion.lost import check, look_around
from promotion.models import Build, LostState, Promotion, Review
from promotion.planning import writer_for
from promotion.reconciling import reconcile, run_reconcile
from promotion.services import capture
from promotion.writer import ClusterWriter
from tests.backups import Backups
from tests.factories import (
    People,
    enter,
    make_people,
    served,
)
from tests.promotion.conftest import Put, Ship
from tests.promotion.lost import (
    back,
    check_agreement,
    check_main_job,
    live_in,
    reconciled,
    run,
    set_up,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_empty_database(
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
    now, expected = served(adopted, "segment"), live_in(adopted)
    assert expected.previous is not None
    backups.lose()
    production, fed = set_up(adopted, staging)
    anew = make_people(fed, production)
    look_around()
    lost = LostState.of(production)
    assert lost is not None
    assert "not adopted" in lost.message

    code, told = run("reconcile", "production", "--as", "administrator")
    assert code == 0, told
    assert told["promotion_status"] == "succeeded"
    assert LostState.of(production) is None
    live = live_in(production)
    assert live.generation == expected.generation
    assert live.previous is not None
    assert live.previous.marker == expected.previous.marker
    builds = Build.objects.filter(environment=production)
    assert {build.kind for build in builds} == {"found"}
    assert not Review.objects.exists()
    assert AuditEvent.objects.filter(action="reconcile.recorded").exists()
    check_agreement(anew, production)
    assert back(anew, production).status == "succeeded"
    assert served(production, "segment").keys() == now.keys() - {"two"}
    check_main_job(anew, fed, production)


def test_two_consoles_with_databases_of_their_own(
    backups: Backups,
    ship: Ship,
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
) -> None:
    put("segment", "first", "{}")
    ship()
    first = backups.take()
    backups.lose()
    production, fed = set_up(adopted, staging)
    second_people = make_people(fed, production)
    reconciled(second_people, production)
    check_main_job(second_people, fed, production)
    second = backups.take()

    # The first sees that it is not alone, takes over what it finds, and goes on.
    backups.restore(first)
    assert check(writer_for(adopted), adopted) is not None
    reconciled(people, adopted)
    check_agreement(people, adopted)
    check_main_job(people, staging, adopted)

    backups.restore(second)
    assert check(writer_for(production), production) is not None
    reconciled(second_people, production)
    check_agreement(second_people, production)
    check_main_job(second_people, fed, production)


def test_a_living_console_is_respected_and_a_dead_ones_claim_is_taken_over(
    backups: Backups,
    ship: Ship,
    people: People,
    adopted: Environment,
    put: Put,
    writer: ClusterWriter,
    quick: None,
) -> None:
    older = backups.take()
    put("segment", "one", "{}")
    ship()
    backups.restore(older)
    other = claim(writer, adopted, "another-console")
    try:
        begun = reconcile(people.admin, adopted)
        assert begun is not None
        with pytest.raises(LeaseHeld):
            run_reconcile(begun)
    finally:
        other.stop()
    begun.refresh_from_db()
    assert begun.status == "failed"
    assert live_in(adopted).previous is None
    # It died: its claim stands still, and is over after a lease time.
    claims._seen.clear()
    reconciled(people, adopted)
    check_agreement(people, adopted)


def test_the_finding_does_not_cry_wolf_while_somebody_works(
    people: People, adopted: Environment, writer: ClusterWriter
) -> None:
    held = claim(writer, adopted, "another-console")
    try:
        writer.unblock([live_in(adopted).generation.resources["segment"].index])
        assert check(writer, adopted) is None
    finally:
        held.give_back()
    found = check(writer, adopted)
    assert found is not None
    assert found.code == "lost-lock"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("production", "--as", "administrator"), 0),
        (("production", "--as", "qa"), 3),
        (("staging", "--as", "administrator"), 3),
        (("nowhere", "--as", "administrator"), 2),
    ],
)
def test_the_command_and_its_exit_codes(
    people: People, staging: Environment, production: Environment, words: tuple[str, ...], code: int
) -> None:
    ended, told = run("reconcile", *words)
    assert ended == code
    assert told["message"]
    assert not Promotion.objects.exists()
    if code == 0:
        assert "not adopted" in told["message"]


def test_a_cluster_that_does_not_answer_is_an_error_and_changes_nothing(
    people: People, adopted: Environment
) -> None:
    Cluster.objects.update(url="http://127.0.0.1:9")
    ended, told = run("reconcile", "production", "--as", "administrator")
    assert (ended, told["status"]) == (1, "errored")
    assert live_in(adopted)


def test_only_the_administrator_may(people: People, adopted: Environment) -> None:
    for actor in (people.qa, people.marketing):
        with pytest.raises(NotAllowedError):
            reconcile(actor, adopted)
    refused = AuditEvent.objects.filter(action="reconcile.requested", outcome="refused")
    assert refused.count() == 2


def test_the_page_shows_what_was_found_and_the_worker_records_it(
    backups: Backups,
    ship: Ship,
    people: People,
    staging: Environment,
    adopted: Environment,
    put: Put,
    plain_static_files: None,
) -> None:
    put("segment", "one", "{}")
    ship()
    older = backups.take()
    put("segment", "two", "{}")
    ship()
    newest = live_in(adopted)
    backups.restore(older)
    look_around()
    client = enter(people.admin.user)

    def get(name: str, *args: object) -> str:
        return client.get(reverse(name, args=args), secure=True).content.decode()

    page_url = reverse("promotion:reconcile", args=[adopted.slug])
    for text in (get("admin:index"), get("promotion:environment", adopted.slug)):
        assert f"serves generation {newest.number}" in text
        assert page_url in text
    text = get("promotion:reconcile", adopted.slug)
    assert f"generation {newest.number}" in text
    assert "claims no success that it cannot prove" in text
    stale = client.post(page_url, {"marker": "x", "agree": "on"}, secure=True)
    assert stale.status_code == 302
    assert not Promotion.objects.filter(kind="reconcile").exists()
    answer = client.post(page_url, {"marker": newest.marker, "agree": "on"}, secure=True)
    made = Promotion.objects.get(kind="reconcile")
    assert answer["Location"] == reverse("promotion:promotion", args=[made.pk])
    call_command("db_worker", batch=True, interval=0, startup_delay=False, verbosity=0)
    made.refresh_from_db()
    assert made.status == "succeeded", made.message
    assert live_in(adopted).marker == newest.marker
    assert "Reconcile…" not in get("promotion:environment", adopted.slug)
    assert "found" in get("promotion:environment", adopted.slug)
    assert "There is nothing to record" in get("promotion:reconcile", adopted.slug)
    assert capture(people.qa, staging).number
