"""Drift in the browser's words: what is shown, and what its buttons do, on the real engine."""

import json
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from environments.models import Environment
from promotion.adoption import adopt, run_adopt
from promotion.drift import check
from promotion.locking import unlock
from promotion.models import Build, Drift, Promotion, Unlocking
from tests.factories import (
    People,
    enter,
    put,
    served,
)

pytestmark = pytest.mark.django_db
Sign = Callable[[User | None], Client]
SECRET = "hunter2-by-hand"


@pytest.fixture
def edited(people: People, production: Environment) -> Environment:
    """Adopted, unlocked, and edited: a rule's name, and a resource with a secret."""
    run_adopt(adopt(people.admin, production))
    unlock(people.admin, production, "An urgent edit")
    doc_id, raw = sorted(served(production, "rule").items())[0]
    put(production, "rule", doc_id, json.dumps({**json.loads(raw), "name": "Edited by hand"}))
    put(
        production,
        "resource",
        "by-hand",
        json.dumps({"id": "by-hand", "name": "New API", "credentials": SECRET}),
    )
    check(production)
    return production


@pytest.fixture
def sign(plain_static_files: None) -> Sign:
    return enter


def get(client: Client, name: str, *args: object) -> str:
    answer = client.get(reverse(name, args=args), secure=True)
    assert answer.status_code == 200
    return answer.content.decode()


def post(client: Client, name: str, environment: Environment, **data: object) -> str:
    url = reverse(f"promotion:{name}", args=[environment.slug])
    answer = client.post(url, data, secure=True, follow=True)
    return answer.content.decode()


def test_home_and_the_environment_say_that_production_was_edited(
    people: People, edited: Environment, sign: Sign
) -> None:
    admin = sign(people.admin.user)
    assert "Settle the drift" in get(admin, "admin:index")
    text = get(admin, "promotion:environment", edited.slug)
    assert "1 added, 1 changed by hand" in text
    assert "See what was changed" in text
    # Who only looks at dashboards is not told about builds.
    marketing = get(sign(people.marketing.user), "promotion:environment", edited.slug)
    assert "Drift" not in marketing


def test_the_page_names_what_was_changed_and_hides_secrets(
    people: People, edited: Environment, sign: Sign
) -> None:
    text = get(sign(people.qa.user), "promotion:drift", edited.slug)
    assert "Edited by hand" in text
    assert "New API" in text
    assert "renamed from" in text
    assert "tc-diff-line--added" in text
    assert SECRET not in text
    # QA looks; only the administrator settles.
    assert "Keep for review" not in text
    assert "Discard" not in text


def test_the_administrator_keeps_it_for_review_by_a_click(
    people: People, edited: Environment, sign: Sign
) -> None:
    admin, drift = sign(people.admin.user), Drift.objects.get()
    text = post(admin, "keep-drift", edited, content=drift.content)
    build = Build.objects.get(kind=Build.Kind.DRIFT)
    assert f"Kept as {build}, for QA to review." in text
    assert f"It is kept as {build}." in text
    shown = get(sign(people.qa.user), "promotion:build", edited.slug, build.number)
    assert "Approve" in shown


def test_a_stale_page_discards_nothing(people: People, edited: Environment, sign: Sign) -> None:
    admin = sign(people.admin.user)
    text = post(admin, "discard-drift", edited, content="0" * 64, agree="on")
    assert "not what you were shown" in text
    unagreed = post(admin, "discard-drift", edited, content=Drift.objects.get().content)
    assert "This field is required" in unagreed
    assert not Promotion.objects.filter(kind="rollback").exists()


def test_a_discard_goes_to_its_promotion(people: People, edited: Environment, sign: Sign) -> None:
    admin, drift = sign(people.admin.user), Drift.objects.get()
    assert "Discard the edit" in get(admin, "promotion:discard-drift", edited.slug)
    text = post(admin, "discard-drift", edited, content=drift.content, agree="on")
    made = Promotion.objects.get(kind="rollback")
    assert made.live_at is not None
    assert str(made) in text
    assert "by-hand" not in served(edited, "resource")


def test_a_conflict_is_left_alone_unless_it_is_ticked(
    people: People, staging: Environment, edited: Environment, sign: Sign
) -> None:
    admin, drift = sign(people.admin.user), Drift.objects.get()
    doc_id, raw = sorted(served(staging, "rule").items())[0]
    put(staging, "rule", doc_id, json.dumps({**json.loads(raw), "name": "Staging's"}))
    assert "changed there too" in get(admin, "promotion:carry-drift", edited.slug)
    text = post(admin, "carry-drift", edited, content=drift.content)
    assert "1 written" in text
    assert "left alone, as staging changed too" in text
    assert json.loads(served(staging, "rule")[doc_id])["name"] == "Staging's"
    key = f"rule/{doc_id}"
    post(admin, "carry-drift", edited, content=drift.content, overwrite=key)
    assert json.loads(served(staging, "rule")[doc_id])["name"] == "Edited by hand"


def test_an_environment_is_unlocked_for_a_chosen_time_and_prolonged(
    people: People, production: Environment, sign: Sign
) -> None:
    run_adopt(adopt(people.admin, production))
    admin = sign(people.admin.user)
    assert "1 to 1440 minutes" in post(admin, "unlock", production, reason="x", minutes="7")
    text = post(admin, "unlock", production, reason="A licence key", minutes="15")
    assert "is unlocked until" in text
    first = Unlocking.objects.get().until
    assert "stays unlocked until" in post(admin, "prolong", production, minutes="240")
    last = Unlocking.objects.get().until
    assert first is not None
    assert last is not None
    assert last > first
