"""The page that confirms a promotion, on the real engine: what it says, and a plan that moved."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from environments.documents import parse
from environments.elastic import connect
from environments.models import Environment
from promotion.models import Build, Promotion, Review
from promotion.preparing import prepare
from promotion.rehearsing import request_rehearsal, run_rehearsal
from promotion.services import capture, review
from tests.factories import People, approved, enter, served
from tests.promotion.conftest import Put, Ship

pytestmark = pytest.mark.django_db


@pytest.fixture
def build(people: People, staging: Environment, adopted: Environment, put: Put) -> Build:
    """An approved build that renames a rule and adds a segment."""
    doc_id, raw = sorted(served(staging, "rule").items())[0]
    put("rule", doc_id, json.dumps({**parse(raw), "name": "Edited <rule>"}))
    put("segment", "new", json.dumps({"id": "new", "name": "A new segment"}))
    return approved(people, staging)


@pytest.fixture
def client(people: People, plain_static_files: None) -> Client:
    """The administrator's browser."""
    assert people.admin.user is not None
    return enter(people.admin.user)


def address(build: Build) -> str:
    return reverse("promotion:promote", args=[build.environment.slug, build.number])


def text_of(answer: Any) -> str:
    text: str = answer.content.decode()
    return text


def test_it_says_what_changes_in_words_and_what_does_not(
    build: Build, adopted: Environment, client: Client
) -> None:
    ready = prepare(build, adopted)
    text = text_of(client.get(address(build), secure=True))
    assert "Edited &lt;rule&gt;" in text
    assert "renamed from" in text
    assert "A new segment" in text
    assert "18 promoted resources with" in text
    assert "cannot be written at all" in text
    assert ready.plan_digest in text
    assert "What is deleted" not in text


def test_it_says_how_long_it_takes_by_the_last_rehearsal_of_the_same(
    build: Build, adopted: Environment, people: People, client: Client, put: Put
) -> None:
    rehearsal = run_rehearsal(request_rehearsal(people.admin, build, adopted))
    prepare(build, adopted)
    assert f"by {rehearsal}" in text_of(client.get(address(build), secure=True))


def test_a_plan_that_moved_is_refused_with_the_new_one_beside_it(
    build: Build,
    adopted: Environment,
    people: People,
    staging: Environment,
    client: Client,
    put: Put,
) -> None:
    old = prepare(build, adopted)
    put("segment", "other", json.dumps({"id": "other", "name": "Another segment"}))
    newer = capture(people.qa, staging)
    review(people.qa, newer, Review.Verdict.APPROVED, content=newer.content)
    new = prepare(newer, adopted)
    answer = client.post(address(newer), {"plan": old.plan_digest, "comment": "Go."}, secure=True)
    assert answer.status_code == 409
    text = text_of(answer)
    assert "not the one that you confirmed" in text
    assert "Something moved since you confirmed" in text
    assert "1 added" in text
    assert "2 added, to another content" in text
    assert old.plan_digest in text
    assert new.plan_digest in text
    assert 'value="Go."' in text
    assert not Promotion.objects.filter(kind="promote").exists()
    assert AuditEvent.objects.filter(action="promote.requested", outcome="refused").count() == 1
    # What is shown beside it can be confirmed.
    answer = client.post(address(newer), {"plan": new.plan_digest}, secure=True)
    assert Promotion.objects.get(kind="promote").live_at is not None


def test_a_plan_that_went_stale_shows_what_was_confirmed_until_the_new_one_is_made(
    build: Build, adopted: Environment, client: Client
) -> None:
    old = prepare(build, adopted)
    Promotion.objects.filter(pk=old.pk).update(fate=Promotion.Fate.SUPERSEDED)
    answer = client.post(address(build), {"plan": old.plan_digest}, secure=True)
    assert answer.status_code == 409
    assert "The new plan is not made yet" in text_of(answer)
    new = prepare(build, adopted)
    text = text_of(client.get(address(build), {"confirmed": old.plan_digest}, secure=True))
    assert "New generation" in text
    assert new.plan_digest in text


def test_deletions_come_first_and_are_named(
    ship: Ship, staging: Environment, adopted: Environment, people: People, client: Client, put: Put
) -> None:
    put("segment", "doomed", json.dumps({"id": "doomed", "name": "The doomed"}))
    ship()
    index = staging.naming.concrete("segment")
    connect(staging.cluster).request("DELETE", f"/{index}/_doc/doomed")
    build = approved(people, staging)
    prepare(build, adopted)
    text = text_of(client.get(address(build), secure=True))
    named = text.partition("What is deleted")[2]
    assert "The doomed" in named
    assert "1 removed" in text
    assert "by the last cutover there" in text
