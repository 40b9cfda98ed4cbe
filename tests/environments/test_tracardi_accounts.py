"""Tracardi's own accounts, read from the real engine: who can do what, and what ought not to be."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from devtools.elasticsearch.mappings import fitted
from environments.account_looks import EVERY, look_at_accounts, to_look_at
from environments.elastic import Connection
from environments.models import OLD_LOOK, AccountsLook, Cluster, Environment
from environments.tracardi_accounts import accounts_of
from promotion.management.commands.worker import acts
from tests.data import load
from tests.factories import People, enter, make_index
from tests.promotion.conftest import engine, people, production, staging
from tests.security.listening import listening

__all__ = ["engine", "people", "production", "staging"]
pytestmark = pytest.mark.django_db
HASH = "marked-hash-of-a-password"
Put = Callable[..., None]


@pytest.fixture
def put(staging: Environment, production: Environment, engine: Connection) -> Put:
    """Write an account into a side's user index."""
    shape = fitted(engine, load("0.8.1/indices.json")["tracardi-user"])
    for side in (staging, production):
        index = side.naming.concrete("user")
        # The sets of the tests have one for each protected index, without a mapping.
        engine.request("DELETE", f"/{index}", params={"ignore_unavailable": "true"})
        make_index(engine, index, {**shape, "aliases": {side.naming.alias("user"): {}}})

    def write(side: Environment, name: str, *roles: str, **facts: Any) -> None:
        body = {
            "id": name,
            "email": f"{name}@example.com",
            "full_name": name.capitalize(),
            "password": f"{HASH}-{name}",
            "roles": list(roles),
            "disabled": False,
            **facts,
        }
        path = f"/{side.naming.concrete('user')}/_doc/{name}"
        engine.request("PUT", path, params={"refresh": "true"}, body=json.dumps(body))

    return write


def told(environment: Environment) -> dict[str, str]:
    return {one.code: one.message for one in accounts_of(environment).findings}


def test_one_admin_and_nobody_else_is_as_it_should_be(put: Put, production: Environment) -> None:
    put(production, "ada", "admin", "maintainer")
    found = accounts_of(production)
    assert found.findings == ()
    assert [(one.label, one.roles, one.is_on) for one in found.rows] == [
        ("ada@example.com", ("admin", "maintainer"), True)
    ]


def test_what_ought_not_to_be_so_is_told(
    put: Put, staging: Environment, production: Environment
) -> None:
    put(production, "ada", "admin")
    put(production, "bob", "admin", "developer")
    put(production, "cleo", "developer")
    put(production, "dan", "marketer")
    # These cannot sign in.
    put(production, "eve", "admin", disabled=True)
    put(production, "finn", "developer", expiration_timestamp=int(time.time()) - 60)
    put(production, "gia", "marketer", expiration_timestamp=int(time.time()) + 3600)
    put(staging, "test", "admin", password=f"{HASH}-cleo")
    assert told(production) == {
        "accounts.admins": (
            "2 accounts of Production's Tracardi are admins: ada@example.com, bob@example.com."
        ),
        "accounts.roles": (
            "cleo@example.com (developer) can change Production in Tracardi itself."
        ),
        "accounts.marketers": (
            "dan@example.com, gia@example.com may write rules and segments of Production: "
            "Tracardi's marketer is no mere onlooker."
        ),
        "accounts.passwords": "cleo@example.com: the password is one of Staging's too.",
    }
    # On staging people may do as they like.
    assert told(staging) == {}
    # Of what is worth a look on the home page, nothing that is merely good to know.
    assert look_at_accounts() == [production]
    assert AccountsLook.objects.get().things == 3


@pytest.mark.parametrize(
    "odd",
    [
        {"roles": "admin"},
        {"roles": None},
        {"expiration_timestamp": 10**17},
        {"expiration_timestamp": None, "email": None, "full_name": None},
    ],
)
def test_accounts_of_odd_shapes_are_read(
    put: Put, production: Environment, odd: dict[str, Any]
) -> None:
    put(production, "odd", "admin", **odd)
    [one] = accounts_of(production).rows
    assert one.is_on
    assert one.label


def test_the_administrator_sees_it_and_no_hash_does_anybody(
    put: Put,
    people: People,
    staging: Environment,
    production: Environment,
    plain_static_files: None,
) -> None:
    put(production, "ada", "admin")
    put(production, "bob", "admin", full_name="<script>alert(1)</script>")
    put(staging, "ada", "admin")

    def page(user: User | None, address: str) -> tuple[int, str]:
        client = enter(user)
        answer = client.get(address, secure=True)
        return answer.status_code, answer.content.decode()

    address = reverse("environments:accounts", args=[production.slug])
    status, text = page(people.admin.user, address)
    assert status == 200
    assert "2 accounts of Production" in text
    assert "the password is one of Staging" in text
    assert "<script>alert(1)" not in text
    home_page = reverse("admin:index")
    own_page = reverse("promotion:environment", args=[production.slug])
    # Neither reads it: that is the worker's.
    assert "own accounts of" not in page(people.admin.user, home_page)[1]
    assert "see that the worker runs" in page(people.admin.user, own_page)[1]
    look_at_accounts()
    home, own = page(people.admin.user, home_page)[1], page(people.admin.user, own_page)[1]
    assert "own accounts of Production</a>: 2 things to look at, as of 0\xa0minutes ago." in home
    assert "2 things to look at. As of 0\xa0minutes ago." in own
    assert "worker runs" not in home + own
    assert all(HASH not in one for one in (text, home, own))
    for actor in (people.qa, people.marketing):
        assert page(actor.user, address)[0] == 403
        assert "own accounts" not in page(actor.user, reverse("admin:index"))[1]


def test_without_an_index_there_is_nobody(production: Environment) -> None:
    assert accounts_of(production).findings == ()


def test_the_worker_looks_once_a_minute_and_of_two_one(put: Put, production: Environment) -> None:
    assert look_at_accounts in [act for act, _seconds in acts()]
    put(production, "ada", "admin")
    put(production, "bob", "admin")
    assert look_at_accounts() == [production]
    first = AccountsLook.objects.get()
    assert (first.things, first.is_old) == (1, False)
    # Not due for another worker.
    assert look_at_accounts() == []
    put(production, "bob", "admin", disabled=True)
    AccountsLook.objects.update(begun_at=first.begun_at - EVERY)
    assert look_at_accounts() == [production]
    second = AccountsLook.objects.get()
    assert second.things == 0
    assert second.looked_at is not None
    assert first.looked_at is not None
    assert second.looked_at > first.looked_at


def test_what_was_found_last_stays_with_its_age_while_nobody_answers(
    put: Put, people: People, production: Environment, plain_static_files: None
) -> None:
    put(production, "ada", "admin")
    put(production, "bob", "admin")
    look_at_accounts()
    long_ago = timezone.now() - OLD_LOOK - EVERY
    AccountsLook.objects.update(begun_at=long_ago, looked_at=long_ago)
    Cluster.objects.update(url="http://127.0.0.1:9")
    assert look_at_accounts() == [production]
    kept = AccountsLook.objects.get()
    assert (kept.things, kept.looked_at, kept.is_old) == (1, long_ago, True)
    text = enter(people.admin.user).get(reverse("admin:index"), secure=True).content.decode()
    assert "1 thing to look at, as of 11\xa0minutes ago. See that the worker runs." in text


def test_one_production_out_of_reach_does_not_keep_the_others_from_it(
    put: Put, production: Environment
) -> None:
    put(production, "ada", "admin")
    put(production, "bob", "admin")
    gone = Cluster.objects.create(name="A gone one", url="http://127.0.0.1:9")
    Environment.objects.create(
        name="A first one",
        slug="first",
        cluster=gone,
        version="0.8.1",
        tenant="gone",
        kind="production",
    )
    assert len(look_at_accounts()) == 2
    assert [one.environment for one in to_look_at(Environment.objects.all())] == [production]


def test_no_page_asks_a_cluster_about_accounts(
    people: People, production: Environment, plain_static_files: None
) -> None:
    """The home page of a console whose clusters are all out of reach comes at once."""
    with listening() as cluster:
        Cluster.objects.update(url=cluster.url)
        assert enter(people.admin.user).get(reverse("admin:index"), secure=True).status_code == 200
        assert [path for path in cluster.asked if "tracardi-user" in path] == []
