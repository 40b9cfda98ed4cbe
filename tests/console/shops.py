"""A staging with its production, and builds of it, without an engine behind them."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.audit import system_actor
from accounts.models import User
from accounts.roles import Role
from accounts.services import create_user, grant
from environments.models import Cluster, Environment
from promotion.engine.manifest import Manifest, Tree, describe
from promotion.models import Build, BuildPart, Promotion, Review, StoredGeneration, StoredTree
from promotion.store import DatabaseContent

NO_MARK = {"uuid": "u", "max_seq_no": [], "mapping_version": 0, "settings": ""}


def make_shop() -> Environment:
    """Make a pipeline, and return its staging; the cluster's address answers nothing."""
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


def put_live(build: Build, kind: str = "promote", status: str = "succeeded") -> StoredGeneration:
    """Keep that a build of `keep` went live, and took the place of what was."""
    target = build.target
    assert target is not None
    went = Promotion.objects.create(
        kind=kind, environment=target, build=build, status=status, live_at=timezone.now()
    )
    StoredGeneration.objects.filter(environment=target).update(is_live=False)
    number = StoredGeneration.objects.filter(environment=target).count() + 1
    return StoredGeneration.objects.create(
        environment=target,
        number=number,
        # Another one in each test: what was read of one is kept.
        marker=secrets.token_hex(6),
        facts={"resources": {"rule": {"tree": {"digest": build.parts.get().tree_id}}}},
        build=build,
        promotion=went,
        is_live=True,
    )


def judge(build: Build, by: User, verdict: str = "approved") -> None:
    Review.objects.create(
        build=build,
        environment=build.environment,
        content=build.content,
        verdict=verdict,
        reviewed_by=by,
    )


def person(role: Role, shop: Environment) -> User:
    user = create_user(system_actor(), username=role.value, role=role, password="a long phrase 77")
    if role is not Role.ADMINISTRATOR:
        grant(system_actor(), user, shop)
    return user


def page(client: Client, build: Build, **query: str) -> str:
    """Return a build's page."""
    url = reverse("promotion:build", args=[build.environment.slug, build.number])
    answer = client.get(url, query, secure=True)
    assert answer.status_code == 200
    return answer.content.decode()


def text_of(answer: Any) -> str:
    text: str = answer.content.decode()
    return text
