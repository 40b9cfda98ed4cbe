"""Two machines whose clocks differ by an hour, on one console's database."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from promotion.live import finish
from promotion.locking import lock
from promotion.models import StoredGeneration
from tests.alike import some
from tests.faults.killing import die_at, once
from tests.faults.scenes import last
from tests.faults.world import Content, World
from tests.races.at_once import ended, process

pytestmark = pytest.mark.django_db
OTHER = Path(__file__).with_name("other_machine.py")
LEASE_SECONDS, RENEW_SECONDS = 5.0, 0.5
HOURS = pytest.mark.parametrize("hours", some(["1", "-1"], lambda place, _hours: place == 0))


def other_machine(hours: str, patience: float) -> list[int]:
    """Let the other machine's worker look for a while, and return what it took over."""
    told = {
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "LEASE_RENEW_SECONDS": str(RENEW_SECONDS),
        "PYTHONPATH": ".",
    }
    code, out, err = ended(process(hours, str(patience), environment=told, script=OTHER))
    assert code == 0, err
    taken: list[int] = json.loads(out)
    return taken


@HOURS
def test_who_is_at_work_is_not_taken_over(
    world: World, old: Content, settings: Settings, hours: str
) -> None:
    settings.LEASE_SECONDS, settings.LEASE_RENEW_SECONDS = LEASE_SECONDS, RENEW_SECONDS
    ready = world.prepared()
    taken: list[list[int]] = []

    def look() -> None:
        taken.append(other_machine(hours, 2 * LEASE_SECONDS))

    with once("cutover begun", look):
        made = world.promote(ready)
    assert taken == [[]]
    assert finish(made).status == "succeeded"
    assert world.served() == world.staged() != old


@HOURS
def test_who_died_is_taken_over_after_a_lease_time_of_the_others_own(
    world: World, old: Content, hours: str, tmp_path: Path
) -> None:
    ready = world.prepared()
    die_at("cutover: aliases sent", lambda: world.promote(ready), tmp_path / "errors")
    made = last(world, "promote")
    assert other_machine(hours, 8 * LEASE_SECONDS) == [made.pk]
    made.refresh_from_db()
    assert made.status == "succeeded", made.message
    assert world.served() == world.staged() != old


@HOURS
def test_what_was_edited_by_hand_is_offered_to_be_discarded_whoever_closed_it(
    world: World, old: Content, monkeypatch: pytest.MonkeyPatch, hours: str
) -> None:
    world.promoted()
    world.unlocked()
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(hours=int(hours)))
    lock(world.people.admin, world.production)
    live = StoredGeneration.live_in(world.production)
    assert live is not None
    assert live.may_be_edited
