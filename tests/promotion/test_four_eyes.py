"""Who approved a build as QA does not promote it, also not as the administrator they became."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse

from accounts.audit import Actor, command_actor, system_actor
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.services import create_user, grant, sync_roles
from environments.models import Environment
from promotion.batch_choices import candidate
from promotion.batches import Choice, run_batch, start_batch
from promotion.engine.errors import RuleBroken
from promotion.live import finish
from promotion.models import Build, Promotion, Review
from promotion.preparing import prepare
from promotion.promotions import promote, still_allowed
from promotion.services import capture, review
from tests.factories import People, approved, enter, served
from tests.promotion.conftest import Put

pytestmark = pytest.mark.django_db
WORDS = "who approved a build does not promote it"


@pytest.fixture
def build(people: People, staging: Environment, adopted: Environment, put: Put) -> Build:
    """A build that QA approved, ready to go live."""
    put("segment", "new", '{"name": "New"}')
    made = approved(people, staging)
    prepare(made, adopted)
    return made


def hand_over(people: People) -> Actor:
    """Let QA be the administrator, and the administrator QA, and return who it is now."""
    assert people.admin.user is not None
    assert people.qa.user is not None
    User.objects.filter(pk=people.admin.user.pk).update(role=Role.QA.value)
    User.objects.filter(pk=people.qa.user.pk).update(role=Role.ADMINISTRATOR.value)
    sync_roles()
    return command_actor(User.objects.get(pk=people.qa.user.pk))


def plan_of(build: Build) -> str:
    return Promotion.objects.get(kind="prepare", build=build, status="succeeded").plan_digest


def test_nobody_promotes_on_their_own_approval_after_they_became_the_administrator(
    people: People, adopted: Environment, build: Build
) -> None:
    actor = hand_over(people)
    with pytest.raises(RuleBroken, match=f"{WORDS}.*Nothing was changed"):
        promote(actor, build, adopted, plan_digest=plan_of(build))
    # Nor where the role changes between the click and the switch.
    with pytest.raises(RuleBroken, match=f"{WORDS}.*Nothing was switched"):
        still_allowed(actor, build, adopted)
    event = AuditEvent.objects.get(action="promote.requested", outcome="refused")
    assert WORDS in event.reason
    assert not Promotion.objects.filter(kind="promote").exists()
    assert "new" not in served(adopted, "segment")


def test_equal_content_captured_anew_does_not_get_around_it(
    people: People, staging: Environment, adopted: Environment, build: Build
) -> None:
    actor = hand_over(people)
    again = capture(actor, staging)
    assert again.same_as == build
    with pytest.raises(RuleBroken, match=WORDS):
        promote(actor, again, adopted, plan_digest=plan_of(build))


# A batch works in threads of its own.
@pytest.mark.django_db(transaction=True)
def test_neither_a_batch_nor_a_command_gets_around_it(
    people: People, adopted: Environment, build: Build
) -> None:
    actor = hand_over(people)
    assert WORDS in candidate(actor, adopted).state.reason
    batch = start_batch(actor, [Choice(build, adopted)], parallel=1)
    run_batch(batch, batch.run, actor)
    [item] = batch.items.all()
    assert (item.status, WORDS in item.message) == ("refused", True)
    out = StringIO()
    words = ("promote", "staging:1", "production", "--as", "qa", "--json")
    with pytest.raises(SystemExit) as end:
        call_command(*words, stdout=out)
    assert (end.value.code, WORDS in json.loads(out.getvalue())["message"]) == (3, True)
    assert not Promotion.objects.filter(kind="promote").exists()


def test_the_page_says_why_not_and_refuses_the_click(
    people: People, adopted: Environment, build: Build, plain_static_files: None
) -> None:
    client = enter(hand_over(people).user)
    page = client.get(reverse("promotion:build", args=["staging", 1]), secure=True)
    text = page.content.decode()
    assert "Promote to production" in text
    assert WORDS in text
    address = reverse("promotion:promote", args=["staging", 1])
    assert WORDS in client.get(address, secure=True).content.decode()
    answer = client.post(address, {"plan": plan_of(build)}, secure=True)
    assert answer.status_code == 409
    assert not Promotion.objects.filter(kind="promote").exists()


def test_what_somebody_else_approved_goes_live(
    people: People, staging: Environment, adopted: Environment, build: Build, put: Put
) -> None:
    actor = hand_over(people)
    other = create_user(
        system_actor(), username="qa2", role=Role.QA, password="a long enough phrase 7"
    )
    grant(system_actor(), other, staging)
    put("segment", "newer", '{"name": "Newer"}')
    later = capture(command_actor(other), staging)
    review(command_actor(other), later, Review.Verdict.APPROVED, content=later.content)
    ready = prepare(later, adopted)
    finish(promote(actor, later, adopted, plan_digest=ready.plan_digest))
    assert {"new", "newer"} <= set(served(adopted, "segment"))
