"""What people say about a build, a document and a field, as the pages take and show it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from accounts.roles import Role
from environments.models import Environment
from promotion.models import Build, Comment
from promotion.review_models import CommentImmutableError
from tests.console.shops import keep, page, person, text_of
from tests.factories import enter

pytestmark = pytest.mark.django_db
Say = Callable[..., Any]


@pytest.fixture
def client(qa: User, plain_static_files: None) -> Client:
    """QA's browser."""
    return enter(qa)


@pytest.fixture
def build(shop: Environment) -> Build:
    """The second of two, in which a rule is renamed and another is gone."""
    keep(shop, {"a": "Old name", "b": "Gone"})
    return keep(shop, {"a": "New name"})


def say(client: Client, build: Build, text: str, **query: str) -> Any:
    url = reverse("promotion:comment", args=[build.environment.slug, build.number], query=query)
    return client.post(url, {"text": text}, secure=True, follow=True)


def document(client: Client, doc_id: str) -> str:
    query = {"before": "staging:1", "after": "staging:2", "resource": "rule", "id": doc_id}
    return text_of(client.get(reverse("promotion:compare-document"), query, secure=True))


def test_a_comment_on_the_build_is_counted_until_it_is_resolved(
    build: Build, client: Client
) -> None:
    said = text_of(say(client, build, "Who needs <this>?\nTell me."))
    assert "Who needs &lt;this&gt;?<br>Tell me." in said
    assert "1 comment</a> is not resolved" in said
    made = Comment.objects.get()
    url = reverse("promotion:resolve-comment", args=[build.environment.slug, 2, made.pk])
    said = text_of(client.post(url, {"resolved": "yes"}, secure=True, follow=True))
    assert "Resolved by qa" in said
    assert "not resolved" not in said
    assert "is resolved already" in text_of(
        client.post(url, {"resolved": "yes"}, secure=True, follow=True)
    )
    said = text_of(client.post(url, {"resolved": "no"}, secure=True, follow=True))
    assert "is not resolved" in said
    actions = [e.action for e in AuditEvent.objects.filter(outcome="done", action__contains="comm")]
    assert actions == ["comment.reopened", "comment.resolved", "comment.added"]


def test_a_field_is_commented_on_from_its_row(build: Build, client: Client) -> None:
    shown = document(client, "a")
    assert "/comment/?resource=rule&amp;id=a&amp;before=staging%3A1&amp;place=name" in shown
    query = {"resource": "rule", "id": "a", "before": "staging:1", "place": "name"}
    said = text_of(say(client, build, "The old one was better.", **query))
    assert "1 said" in said
    assert "The old one was better." in said
    # The build's page has it too, with a link to the document.
    assert 'New name</a> <span class="tc-mono">name</span>' in page(client, build)


def test_an_answer_joins_the_thread(build: Build, client: Client) -> None:
    say(client, build, "Why?", resource="rule", id="a")
    first = Comment.objects.get()
    said = text_of(say(client, build, "Because.", reply=str(first.pk)))
    assert "Answer by qa" in said
    last = Comment.objects.get(text="Because.")
    say(client, build, "I see.", reply=str(last.pk))
    assert list(Comment.objects.filter(parent=first).values_list("text", "document")) == [
        ("Because.", "a"),
        ("I see.", "a"),
    ]


def test_a_document_that_is_gone_can_be_missed(build: Build, client: Client) -> None:
    query = {"resource": "rule", "id": "b", "before": "staging:1"}
    assert "I need it." in text_of(say(client, build, "I need it.", **query))
    assert "I need it." in document(client, "b")


@pytest.mark.parametrize(
    "query",
    [
        {"resource": "rule", "id": "nowhere"},
        {"resource": "rule", "id": "b", "before": "rubbish"},
        {"resource": "user", "id": "a"},
        {"resource": "rule", "id": "a", "place": "x" * 501},
        {"reply": "7"},
        {"reply": "x"},
    ],
)
def test_what_is_not_there_is_not_commented_on(
    build: Build, client: Client, query: dict[str, str]
) -> None:
    assert say(client, build, "Hello", **query).status_code == 404
    assert not Comment.objects.exists()


def test_too_little_and_too_much_is_an_error_of_the_form(build: Build, client: Client) -> None:
    for text, words in (("  ", "Write something."), ("x" * 4001, "at most 4000 characters")):
        answer = say(client, build, text)
        assert answer.status_code == 400
        assert words in text_of(answer)
    assert not Comment.objects.exists()


def test_what_was_said_holds_for_equal_content_and_is_never_changed(
    build: Build, client: Client, shop: Environment
) -> None:
    say(client, build, "Why?")
    assert "Why?" in page(client, keep(shop, {"a": "New name"}))
    made = Comment.objects.get()
    made.text = "Never mind."
    for act in (made.save, made.delete, Comment.objects.all().delete):
        with pytest.raises(CommentImmutableError):
            act()


def test_marketing_neither_sees_nor_says_anything(
    build: Build, shop: Environment, plain_static_files: None
) -> None:
    assert say(enter(person(Role.MARKETING, shop)), build, "Nice!").status_code == 404
    assert not Comment.objects.exists()


def test_the_administrator_comments_too(
    build: Build, shop: Environment, plain_static_files: None
) -> None:
    assert say(enter(person(Role.ADMINISTRATOR, shop)), build, "Later.").status_code == 200
    assert Comment.objects.get().text == "Later."
