"""One build's page, without an engine behind it: what changed, since when, and what was said."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.conf import settings as console
from django.test import Client
from django.urls import reverse

from accounts.audit import command_actor, system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user, grant
from environments.models import Cluster, Environment
from promotion.engine.manifest import Manifest, Tree, describe
from promotion.models import Build, BuildPart, Review, StoredTree
from promotion.services import review
from promotion.store import DatabaseContent

pytestmark = pytest.mark.django_db
NO_MARK = {"uuid": "u", "max_seq_no": [], "mapping_version": 0, "settings": ""}
Sign = Callable[[User], Client]
APPROVED, CHANGES = Review.Verdict.APPROVED, Review.Verdict.CHANGES


@pytest.fixture
def shop() -> Environment:
    cluster = Cluster.objects.create(name="C", url="http://127.0.0.1:9")
    facts = {"cluster": cluster, "version": "0.8.1", "tenant": "acme"}
    production = Environment.objects.create(
        name="Production", slug="production", kind="production", **facts
    )
    return Environment.objects.create(
        name="Staging", slug="staging", kind="staging", promotes_to=production, **facts
    )


def keep(shop: Environment, rules: Mapping[str, str]) -> Build:
    """Keep a build of rules, each an id with its name."""
    content, entries, bodies = DatabaseContent(), [], {}
    for doc_id, name in rules.items():
        raw = json.dumps({"id": doc_id, "name": name}).encode()
        entry = describe("rule", doc_id, raw, limit=10_000)
        entries.append(entry)
        bodies[entry.oid] = raw
    tree = Tree.of("rule", entries)
    content.keep_blobs(bodies)
    content.keep_tree(tree)
    manifest = Manifest({"rule": StoredTree.objects.get(digest=tree.digest).digests})
    build = Build.objects.create(
        environment=shop,
        number=Build.objects.count() + 1,
        content=manifest.content,
        exact=manifest.exact,
        cluster_uuid="u",
        version="0.8.1",
    )
    BuildPart.objects.create(
        build=build, tree_id=tree.digest, index="i", mapping_digest="m", fingerprint=NO_MARK
    )
    return build


def person(role: Role, shop: Environment) -> User:
    user = create_user(system_actor(), username=role.value, role=role, password="a long phrase 77")
    if role is not Role.ADMINISTRATOR:
        grant(system_actor(), user, shop)
    return user


@pytest.fixture
def qa(shop: Environment) -> User:
    return person(Role.QA, shop)


@pytest.fixture
def sign(plain_static_files: None) -> Sign:
    def enter(user: User) -> Client:
        client = Client(headers={"x-forwarded-proto": "https"})
        client.force_login(user, backend=console.AUTHENTICATION_BACKENDS[0])
        return client

    return enter


def page(client: Client, build: Build, **query: str) -> str:
    url = reverse("promotion:build", args=[build.environment.slug, build.number])
    answer = client.get(url, query, secure=True)
    assert answer.status_code == 200
    return answer.content.decode()


def text_of(answer: Any) -> str:
    text: str = answer.content.decode()
    return text


def test_what_changed_is_told_in_words_with_links_to_the_fields(
    shop: Environment, qa: User, sign: Sign
) -> None:
    keep(shop, {"a": "Old name", "b": "Gone"})
    text = page(sign(qa), keep(shop, {"a": "New name"}))
    assert "Changes against build 1, the one before" in text
    assert "renamed from" in text
    assert "/compare/document/?before=staging%3A1&amp;after=staging%3A2" in text
    assert "Everything that changed" in text
    assert "1 removed" in text


def test_a_document_under_another_id_is_told_as_such(
    shop: Environment, qa: User, sign: Sign
) -> None:
    keep(shop, {"old-id": "Name"})
    text = page(sign(qa), keep(shop, {"new-id": "Name"}))
    assert "its id was" in text
    assert "was=old-id" in text


def test_the_last_approved_build_is_a_base_of_its_own(
    shop: Environment, qa: User, sign: Sign
) -> None:
    first = keep(shop, {"a": "One"})
    review(command_actor(qa), first, APPROVED, content=first.content)
    keep(shop, {"a": "Two"})
    last, client = keep(shop, {"a": "Three"}), sign(qa)
    text = page(client, last)
    assert "Changes against build 1, the last approved" in text
    assert "?against=previous" in text
    assert "Changes against build 2, the one before" in page(client, last, against="previous")


def test_a_big_build_is_told_in_words_in_part(shop: Environment, qa: User, sign: Sign) -> None:
    keep(shop, {f"r{n:03}": f"Old {n}" for n in range(300)})
    text = page(sign(qa), keep(shop, {f"r{n:03}": f"New {n}" for n in range(300)}))
    assert "and 100 more" in text
    assert text.count("renamed from") == 20


def test_all_is_new_in_the_first_build(shop: Environment, qa: User, sign: Sign) -> None:
    text = page(sign(qa), keep(shop, {"a": "One"}))
    assert "Everything in it is new" in text
    assert "document/rule/?id=a" in text


def test_a_newer_capture_outdates_an_open_review(shop: Environment, qa: User, sign: Sign) -> None:
    first, client = keep(shop, {"a": "One"}), sign(qa)
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
    shop: Environment, qa: User, sign: Sign
) -> None:
    build, client = keep(shop, {"a": "One"}), sign(qa)
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
