"""One build's page: what changed, since when, which verdict counts, and what is outdated."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.audit import command_actor
from accounts.models import User
from environments.models import Environment
from promotion.models import Review
from promotion.services import review
from tests.console.shops import keep, page, text_of
from tests.factories import enter

pytestmark = pytest.mark.django_db
APPROVED, CHANGES = Review.Verdict.APPROVED, Review.Verdict.CHANGES


@pytest.fixture
def client(qa: User, plain_static_files: None) -> Client:
    """QA's browser."""
    return enter(qa)


def test_what_changed_is_told_in_words_with_links_to_the_fields(
    shop: Environment, client: Client
) -> None:
    keep(shop, {"a": "Old name", "b": "Gone"})
    text = page(client, keep(shop, {"a": "New name"}))
    assert "Changes against build 1, the one before" in text
    assert "renamed from" in text
    assert "/compare/document/?before=staging%3A1&amp;after=staging%3A2" in text
    assert "Everything that changed" in text
    assert "1 removed" in text


def test_a_document_under_another_id_is_told_as_such(shop: Environment, client: Client) -> None:
    keep(shop, {"old-id": "Name"})
    text = page(client, keep(shop, {"new-id": "Name"}))
    assert "its id was" in text
    assert "was=old-id" in text


def test_the_last_approved_build_is_a_base_of_its_own(
    shop: Environment, qa: User, client: Client
) -> None:
    first = keep(shop, {"a": "One"})
    review(command_actor(qa), first, APPROVED, content=first.content)
    keep(shop, {"a": "Two"})
    last = keep(shop, {"a": "Three"})
    text = page(client, last)
    assert "Changes against build 1, the last approved" in text
    assert "?against=previous" in text
    assert "Changes against build 2, the one before" in page(client, last, against="previous")


def test_a_big_build_is_told_in_words_in_part(shop: Environment, client: Client) -> None:
    keep(shop, {f"r{n:03}": f"Old {n}" for n in range(300)})
    text = page(client, keep(shop, {f"r{n:03}": f"New {n}" for n in range(300)}))
    assert "and 100 more" in text
    assert text.count("renamed from") == 20


def test_all_is_new_in_the_first_build(shop: Environment, client: Client) -> None:
    text = page(client, keep(shop, {"a": "One"}))
    assert "Everything in it is new" in text
    assert "document/rule/?id=a" in text


def test_a_newer_capture_outdates_an_open_review(
    shop: Environment, qa: User, client: Client
) -> None:
    first = keep(shop, {"a": "One"})
    assert "Outdated" not in page(client, first)
    keep(shop, {"a": "One"})
    assert "Outdated" not in page(client, first)
    keep(shop, {"a": "Two"})
    text = page(client, first)
    assert "Outdated" in text
    assert "before=staging%3A1&amp;after=staging%3A3" in text
    listed = text_of(client.get(reverse("promotion:builds"), secure=True))
    assert listed.count(">outdated<") == 2
    review(command_actor(qa), first, CHANGES, content=first.content, comment="No.")
    assert ">outdated<" in text_of(client.get(reverse("promotion:reviews"), secure=True))
    review(command_actor(qa), first, APPROVED, content=first.content)
    assert "Outdated" not in page(client, first)
    for name in ("promotion:builds", "promotion:reviews"):
        assert ">outdated<" not in text_of(client.get(reverse(name), secure=True))


def test_what_was_requested_is_settled_by_a_later_verdict_and_stays_in_the_history(
    shop: Environment, qa: User, client: Client
) -> None:
    build = keep(shop, {"a": "One"})
    url = reverse("promotion:review", args=[shop.slug, build.number])
    form = {"content": build.content, "verdict": "changes", "comment": "Name it <better>."}
    said = text_of(client.post(url, form, secure=True, follow=True))
    assert "Staging build 1 needs changes." in said
    assert "Changes requested" in said
    assert "Name it &lt;better&gt;." in said
    form |= {"verdict": "approved", "comment": "It is its name."}
    said = text_of(client.post(url, form, secure=True, follow=True))
    assert "Staging build 1 is approved." in said
    assert "Verdicts before it" in said
    assert "Name it &lt;better&gt;." in said
    # Nothing follows a final verdict.
    form |= {"verdict": "changes"}
    assert "already" in text_of(client.post(url, form, secure=True, follow=True))
    assert [made.verdict for made in Review.objects.of(build)] == ["approved", "changes"]
