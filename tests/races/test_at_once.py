"""Two at once: clicks, verdicts, captures, workers. One wins, the other is told."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.authorising import authorise
from accounts.models import AuditEvent
from promotion import locking, promotions, rollback, services
from promotion.beginning import RUNNING_ALREADY
from promotion.engine.errors import OutcomeUnknown, PromotionError, RuleBroken
from promotion.live import finish
from promotion.models import Build, Promotion, Review, StoredGeneration, Unlocking
from promotion.preparing import request_preparation
from promotion.recovery import recover
from promotion.services import capture, review
from promotion.tasks import finish_promotion, prepare_build
from tests.factories import enter
from tests.faults.proxy import Fault, Proxy
from tests.faults.scenes import last
from tests.faults.world import Content, World
from tests.races.at_once import Meeting, at_once, ended, process

pytestmark = pytest.mark.django_db


def browser(world: World) -> Client:
    """Return a browser in which the administrator signed in."""
    return enter(world.people.admin.user)


@pytest.mark.parametrize("where", ["as they come", "past every check"])
def test_of_two_clicks_on_promote_one_promotes(
    world: World,
    old: Content,
    plain_static_files: None,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    ready = world.prepared()
    assert ready.build is not None
    address = reverse("promotion:promote", args=[ready.build.environment.slug, ready.build.number])
    if where == "past every check":
        meeting = Meeting(promotions.promote_problem)
        monkeypatch.setattr(promotions, "promote_problem", meeting)
    first, second = browser(world), browser(world)
    earlier = AuditEvent.objects.filter(outcome="refused").count()
    answers = at_once(
        *(
            lambda client=client: client.post(address, {"plan": ready.plan_digest}, secure=True)
            for client in (first, second)
        )
    )
    world.work()
    (made,) = Promotion.objects.filter(kind="promote", prepared=ready)
    assert made.status == "succeeded"
    page = reverse("promotion:promotion", args=[made.pk])
    assert [answer.headers.get("Location") for answer in answers].count(page) == 1
    refused = AuditEvent.objects.filter(outcome="refused")
    if where == "past every check":
        assert refused.count() == earlier + 1
        assert refused.latest("pk").reason == RUNNING_ALREADY
    assert world.served() == world.staged() != old


def test_two_clicks_on_roll_back_go_one_generation_back_and_not_two(
    world: World, old: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.promoted()
    before = world.served()
    world.promoted()
    monkeypatch.setattr(rollback, "authorise", Meeting(authorise))
    answers = at_once(world.roll_back, world.roll_back)
    (made,) = (one for one in answers if isinstance(one, Promotion))
    (refused,) = (one for one in answers if isinstance(one, RuleBroken))
    assert "running" in str(refused)
    assert finish(made).status == "succeeded"
    assert world.served() == before != old


def test_of_promote_and_roll_back_at_once_one_happens(
    world: World, old: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.promoted()
    ready, new = world.prepared(), world.staged()
    meeting = Meeting(authorise)
    monkeypatch.setattr(rollback, "authorise", meeting)
    monkeypatch.setattr(promotions, "authorise", meeting)
    answers = at_once(lambda: world.promote(ready), world.roll_back)
    (made,) = (one for one in answers if isinstance(one, Promotion))
    assert finish(made).status == "succeeded"
    assert world.served() == (new if made.kind == "promote" else old)
    world.work()


@pytest.mark.parametrize("where", ["as they come", "past every check"])
def test_of_two_verdicts_at_once_one_stands(
    world: World, old: Content, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    world.promoted()
    people = world.people
    world.touch()
    build = capture(people.qa, world.staging)
    if where == "past every check":
        monkeypatch.setattr(services, "_review_problem", Meeting(services._review_problem))
    answers = at_once(
        lambda: review(people.qa, build, Review.Verdict.APPROVED, content=build.content),
        lambda: review(
            people.qa, build, Review.Verdict.REJECTED, content=build.content, comment="No."
        ),
    )
    (stands,) = (one for one in answers if isinstance(one, Review))
    (refused,) = (one for one in answers if isinstance(one, RuleBroken))
    assert Review.objects.get(content=build.content).verdict == stands.verdict
    assert "Your verdict was not kept" in str(refused)
    queued = Promotion.objects.filter(kind="prepare", build=build).count()
    assert queued == (1 if stands.verdict == Review.Verdict.APPROVED else 0)


def test_captures_at_once_take_different_numbers_and_share_their_content(
    world: World, old: Content
) -> None:
    world.touch()
    people = world.people
    made = at_once(*[lambda: capture(people.qa, world.staging)] * 3)
    assert all(isinstance(one, Build) for one in made), made
    assert len({build.number for build in made}) == 3
    assert len({build.exact for build in made}) == 1
    first = min(made, key=lambda build: build.number)
    assert {build.same_as for build in made if build != first} == {first}


def test_prepare_it_clicked_twice_is_prepared_once(world: World, old: Content) -> None:
    world.promoted()
    build = world.approved()
    Promotion.objects.filter(kind="prepare", build=build).update(status="errored")
    admin = world.people.admin
    answers = at_once(
        *[lambda: request_preparation(build, world.production, admin)] * 3,
    )
    assert sum(isinstance(one, Promotion) for one in answers) == 1
    assert Promotion.objects.filter(kind="prepare", build=build, status="pending").count() == 1


@pytest.mark.parametrize("act", ["unlock", "lock"])
def test_a_promotion_that_goes_live_under_lock_or_unlock_is_locked_or_open_as_it_says(
    world: World, old: Content, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    due = [world.prepared()]
    if act == "lock":
        world.unlocked()
    real = locking._quiet_live

    def look(*words: Any) -> StoredGeneration:
        live = real(*words)
        while due:
            finish(world.promote(due.pop()))
        return live

    monkeypatch.setattr(locking, "_quiet_live", look)
    if act == "lock":
        locking.lock(world.people.admin, world.production)
    else:
        world.unlocked()
    # That the blocks are as the console says is checked behind each test.
    assert (Unlocking.of(world.production) is None) == (act == "lock")
    assert world.served() == world.staged() != old


def two_workers() -> None:
    """Let two processes work the queue off at once."""
    words = ("db_worker", "--batch", "--interval=0", "--no-startup-delay")
    for code, _out, err in [ended(one) for one in [process(*words), process(*words)]]:
        assert code == 0, err


def test_two_workers_on_one_queue_do_each_piece_of_work_once(world: World, old: Content) -> None:
    build = world.approved()
    (due,) = Promotion.objects.filter(kind="prepare", build=build)
    # Recovery hands over again what nobody began in time: the two may then have it at once.
    for _ in range(3):
        prepare_build.enqueue(due.pk)
    two_workers()
    due.refresh_from_db()
    assert due.status == "succeeded", due.message
    names = list(due.steps.values_list("name", flat=True))
    assert names == ["look", "check", "plan", "copy"]
    made = world.promote(due)
    for _ in range(4):
        finish_promotion.enqueue(made.pk)
    two_workers()
    made.refresh_from_db()
    assert made.status == "succeeded", made.message
    assert not made.steps.filter(status="running").exists()
    assert world.served() == world.staged() != old


def test_two_workers_verify_one_promotion_and_it_ends_once(world: World, old: Content) -> None:
    made = world.switched()

    def verify() -> Any:
        return finish(Promotion.objects.get(pk=made.pk))

    at_once(verify, verify, verify)
    made.refresh_from_db()
    assert made.status == "succeeded", made.message
    ends = AuditEvent.objects.filter(action="promote.succeeded", object_id=str(made.pk))
    assert ends.count() == 1
    assert world.served() == world.staged() != old


@pytest.mark.parametrize("applied", [True, False])
def test_two_workers_take_one_promotion_over_and_agree(
    world: World, old: Content, proxy: Proxy, applied: bool
) -> None:
    ready = world.prepared()
    aliases = r"POST /_aliases"
    lost = Fault(aliases, after=lambda _answer: None) if applied else Fault(aliases, refused=True)
    with proxy.failing(lost), pytest.raises(OutcomeUnknown):
        world.promote(ready)
    for answer in at_once(recover, recover):
        assert not isinstance(answer, PromotionError)
    made = last(world, "promote")
    assert made.status == ("succeeded" if applied else "errored"), made.message
    assert world.served() == (world.staged() if applied else old)
    live = StoredGeneration.live_in(world.production)
    assert live is not None
    assert (live.promotion == made) == applied
    world.work()
