"""Two pipelines with one thing of each kind, and the seven kinds of person that may ask for them.

The engines' addresses answer nothing. All that is of one pipeline carries its mark.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.audit import system_actor
from accounts.models import Handover, User
from accounts.roles import Role
from accounts.services import create_user, grant
from environments.models import (
    Cluster,
    Environment,
    Funnel,
    Licence,
    LicenceUse,
    RecipeVersion,
    SavedView,
    Share,
    Summary,
)
from environments.recipes import forms, generate
from promotion.batch_models import Batch, BatchItem
from promotion.engine.manifest import Tree, describe
from promotion.models import (
    Build,
    BuildPart,
    Comment,
    Promotion,
    RunResult,
    Suite,
    SuiteRun,
    SuiteTest,
)
from promotion.receipts import issue
from promotion.store import DatabaseContent
from tests.factories import enter
from tests.recipes.samples import SAMPLE

# Whoever is not `elsewhere` is granted the pipeline that is asked for; those are granted the other.
NOBODY, DISABLED, ADMINISTRATOR = "nobody", "disabled", "administrator"
PERSONS: Final = (
    NOBODY,
    "marketing",
    "marketing-elsewhere",
    "qa",
    "qa-elsewhere",
    ADMINISTRATOR,
    DISABLED,
)
HERE, ELSEWHERE = "aardvark", "zebu"
PASSWORD = "a long enough phrase 7"
CONTENT = "c" * 64
AUDIT, SESSIONS = "accounts_auditevent", "django_session"
Args = list[str | int]
_WRITES = re.compile(r"^\s*(?:INSERT|UPDATE|DELETE|REPLACE)\b[^\"]*\"(\w+)\"")
_NO_MARK = {"uuid": "u", "max_seq_no": [], "mapping_version": 0, "settings": ""}


@dataclass(frozen=True)
class World:
    """`things` are the arguments of an address, by the kind of thing, of the pipeline HERE."""

    people: dict[str, User | None]
    things: dict[str, Args]
    elsewhere: dict[str, Args]
    _cookies: dict[str, Any] = field(default_factory=dict)

    def browser(self, person: str, **more: Any) -> Client:
        """Return a browser in which this person signed in when the world was made."""
        client = Client(headers={"x-forwarded-proto": "https"}, **more)
        client.cookies.load({name: one.value for name, one in self._cookies[person].items()})
        return client


@contextmanager
def made_world() -> Iterator[World]:
    """Make the world, and take all of it back at the end."""
    with transaction.atomic():
        writer = create_user(system_actor(), username="writer", role=Role.QA, password=PASSWORD)
        here, elsewhere = _pipeline(HERE, writer), _pipeline(ELSEWHERE, writer)
        for environment in Environment.objects.all():
            # What somebody wrote who may not look any more is the administrator's to remove.
            grant(system_actor(), writer, environment)
        world = World(_people(), here, elsewhere)
        administrator, qa = world.people[ADMINISTRATOR], world.people["qa"]
        assert administrator is not None
        assert qa is not None
        offer = Handover.objects.create(offered_by=administrator, offered_to=qa)
        here["offer"] = [offer.pk]
        disabled = world.people[DISABLED]
        for name, user in world.people.items():
            world._cookies[name] = enter(user).cookies if user is not None else {}
        if disabled is not None:
            # After the sign-in: an open session must not outlive the account.
            User.objects.filter(pk=disabled.pk).update(is_active=False)
        yield world
        transaction.set_rollback(True)


def _people() -> dict[str, User | None]:
    people: dict[str, User | None] = dict.fromkeys(PERSONS)
    # One administrator at a time: the disabled one was it before.
    for name in (DISABLED, *PERSONS[1:-1]):
        role = Role.ADMINISTRATOR if name == DISABLED else Role(name.removesuffix("-elsewhere"))
        user = create_user(system_actor(), username=name, role=role, password=PASSWORD)
        if name == DISABLED:
            User.objects.filter(pk=user.pk).update(is_active=False)
        elif role is not Role.ADMINISTRATOR:
            word = ELSEWHERE if name.endswith("-elsewhere") else HERE
            for environment in Environment.objects.filter(slug__startswith=word):
                grant(system_actor(), user, environment)
        people[name] = user
    return people


def _pipeline(word: str, person: User) -> dict[str, Args]:
    mark = word.capitalize()
    cluster = Cluster.objects.create(name=f"{mark} cluster", url="http://127.0.0.1:9")
    facts: dict[str, Any] = {"cluster": cluster, "version": "0.8.1", "tenant": word}
    production = Environment.objects.create(
        name=f"{mark} production", slug=f"{word}-production", kind="production", **facts
    )
    staging = Environment.objects.create(
        name=f"{mark} staging",
        slug=f"{word}-staging",
        kind="staging",
        promotes_to=production,
        **facts,
    )
    licence = Licence.objects.create(holder=f"{mark} holder", key=f"{word}-licence-key")
    LicenceUse.objects.create(licence=licence, environment=production)
    build = make_build(staging, 1, f"{mark} flow")
    make_build(staging, 2, f"{mark} flow, changed")
    went = Promotion.objects.create(
        kind="promote",
        environment=production,
        build=build,
        status="succeeded",
        live_at=timezone.now(),
        finished_at=timezone.now(),
        message=f"{mark} went live.",
    )
    issue(went)
    goes = Promotion.objects.create(
        kind="promote", environment=production, build=build, status="running"
    )
    batch = Batch.objects.create(parallel=1, channel="web")
    BatchItem.objects.create(batch=batch, environment=production, build=build)
    said = Comment.objects.create(
        build=build, environment=staging, text=f"{mark}: why?", author=person
    )
    suite = Suite.objects.create(environment=staging, name=f"{mark} suite", made_by=person)
    wanted = {
        "name": f"{mark} test",
        "source": "s",
        "events": [{"type": "e"}],
        "expect": {"no-errors": True},
    }
    test = SuiteTest.objects.create(
        suite=suite, name=f"{mark} test", facts=wanted, made_in=1, made_by=person
    )
    run = SuiteRun.objects.create(
        environment=staging, suite=suite, suite_version=1, chosen=[test.pk], status="running"
    )
    result = RunResult.objects.create(run=run, test=test, status="passed", edges={"f1": []})
    funnel = Funnel.objects.create(
        environment=staging,
        name=f"{mark} funnel",
        steps=["view", "buy"],
        zone="UTC",
        created_by=person,
    )
    answers = replace(SAMPLE, staging_secrets=f"{mark} recipe", **forms.facts(staging))
    RecipeVersion.objects.create(
        staging=staging,
        production=production,
        number=1,
        answers=answers.to_dict(),
        files=[list(pair) for pair in generate.files(answers).items()],
        made_by=person,
    )
    # Somebody's, and shared with all; a summary is nobody else's to know of.
    view = SavedView.objects.create(
        environment=staging, owner=person, name=f"{mark} view", query="range=30d"
    )
    Share.objects.bulk_create(Share(view=view, role=role.value) for role in Role)
    summary = Summary.objects.create(
        user=person, environment=staging, view=view, site="https://console.example.com"
    )
    return {
        "-": [],
        "csv": ["csv"],
        "staging": [staging.slug],
        "production": [production.slug],
        "address": [production.slug, "api"],
        "recipe": [staging.slug, 1],
        "funnel": [staging.slug, funnel.pk],
        "flows": [staging.slug, "flow"],
        "tile": [staging.slug, "types"],
        "view": [staging.slug, view.pk],
        "summary": [staging.slug, summary.pk],
        "flow": [staging.slug, "flow", "f1"],
        "build": [staging.slug, 1],
        "document": [staging.slug, 1, "flow"],
        "comment": [staging.slug, 1, said.pk],
        "suite": [suite.pk],
        "test": [suite.pk, test.pk],
        "run": [run.pk],
        "result": [run.pk, result.pk],
        "went": [went.pk],
        "goes": [goes.pk],
        "batch": [batch.pk],
        "cluster": [cluster.pk],
        "environment": [staging.pk],
        "licence": [licence.pk],
        "covered": [licence.pk, staging.slug],
        "person": [person.pk],
        # Its address is that of our own list of environments, which comes first.
        "app": ["environments"],
        "any": ["no/such/page"],
        "link": ["1", "no-key"],
        "key": [1],
        "provider": ["sso"],
    }


def make_build(
    staging: Environment, number: int, title: str, kind: Build.Kind = Build.Kind.CAPTURE
) -> Build:
    """Make a build that holds one flow of that title."""
    build = Build.objects.create(
        environment=staging,
        number=number,
        kind=kind,
        content=CONTENT if number == 1 else f"{number}" * 64,
        exact="e" * 64,
        cluster_uuid="u",
        version="0.8.1",
    )
    flow = f'{{"name": "{title}", "production": ""}}'.encode()
    content, tree = DatabaseContent(), Tree.of("flow", [describe("flow", "f1", flow, limit=1000)])
    content.keep_blobs({tree.entries[0].oid: flow})
    content.keep_tree(tree)
    BuildPart.objects.create(
        build=build, tree_id=tree.digest, index="i", mapping_digest="m", fingerprint=_NO_MARK
    )
    return build


@dataclass(frozen=True)
class Answer:
    """What one request was answered, and which tables it wrote to."""

    status: int
    body: bytes
    written: frozenset[str]
    location: str = ""


@contextmanager
def watched() -> Iterator[set[str]]:
    """Collect the tables that are written to."""
    written: set[str] = set()

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if found := _WRITES.match(sql):
            written.add(found[1])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield written


def ask(client: Client, method: str, address: str, data: dict[str, Any] | None = None) -> Answer:
    """Send one request, and take back what it did."""
    send = getattr(client, method.lower())
    with transaction.atomic(), watched() as written:
        answer = (
            send(address, data, secure=True) if data is not None else send(address, secure=True)
        )
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        transaction.set_rollback(True)
    return Answer(answer.status_code, body, frozenset(written), answer.headers.get("Location", ""))
