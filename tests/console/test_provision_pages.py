"""Making a missing set and filling a staging, in the browser's words and on the command line."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from environments.elastic import connect
from environments.models import Environment
from promotion.claim import claim
from promotion.cluster import ClusterReader
from promotion.planning import writer_for
from promotion.provisioning import plan
from promotion.refreshing import plan as refresh_plan
from promotion.writer import ClusterWriter
from tests.factories import People, enter, make_people, prove, put, served
from tests.promotion import sets

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def tenant(elasticsearch_url: str) -> Iterator[str]:
    """Whose production is there, as Tracardi installs it; to be left so."""
    with sets.installed(elasticsearch_url, "production") as name:
        yield name


@pytest.fixture
def production(elasticsearch_url: str, tenant: str) -> Environment:
    cluster = sets.new_cluster(elasticsearch_url)
    return sets.new_environment(cluster, "production", tenant, slug="production")


@pytest.fixture
def staging(production: Environment) -> Iterator[Environment]:
    """A staging that is set up in the console alone."""
    made = sets.new_environment(production.cluster, "staging", production.tenant, slug="staging")
    made.promotes_to = production
    made.save()
    engine = connect(made.cluster)
    yield made
    sets.uninstall(made, engine)


@pytest.fixture
def people(staging: Environment, production: Environment, plain_static_files: None) -> People:
    return make_people(staging, production)


def address(name: str, **query: str) -> str:
    return reverse(f"promotion:{name}", args=["staging"], query=query)


def get(client: Client, name: str, **query: str) -> str:
    answer = client.get(address(name, **query), secure=True)
    assert answer.status_code == 200
    return answer.content.decode()


def confirm(client: Client, name: str, page: str, **data: str) -> str:
    """Send the form of a page as it was shown, read and agreed to."""
    found = re.search(r'name="plan" value="([0-9a-f]{64})"', page)
    assert found is not None
    asked = re.search(r'name="asked" value="([^"]*)"', page)
    whole = {"other": "production", "plan": found[1], "agree": "on", **data}
    if asked is not None:
        whole.setdefault("asked", asked[1])
    return client.post(address(name), whole, secure=True, follow=True).content.decode()


def test_a_missing_staging_is_made_and_filled_from_its_page(
    people: People, staging: Environment, production: Environment
) -> None:
    client = enter(people.admin.user)
    shown = get(client, "environment")
    assert "Provision like …" in shown
    assert "Refresh from production" not in shown
    choice = get(client, "provision")
    assert '<option value="production"' in choice
    page = get(client, "provision", other="production")
    assert staging.naming.concrete("flow") in page
    assert (
        ClusterWriter(connect(staging.cluster)).states(staging.naming.search_patterns()[:1]) == {}
    )
    done = confirm(client, "provision", page, reason="A new staging")
    assert "Staging is like Production" in done
    assert "Provision like …" not in done
    assert "Refresh from production" in done
    assert "Nothing is missing." in get(client, "provision", other="production")
    fresh = get(client, "refresh")
    assert re.search(r"Flows</th><td[^>]*>[1-9]", fresh)
    done = confirm(client, "refresh", fresh)
    assert "Staging holds what Production serves" in done
    assert served(staging, "flow") == served(production, "flow")
    assert "Refresh from production" not in done
    made = AuditEvent.objects.get(action="environment.provision")
    assert (made.reason, made.channel) == ("A new staging", "web")


def test_what_is_there_is_lost_only_with_consent_and_secrets_stay_out_on_request(
    people: People, staging: Environment, production: Environment
) -> None:
    sets.install(staging, documents=False)
    put(staging, "rule", "mine", '{"name": "Mine"}')
    client = enter(people.admin.user)
    page = get(client, "refresh", halves="out")
    assert "1 document of Staging will be written over or deleted." in page
    assert "production halves of credentials stay out" in page
    assert "PROD" not in page
    refused = confirm(client, "refresh", page, halves="out")
    assert "Agree to this, or do not go on." in refused
    assert set(served(staging, "rule")) == {"mine"}
    done = confirm(client, "refresh", page, halves="out", **{"consent-0": "on"})
    assert "What it held is Staging build 1." in done
    assert served(staging, "rule") == served(production, "rule")
    assert served(staging, "resource") != served(production, "resource")


def test_a_click_on_refresh_reads_each_side_no_more_often_than_it_must(
    people: People,
    staging: Environment,
    production: Environment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sets.install(staging, documents=False)
    client = enter(people.admin.user)
    page = get(client, "refresh")
    read, found = ClusterReader.read, Counter[str]()

    def counted(self: ClusterReader, index: str, **more: int | None) -> Iterator[tuple[str, bytes]]:
        found[index] += 1
        return read(self, index, **more)

    monkeypatch.setattr(ClusterReader, "read", counted)
    assert "Staging holds what Production serves" in confirm(client, "refresh", page)
    # Before the claim, under it, and as the proof.
    assert set(found.values()) == {3}
    assert len(found) == 2 * len(staging.catalogue.promoted)


def test_consent_that_was_not_asked_for_is_none(
    people: People, staging: Environment, production: Environment
) -> None:
    sets.install(staging, documents=False)
    put(staging, "rule", "mine", '{"name": "Mine"}')
    client = enter(people.admin.user)
    page = get(client, "refresh")
    for asked in ("", "replace:2"):
        done = confirm(client, "refresh", page, **{"consent-0": "on"}, asked=asked)
        assert "Agree to it: what it holds is kept as a build first." in done
    assert set(served(staging, "rule")) == {"mine"}


def test_a_click_without_a_fresh_proof_or_of_an_old_plan_makes_nothing(
    people: People, staging: Environment, production: Environment
) -> None:
    client = enter(people.admin.user)
    page = get(client, "provision", other="production")
    assert people.admin.user is not None
    prove(client, people.admin.user, ago=100_000)
    assert "Confirm that it is you first" in confirm(client, "provision", page)
    prove(client, people.admin.user)
    page = page.replace(plan(staging, production).digest, "0" * 64)
    assert "Look at the new plan." in confirm(client, "provision", page)
    assert plan(staging, production).due
    digest = plan(staging, production).digest
    unread = {"other": "production", "plan": digest}
    answer = client.post(address("provision"), unread, secure=True)
    assert answer.status_code == 400
    # It can be sent again as it was.
    assert answer.content.decode().count(f'value="{digest}"') == 1


def test_what_stands_against_it_is_said_on_the_page(
    people: People, staging: Environment, production: Environment
) -> None:
    flow = staging.naming.concrete("flow")
    connect(staging.cluster).request("PUT", f"/{flow}")
    page = get(enter(people.admin.user), "provision", other="production")
    assert f"The index {flow} has not the alias {staging.naming.alias('flow')}." in page
    assert re.search(r"<button[^>]* disabled>Make just that", page)
    missing = get(enter(people.admin.user), "refresh")
    assert "No index has the alias" in missing or "Make them first" in missing


def test_an_engine_that_does_not_answer_is_said(people: People, staging: Environment) -> None:
    away = sets.new_cluster("http://127.0.0.1:9", "Away")
    Environment.objects.filter(pk=staging.pk).update(cluster=away)
    for name in ("provision", "refresh"):
        page = get(enter(people.admin.user), name, other="production")
        assert "cannot be reached: nothing answers at its address." in page


# --- The command ------------------------------------------------------------------------------

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(people: People) -> Run:
    """Run the command as the administrator; return its exit code and what it printed."""

    def call(*words: str) -> tuple[int, Any]:
        out, err, code = StringIO(), StringIO(), 0
        try:
            call_command(
                "provision", "staging", *words, "--as", "administrator", stdout=out, stderr=err
            )
        except SystemExit as end:
            code = int(end.code or 0)
        text = out.getvalue() or err.getvalue()
        return code, json.loads(text) if "--json" in words else text

    return call


def test_the_command_plans_makes_and_fills(
    run: Run, staging: Environment, production: Environment
) -> None:
    like = ("--like", "production")
    code, words = run(*like, "--plan")
    assert code == 0
    assert re.search(rf"make +index +{re.escape(staging.naming.concrete('flow'))}\n", words)
    code, planned = run(*like, "--plan", "--json")
    digest = planned["plan"]["digest"]
    assert digest in words
    assert len(planned["plan"]["steps"]) == len(plan(staging, production).steps)
    code, stale = run(*like, "--yes", "--digest", "0" * 64, "--json")
    assert (code, stale["code"]) == (3, "stale-plan")
    code, made = run(*like, "--yes", "--digest", digest, "--json", "--reason", "Ours")
    assert code == 0
    assert staging.naming.template("event") in made["made"]
    code, words = run(*like, "--yes")
    assert (code, words) == (
        0,
        "Staging is like Production: nothing was missing, and all of it was read back.\n",
    )
    out = ("--from", "production", "--without-production-secrets")
    code, words = run(*out, "--plan")
    assert code == 0
    assert re.search(r"flow +[1-9]\d* added, 0 written over, 0 deleted, 0 so already", words)
    code, filled = run(*out, "--yes", "--json")
    assert (code, filled["kept"]) == (0, None)
    assert filled["plan"]["left_out"] > 2
    whole = ("--from", "production", "--yes", "--json")
    code, asked = run(*whole)
    assert (code, asked["code"]) == (3, "preflight")
    consent = next(finding["code"] for finding in asked["findings"])
    code, filled = run(*whole, "--consent", consent)
    assert (code, filled["kept"]) == (0, 1)
    assert refresh_plan(staging, production).due == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--like", "production"), 2, "Look at it with --plan first, then say --yes."),
        (("--like", "nowhere", "--plan"), 2, "There is no environment 'nowhere'."),
        (("--like", "production", "--plan", "--yes"), 2, "--plan only looks"),
        (("--like", "production", "--yes", "--consent", "x"), 2, "go with --from"),
        (("--like", "staging", "--yes"), 3, "the very same indices"),
        (("--from", "staging", "--yes"), 3, "Only a production is copied"),
        (("--from", "production", "--plan"), 3, "provision staging --like production"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_made(
    run: Run, staging: Environment, words: tuple[str, ...], code: int, said: str
) -> None:
    found, text = run(*words)
    assert found == code
    assert said in text
    assert (
        ClusterWriter(connect(staging.cluster)).states(staging.naming.search_patterns()[:1]) == {}
    )


def test_the_command_waits_until_the_claim_of_a_dead_one_is_over(
    run: Run, staging: Environment, production: Environment, settings: Any
) -> None:
    settings.LEASE_SECONDS, settings.LEASE_RENEW_SECONDS = 3, 0.2
    claim(writer_for(staging), staging, "a dead one").stop()
    code, words = run("--like", "production", "--yes")
    assert code == 0, words
    assert plan(staging, production).due == ()
