"""A process is killed at every moment of every kind of work; the next worker goes on or undoes."""

from pathlib import Path

import pytest
from django.urls import reverse
from django.utils.html import escape

from promotion.models import Promotion
from tests.alike import some
from tests.factories import enter
from tests.faults.killing import die_at, record
from tests.faults.points import POINTS
from tests.faults.scenes import SCENES
from tests.faults.world import World

pytestmark = pytest.mark.django_db
EVERY = [(scene, moment) for scene, moments in POINTS.items() for moment in moments]


@pytest.mark.parametrize("name", SCENES)
def test_every_moment_has_a_kill_point(world: World, name: str) -> None:
    scene = SCENES[name]
    before = scene.arrange(world)
    assert tuple(record(lambda: scene.act(world, before))) == POINTS[name]
    world.next_worker()
    world.check()
    scene.settle(world, before)


# Each run kills each kind of work after each kind of request that changes the cluster.
@pytest.mark.parametrize(
    ("name", "moment"),
    some(EVERY, lambda _place, case: case[1].endswith("sent")),
    ids=[f"{s}: {m}" for s, m in EVERY],
)
def test_what_a_killed_process_left_is_gone_on_with_or_undone(
    world: World, plain_static_files: None, name: str, moment: str, tmp_path: Path
) -> None:
    scene = SCENES[name]
    before = scene.arrange(world)
    die_at(moment, lambda: scene.act(world, before), tmp_path / "errors")
    world.next_worker()
    world.check()
    scene.settle(world, before)
    _says_what_happened(world)


def _says_what_happened(world: World) -> None:
    """The newest promotion's page tells its end in words."""
    newest = Promotion.objects.filter(environment=world.production).first()
    assert newest is not None
    client = enter(world.people.admin.user)
    page = client.get(
        reverse("promotion:promotion", args=[newest.pk]), secure=True
    ).content.decode()
    assert newest.status in page
    assert escape(newest.message) in page
