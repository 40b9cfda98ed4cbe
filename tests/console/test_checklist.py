"""The checklist of a review: written by the administrator, ticked by QA, kept with the verdict."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.audit import command_actor
from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent, User
from accounts.roles import Role
from environments.models import Environment
from promotion.checklists import change_checklist
from promotion.engine.errors import RuleBroken
from promotion.models import Build, Checklist, Review
from promotion.services import review
from tests.console.shops import keep, page, person, text_of
from tests.factories import enter

pytestmark = pytest.mark.django_db
LINES = "Tests ran <green>\n\n? A visit was made\nSecrets looked at"


@pytest.fixture
def admin(shop: Environment) -> User:
    return person(Role.ADMINISTRATOR, shop)


@pytest.fixture
def asked(shop: Environment, admin: User) -> Checklist:
    return change_checklist(command_actor(admin), shop, LINES, version=0)


@pytest.fixture
def client(shop: Environment, plain_static_files: None) -> Client:
    """QA's browser."""
    return enter(person(Role.QA, shop))


def send(client: Client, build: Build, verdict: str, *ticked: int, version: int = 1) -> Any:
    url = reverse("promotion:review", args=[build.environment.slug, build.number])
    form = {"content": build.content, "verdict": verdict, "comment": "So.", "ticked": ticked}
    return client.post(url, {**form, "checklist": version}, secure=True, follow=True)


def test_an_approval_needs_all_that_is_not_optional(
    shop: Environment, asked: Checklist, client: Client
) -> None:
    build = keep(shop, {"a": "One"})
    shown = page(client, build)
    assert "Tests ran &lt;green&gt;" in shown
    assert 'A visit was made <span class="tc-muted">optional</span>' in shown
    answer = send(client, build, "approved", 0)
    assert answer.status_code == 400
    assert "Not ticked yet: Secrets looked at." in text_of(answer)
    assert not Review.objects.exists()
    said = text_of(send(client, build, "approved", 0, 2))
    assert "Checklist, version 1" in said
    made = Review.objects.get()
    assert made.checklist == asked
    assert [(one["text"], one["ticked"]) for one in made.answers] == [
        ("Tests ran <green>", True),
        ("A visit was made", False),
        ("Secrets looked at", True),
    ]


def test_a_rejection_goes_without(shop: Environment, asked: Checklist, client: Client) -> None:
    build = keep(shop, {"a": "One"})
    assert send(client, build, "changes", 1).status_code == 200
    assert send(client, build, "rejected").status_code == 200


def test_a_page_with_an_older_version_is_refused(
    shop: Environment, asked: Checklist, admin: User, client: Client
) -> None:
    build = keep(shop, {"a": "One"})
    change_checklist(command_actor(admin), shop, "Something else", version=1)
    answer = send(client, build, "approved", 0)
    assert answer.status_code == 400
    said = text_of(answer)
    assert "The checklist is version 2 now" in said
    # What was ticked was of the other version.
    assert 'value="0" checked' not in said
    assert send(client, build, "approved", 0, version=2).status_code == 200


def test_the_services_ask_too(shop: Environment, asked: Checklist, client: Client) -> None:
    build, qa = keep(shop, {"a": "One"}), command_actor(User.objects.get(role="qa"))
    with pytest.raises(RuleBroken, match="did not go through"):
        review(qa, build, Review.Verdict.APPROVED, content=build.content)
    review(qa, build, Review.Verdict.APPROVED, content=build.content, checklist=1, ticked=[0, 2])


def test_the_administrator_changes_it_and_the_old_version_is_kept(
    shop: Environment, asked: Checklist, admin: User, plain_static_files: None
) -> None:
    client, url = enter(admin), reverse("promotion:checklist", args=[shop.slug])
    shown = text_of(client.get(url, secure=True))
    assert "?A visit was made" in shown
    said = client.post(url, {"version": 1, "lines": "Only this"}, secure=True, follow=True)
    assert "Version 2" in text_of(said)
    assert "Version 1" in text_of(said)
    assert AuditEvent.objects.filter(action="checklist.changed", outcome="done").count() == 2
    stale = client.post(url, {"version": 1, "lines": "My own"}, secure=True)
    assert stale.status_code == 400
    assert "Somebody changed it" in text_of(stale)
    assert "My own" in text_of(stale)
    same = client.post(url, {"version": 2, "lines": "Only this"}, secure=True)
    assert "It is as it was." in text_of(same)
    many = "\n".join(f"Item {n}" for n in range(51))
    assert "more than 50" in text_of(client.post(url, {"version": 2, "lines": many}, secure=True))
    assert Checklist.objects.count() == 2


def test_an_empty_checklist_asks_nothing(
    shop: Environment, asked: Checklist, admin: User, client: Client
) -> None:
    change_checklist(command_actor(admin), shop, " \n", version=1)
    build = keep(shop, {"a": "One"})
    assert "<legend>Checklist" not in page(client, build)
    assert send(client, build, "approved", version=0).status_code == 200


def test_nobody_else_changes_it(shop: Environment, client: Client) -> None:
    with pytest.raises(NotAllowedError):
        change_checklist(command_actor(User.objects.get(role="qa")), shop, LINES, version=0)
