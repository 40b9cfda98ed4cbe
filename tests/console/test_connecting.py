"""From an address to environments: the wizard, on a real engine with several installations."""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from guardian.models import UserObjectPermission

from accounts.audit import command_actor, system_actor
from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.services import create_user, grant
from environments import installations
from environments.catalogue import Policy
from environments.elastic import Connection, connect
from environments.installations import look
from environments.models import Cluster, Environment
from environments.naming import Side
from promotion.engine.errors import RuleBroken
from promotion.models import Build, StoredGeneration
from promotion.services import capture
from tests.data import load
from tests.environments.installed import installed
from tests.factories import FACTORS, enter, prove
from tests.promotion.conftest import adopted, engine, people, production, staging
from tests.security.conftest import target
from tests.security.listening import Listener

__all__ = ["adopted", "engine", "people", "production", "staging", "target"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
WORD = uuid.uuid4().hex[:6]
# Both sides; a staging with gaps, of a newer version; a production whose staging is elsewhere.
FULL, HALF, ALONE = f"full-{WORD}", f"half-{WORD}", f"alone-{WORD}"


@pytest.fixture(scope="module")
def url(elasticsearch_url: str) -> Iterator[str]:
    """The address of an engine with three tenants."""
    engine = Connection(Cluster(name="Test", url=elasticsearch_url))
    with (
        installed(engine, FULL),
        installed(engine, HALF, "0.8.2", [Side.STAGING], ["tracardi-flow", "tracardi-user"]),
        installed(engine, ALONE, "0.8.1", [Side.PRODUCTION]),
    ):
        yield elasticsearch_url


@pytest.fixture
def admin(request: pytest.FixtureRequest) -> User:
    if "people" in request.fixturenames:
        known = request.getfixturevalue("people").admin.user
        assert isinstance(known, User)
        return known
    return create_user(
        system_actor(), username="admin", role=Role.ADMINISTRATOR, password="a long phrase 77"
    )


@pytest.fixture
def client(admin: User) -> Client:
    return enter(admin)


@pytest.fixture
def cluster(url: str) -> Cluster:
    return Cluster.objects.create(name="Main", url=url)


def page(answer: Any, status: int = 200) -> str:
    """Return the text of a page, with blanks as a reader sees them."""
    assert answer.status_code == status, answer.content.decode()[-3000:]
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def get(client: Client, name: str, *args: Any, **query: Any) -> Any:
    return client.get(reverse(name, args=args), query, secure=True)


def row(text: str, tenant: str) -> str:
    """Return what a table says of a tenant, up to the next one."""
    return re.split(f"(?:full|half|alone)-{WORD} 0", text.partition(f"{tenant} 0")[2])[0]


def new(there: str, **changed: str) -> dict[str, str]:
    facts = {"name": "Main", "url": there, "authentication": "none", "username": ""}
    return {**facts, "new_secret": "", "ca_certificate": "", **changed}


def names(cluster: Cluster, keys: list[str], **changed: str) -> tuple[str, dict[str, str]]:
    """Return the address and the form that make environments, with the suggested names."""
    query = "&".join(f"set={key}" for key in keys)
    address = f"{reverse('environments:connect-environments', args=[cluster.pk])}?{query}"
    return address, changed


def suggested(client: Client, address: str) -> dict[str, str]:
    """Return the form as it is shown: what a browser would send without a change."""
    text = client.get(address, secure=True).content.decode()
    form = dict(re.findall(r'<input type="text" name="([^"]+)" value="([^"]*)"', text))
    for name, options in re.findall(r'<select name="([^"]+)".*?>(.*?)</select>', text, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        form[name] = chosen[1] if chosen else ""
    return form


# --- A cluster -----------------------------------------------------------------------------------


def test_a_cluster_is_tried_kept_and_looked_into(client: Client, url: str) -> None:
    answer = client.post(reverse("environments:connect"), new(url), secure=True)
    made = Cluster.objects.get()
    assert made.uuid
    assert answer.headers["Location"] == reverse("environments:connect-cluster", args=[made.pk])
    event = AuditEvent.objects.get(action="cluster.added")
    assert (event.object_label, event.detail) == ("Main", {"fields": ["name", "url"]})
    text = page(client.get(answer.headers["Location"], secure=True))
    assert "answers. Main is connected." in text
    assert FULL in text
    # The same one again is said to be it.
    client.post(reverse("environments:connect"), new(url, name="Again"), secure=True)
    again = page(get(client, "environments:connect"))
    assert "It is the same cluster as Main, reached another way." in again


def test_what_is_wrong_stands_at_its_field_and_nothing_is_kept(client: Client, url: str) -> None:
    connecting = reverse("environments:connect")
    for changed, words in (
        ({"url": url.replace("http:", "https:")}, "speaks plain HTTP, and the address says https"),
        ({"url": "http://169.254.169.254"}, "where the console never connects"),
        ({"ca_certificate": "rubbish"}, "The CA certificate cannot be read"),
        ({"authentication": "api-key", "new_secret": "s3cret-7391"}, "This is no API key"),
        ({"authentication": "basic", "new_secret": "s3cret-7391"}, "A user name is needed"),
    ):
        text = page(client.post(connecting, new(url, **changed), secure=True), 400)
        assert words in text
        assert "Nothing was saved." in text
        assert "s3cret-7391" not in text
    assert not Cluster.objects.exists()
    assert not AuditEvent.objects.filter(action="cluster.added").exists()


def test_a_saved_cluster_is_tested_by_a_button(client: Client, cluster: Cluster) -> None:
    address = reverse("environments:test-cluster", args=[cluster.pk])
    answer = client.post(address, {"back": "change"}, secure=True)
    change = reverse("admin:environments_cluster_change", args=[cluster.pk])
    assert answer.headers["Location"] == change
    assert "answers, and lets the console look." in page(client.get(change, secure=True))
    Cluster.objects.update(url="http://127.0.0.1:9")
    answer = client.post(address, secure=True)
    text = page(client.get(answer.headers["Location"], secure=True))
    assert "Main: Nothing listens at 127.0.0.1:9." in text


def test_after_a_change_of_credentials_the_old_ones_are_not_used(
    client: Client, cluster: Cluster
) -> None:
    before = connect(cluster)
    change = reverse("admin:environments_cluster_change", args=[cluster.pk])
    data = new(cluster.url, authentication="basic", username="u", new_secret="another one")
    Environment.objects.create(
        name="E", slug="e", cluster=cluster, version="0.8.1", tenant=FULL, kind="staging"
    )
    client.post(change, data, secure=True)
    text = page(client.get(change, secure=True))
    assert "Changed: way to sign in, user name, password or API key." in text
    assert "1 environment uses it from the next request on." in text
    assert "it is used for 1 environment: E." in text
    [event] = AuditEvent.objects.filter(action="cluster.changed")
    assert event.detail == {"fields": ["authentication", "username", "new_secret"]}
    cluster.refresh_from_db()
    after = connect(cluster)
    assert after is not before
    assert after is connect(Cluster.objects.get())
    # Without credentials none are kept.
    client.post(change, new(cluster.url), secure=True)
    cluster.refresh_from_db()
    assert (cluster.authentication, cluster.secret) == ("none", "")


# --- What is in it -------------------------------------------------------------------------------


def test_installations_are_shown_as_they_are(client: Client, cluster: Cluster) -> None:
    text = page(get(client, "environments:connect-cluster", cluster.pk))
    full, half, alone = (row(text, tenant) for tenant in (FULL, HALF, ALONE))
    assert full.count("complete") == 2
    assert "not adopted" in full
    assert half.startswith(".8.2")
    assert "with gaps" in half
    assert "What is not right (2)" in half
    assert f"Neither 0820.{HALF}.tracardi-flow nor its alias {HALF}.tracardi-flow is there." in half
    assert "Users (never promoted)" in half
    assert "not there" in half
    assert alone.startswith(".8.1")
    assert alone.index("not there") < alone.index("complete")
    # One is looked for by its name.
    found = page(get(client, "environments:connect-cluster", cluster.pk, q=HALF[:9].upper()))
    assert HALF in found
    assert FULL not in found
    none = page(get(client, "environments:connect-cluster", cluster.pk, q="nobody"))
    assert "No installation fits." in none


def test_a_look_by_one_tenant_finds_what_a_look_at_all_does(
    cluster: Cluster, url: str, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    whole = look(cluster)
    for tenant in (FULL, HALF, ALONE):
        [one] = [i for i in whole.installations if i.tenant == tenant]
        assert look(cluster, tenant).installations == (one,)
    assert look(cluster, "no such name").installations == ()
    # A cluster with more names than are read at once.
    monkeypatch.setattr(installations, "BYTES", 12_000)
    text = page(get(client, "environments:connect-cluster", cluster.pk))
    assert "Look for one tenant by its whole name." in text
    text = page(get(client, "environments:connect-cluster", cluster.pk, q=FULL))
    assert "complete" in row(text, FULL)
    address, _ = names(cluster, [f"08x.{FULL}"])
    assert f"Staging of {FULL}" in page(client.get(address, secure=True))


def test_where_no_tracardi_is_the_page_says_what_was_looked_for(
    client: Client, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installations, "_PATTERNS", ("nothing-*",) * 2)
    text = page(get(client, "environments:connect-cluster", cluster.pk))
    assert "No Tracardi is in Main." in text
    assert "08x.TENANT.tracardi-flow" in text
    assert "From zero to staging and production" in text


def test_hundreds_of_tenants_are_shown_in_pages(client: Client, target: Listener) -> None:
    indices = {}
    for number in range(120):
        tenant = f"{'a-long-name-' * 4}{number:03}"
        for name, facts in load("0.8.1/aliases.json").items():
            aliases = [one.replace("acme.", f"{tenant}.") for one in facts["aliases"]]
            indices[name.replace("acme.", f"{tenant}.")] = {"state": "open", "aliases": aliases}
    target.body = json.dumps({"cluster_uuid": "u", "metadata": {"indices": indices}}).encode()
    large = Cluster.objects.create(name="Large", url=target.url, uuid="u")
    text = page(get(client, "environments:connect-cluster", large.pk))
    assert "120 installations; ticks count for the page that is shown." in text
    assert "Page 1 of 5" in text
    assert text.count("not adopted") == 25
    text = page(get(client, "environments:connect-cluster", large.pk, page=5))
    assert f"{'a-long-name-' * 4}119" in text
    text = page(get(client, "environments:connect-cluster", large.pk, q="name-11"))
    assert text.count("not adopted") == 10
    # A page of them is connected at once, each under a name of its own.
    keys = [f"prod-08x.{'a-long-name-' * 4}{number:03}" for number in range(25)]
    address, _ = names(large, keys)
    answer = client.post(address, suggested(client, address), secure=True)
    assert answer.status_code == 302
    assert Environment.objects.count() == 25


def test_what_was_adopted_is_found_so(client: Client, adopted: Environment) -> None:
    live = StoredGeneration.live_in(adopted)
    assert live is not None
    found = look(adopted.cluster, adopted.tenant).find(adopted.naming.key)
    assert found is not None
    assert (found.generation, found.loose) == (live.number, 0)
    assert found.gaps_of(Policy.PROMOTED) == []
    text = page(get(client, "environments:connect-cluster", adopted.cluster_id, q=adopted.tenant))
    assert f"Connected as Production adopted, generation {live.number}" in text


def test_another_cluster_behind_the_address_is_not_looked_into(
    client: Client, cluster: Cluster
) -> None:
    Cluster.objects.update(uuid="another")
    text = page(get(client, "environments:connect-cluster", cluster.pk), 503)
    assert "Behind the address of Main is another cluster than before." in text


# --- Environments --------------------------------------------------------------------------------


def test_a_pair_becomes_a_pipeline_by_two_ticks(client: Client, cluster: Cluster) -> None:
    address, _ = names(cluster, [f"08x.{FULL}", f"prod-08x.{FULL}"])
    form = suggested(client, address)
    stem = FULL.capitalize()
    assert form == {
        f"08x.{FULL}-name": f"{stem} staging",
        f"08x.{FULL}-slug": f"{FULL}-staging",
        f"08x.{FULL}-other": f"set:prod-08x.{FULL}",
        f"prod-08x.{FULL}-name": f"{stem} production",
        f"prod-08x.{FULL}-slug": f"{FULL}-production",
    }
    answer = client.post(address, form, secure=True)
    assert answer.status_code == 302
    here = Environment.objects.get(slug=f"{FULL}-staging")
    there = Environment.objects.get(slug=f"{FULL}-production")
    assert here.promotes_to == there
    assert (here.tenant, here.version, here.kind, there.kind) == (
        FULL,
        "0.8.1",
        "staging",
        "production",
    )
    events = AuditEvent.objects.filter(action="environment.added")
    assert [one.detail["set"] for one in events.order_by("number")] == [
        f"prod-08x.{FULL}",
        f"08x.{FULL}",
    ]
    # They are connected now, and are not offered again.
    text = row(page(get(client, "environments:connect-cluster", cluster.pk)), FULL)
    assert f"Connected as {stem} staging" in text
    assert f"Connected as {stem} production" in text
    again = page(client.post(address, suggested(client, address), secure=True), 400)
    assert f"It is connected already, as {stem} staging." in again
    assert Environment.objects.count() == 2


def test_staging_here_feeds_production_on_another_cluster(
    client: Client, cluster: Cluster, url: str
) -> None:
    elsewhere = Cluster.objects.create(name="Elsewhere", url="http://127.0.0.1:9", uuid="other")
    facts = {"version": "0.8.1", "cluster": elsewhere}
    there = Environment.objects.create(name="P", slug="p", tenant=FULL, kind="production", **facts)
    Environment.objects.create(name="Q", slug="q", tenant="other", kind="production", **facts)
    address, _ = names(cluster, [f"08x.{FULL}"])
    form = suggested(client, address)
    assert form[f"08x.{FULL}-other"] == f"environment:{there.pk}"
    assert client.post(address, form, secure=True).status_code == 302
    assert Environment.objects.get(tenant=FULL, kind="staging").promotes_to == there
    # And the other way round.
    source = Environment.objects.create(name="S", slug="s", tenant=ALONE, kind="staging", **facts)
    address, _ = names(cluster, [f"prod-08x.{ALONE}"])
    form = suggested(client, address)
    assert form[f"prod-08x.{ALONE}-other"] == f"environment:{source.pk}"
    assert client.post(address, form, secure=True).status_code == 302
    source.refresh_from_db()
    assert source.promotes_to == Environment.objects.get(tenant=ALONE, kind="production")
    assert source.promotes_to.cluster == cluster


def test_all_are_made_or_none(client: Client, cluster: Cluster) -> None:
    address, _ = names(cluster, [f"08x.{FULL}", f"prod-08x.{FULL}"])
    form = suggested(client, address)
    for changed, words in (
        ({f"08x.{FULL}-name": f"{FULL.capitalize()} production"}, "with this Name already exists"),
        ({f"08x.{FULL}-slug": f"{FULL}-production"}, "with this Slug already exists"),
        ({f"08x.{FULL}-slug": "no slug"}, "Enter a valid “slug”"),
        ({f"08x.{FULL}-name": ""}, "This field is required"),
        ({f"08x.{FULL}-other": "environment:99"}, "is not one of the available choices"),
    ):
        text = page(client.post(address, {**form, **changed}, secure=True), 400)
        assert words in text
        assert "Nothing was made." in text
        # What was typed is not lost.
        assert (
            f"{FULL.capitalize()} production"
            in client.post(address, {**form, **changed}, secure=True).content.decode()
        )
    assert not Environment.objects.exists()
    assert not AuditEvent.objects.filter(action="environment.added").exists()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "Nothing is ticked."),
        ("?set=08x.FULL&set=08x.nobody", "Not in Main, or not to be connected: 08x.nobody."),
        ("?" + "&".join(["set=x"] * 51), "Tick at most 50 at once."),
        ("?set=%00%E2%80%AE", "Not in Main"),
    ],
)
def test_what_cannot_be_ticked_is_said(
    client: Client, cluster: Cluster, query: str, words: str
) -> None:
    address = reverse("environments:connect-environments", args=[cluster.pk])
    # Tests are named alike in each process, and the tenants are not.
    query = query.replace("FULL", FULL)
    for send in (client.get, client.post):
        assert words in page(send(address + query, secure=True), 400)
    assert not Environment.objects.exists()


def test_a_set_with_gaps_can_be_connected_and_its_page_says_what_is_there(
    client: Client, cluster: Cluster
) -> None:
    address, _ = names(cluster, [f"0820.{HALF}"])
    text = page(client.get(address, secure=True))
    assert "Names or indices of 1 of the 20 that are promoted and 1 of the others" in text
    assert client.post(address, suggested(client, address), secure=True).status_code == 302


def test_a_cluster_that_is_entered_twice_has_each_set_once(
    client: Client, cluster: Cluster
) -> None:
    Cluster.objects.update(uuid="")
    client.post(reverse("environments:connect"), new(cluster.url, name="Twin"), secure=True)
    twin = Cluster.objects.get(name="Twin")
    Cluster.objects.update(uuid=twin.uuid)
    address, _ = names(cluster, [f"08x.{FULL}"])
    client.post(address, suggested(client, address), secure=True)
    text = page(get(client, "environments:connect-cluster", twin.pk))
    assert f"Connected as {FULL.capitalize()} staging of Main" in row(text, FULL)
    address, _ = names(twin, [f"08x.{FULL}"])
    assert "connected already" in page(
        client.post(address, suggested(client, address), secure=True), 400
    )


def test_without_a_fresh_proof_nothing_is_connected(
    admin: User, client: Client, cluster: Cluster, url: str
) -> None:
    prove(client, admin, FACTORS, ago=3600)
    address, _ = names(cluster, [f"08x.{FULL}"])
    for there, data in (
        (address, {f"08x.{FULL}-name": "N", f"08x.{FULL}-slug": "n"}),
        (reverse("environments:connect"), new(url, name="New")),
        (reverse("environments:remove-cluster", args=[cluster.pk]), {"sure": "on"}),
    ):
        for answer in (client.get(there, secure=True), client.post(there, data, secure=True)):
            assert answer.headers["Location"].startswith(reverse("account_reauthenticate"))
    assert not Environment.objects.exists()
    assert [one.name for one in Cluster.objects.all()] == ["Main"]
    refused = AuditEvent.objects.filter(outcome="refused").values_list("action", flat=True)
    assert set(refused) == {"environment.added", "cluster.added", "cluster.removed"}


# --- The set-up's own form -----------------------------------------------------------------------


def entered(cluster: Cluster, **changed: str) -> dict[str, str]:
    facts = {"name": "Shop", "slug": "shop", "kind": "staging", "cluster": str(cluster.pk)}
    return {**facts, "version": "0.8.1", "tenant": FULL, **changed}


ADD = "admin:environments_environment_add"
CHANGE = "admin:environments_environment_change"


def test_a_mistyped_tenant_is_not_saved_without_a_tick(client: Client, cluster: Cluster) -> None:
    add = reverse(ADD)
    typo = FULL.replace("full", "ful")
    text = page(client.post(add, entered(cluster, tenant=typo), secure=True))
    assert f"No index of tenant {typo}, version 0.8.1, staging, is in Main" in text
    assert f"There are: {FULL} (0.8.1: staging and production)" in text
    assert "tick “It is not installed yet”" in text
    assert "is not usable" not in text
    text = page(client.post(add, entered(cluster, version="0.8.2"), secure=True))
    assert f"No index of tenant {FULL}, version 0.8.2, staging, is in Main" in text
    assert not Environment.objects.exists()
    data = entered(cluster, tenant=typo, not_installed="on")
    assert client.post(add, data, secure=True).status_code == 302
    assert Environment.objects.get().tenant == typo


def test_indices_without_their_aliases_are_not_taken_for_an_installation(
    client: Client, cluster: Cluster, url: str
) -> None:
    engine, naming = connect(cluster), Environment(version="0.8.1", tenant=FULL, kind="staging")
    flow = naming.naming.concrete("flow")
    with installed(engine, "bare-" + WORD, "0.8.1", [Side.STAGING]):
        bare = flow.replace(FULL, f"bare-{WORD}").replace("tracardi-flow", "*")
        engine.request("DELETE", f"/{bare}/_alias/*")
        data = entered(cluster, tenant=f"bare-{WORD}")
        text = page(client.post(reverse(ADD), data, secure=True))
    assert "Indices are there, but none of their 20 aliases leads to them." in text
    assert not Environment.objects.exists()


def test_gaps_are_a_warning_and_a_cluster_that_does_not_answer_asks_for_the_tick(
    client: Client, cluster: Cluster
) -> None:
    data = entered(cluster, tenant=HALF, version="0.8.2")
    answer = client.post(reverse(ADD), data, secure=True, follow=True)
    assert "are not as Tracardi makes them" in page(answer)
    gone = Cluster.objects.create(name="Gone", url="http://127.0.0.1:9")
    data = entered(gone, name="Other", slug="other")
    assert "nobody can say whether its indices are there" in page(
        client.post(reverse(ADD), data, secure=True)
    )
    answer = client.post(reverse(ADD), {**data, "not_installed": "on"}, secure=True)
    assert answer.status_code == 302
    assert Environment.objects.count() == 2


def test_what_has_no_build_can_be_corrected(client: Client, cluster: Cluster) -> None:
    client.post(reverse(ADD), entered(cluster, tenant="typo", not_installed="on"), secure=True)
    made = Environment.objects.get()
    change = reverse(CHANGE, args=[made.pk])
    assert "can be corrected here" in page(client.get(change, secure=True))
    # A look at the rest of it asks no cluster.
    Cluster.objects.update(url="http://127.0.0.1:9")
    answer = client.post(change, entered(cluster, tenant="typo", name="New"), secure=True)
    assert answer.status_code == 302
    Cluster.objects.update(url=cluster.url)
    text = page(client.post(change, entered(cluster, tenant="typo2"), secure=True))
    assert "No index of tenant typo2" in text
    data = entered(cluster, kind="production")
    assert client.post(change, data, secure=True).status_code == 302
    made.refresh_from_db()
    assert (made.tenant, made.kind, made.slug) == (FULL, "production", "shop")


def test_what_is_promoted_to_stays_a_production(client: Client, cluster: Cluster) -> None:
    address, _ = names(cluster, [f"08x.{FULL}", f"prod-08x.{FULL}"])
    client.post(address, suggested(client, address), secure=True)
    production = Environment.objects.get(kind="production")
    data = entered(cluster, kind="staging", tenant=ALONE, not_installed="on")
    text = page(client.post(reverse(CHANGE, args=[production.pk]), data, secure=True))
    assert "Full-" in text
    assert "promotes to it. Nothing was saved." in text


def test_what_has_builds_says_why_it_stays(client: Client, staging: Environment) -> None:
    capture(system_actor(), staging)
    change = reverse(CHANGE, args=[staging.pk])
    text = page(client.get(change, secure=True))
    assert "Staging has builds. So its kind, cluster, version and tenant stay" in text
    before = staging.tenant
    data = entered(staging.cluster, tenant="other", not_installed="on")
    assert client.post(change, data, secure=True).status_code == 302
    staging.refresh_from_db()
    assert (staging.tenant, staging.name) == (before, "Shop")
    remove = reverse("environments:remove-environment", args=[staging.slug])
    assert "Shop has builds. It stays in the console." in page(client.get(remove, secure=True))
    answer = client.post(remove, {"sure": "on"}, secure=True, follow=True)
    assert "Nothing was removed." in page(answer)
    assert Environment.objects.filter(pk=staging.pk).exists()
    event = AuditEvent.objects.get(action="environment.removed")
    assert (event.outcome, event.environment_label) == ("refused", "Shop")


def test_what_was_corrected_while_it_was_captured_keeps_no_build(staging: Environment) -> None:
    """The build would be of indices that are another environment's."""
    held = Environment.objects.get(pk=staging.pk)
    Environment.objects.filter(pk=staging.pk).update(tenant="another")
    with pytest.raises(RuleBroken, match="was set up anew meanwhile"):
        capture(system_actor(), held)
    assert not Build.objects.exists()


# --- Removal -------------------------------------------------------------------------------------


def test_an_environment_without_history_and_then_its_cluster_are_removed(
    client: Client, cluster: Cluster, admin: User
) -> None:
    address, _ = names(cluster, [f"08x.{FULL}", f"prod-08x.{FULL}"])
    client.post(address, suggested(client, address), secure=True)
    production, source = Environment.objects.order_by("kind")
    qa = create_user(system_actor(), username="qa", role=Role.QA, password="a long phrase 77")
    for one in (production, source):
        grant(command_actor(admin), qa, one)

    def removed(one: Environment) -> Any:
        remove = reverse("environments:remove-environment", args=[one.slug])
        assert "stay as they are" in page(client.get(remove, secure=True)) or one == production
        assert client.post(remove, {}, secure=True).status_code == 400
        return client.post(remove, {"sure": "on"}, secure=True, follow=True)

    assert "promotes to" in page(removed(production))
    gone = reverse("environments:remove-cluster", args=[cluster.pk])
    assert "It has 2 environments. Remove those first." in page(client.get(gone, secure=True))
    client.post(gone, {"sure": "on"}, secure=True)
    assert Cluster.objects.count() == 1
    page(removed(source))
    page(removed(production))
    assert not Environment.objects.exists()
    assert not UserObjectPermission.objects.exists()
    done = AuditEvent.objects.filter(action="environment.removed", outcome="done")
    assert [one.detail["revoked"] for one in done] == [["qa"], ["qa"]]
    assert "keeps" not in page(client.get(gone, secure=True))
    client.post(gone, {"sure": "on"}, secure=True)
    assert not Cluster.objects.exists()
    event = AuditEvent.objects.get(action="cluster.removed", outcome="done")
    assert (event.object_label, event.detail) == ("Main", {"url": cluster.url})
    # Nothing was touched there.
    assert connect(cluster).request("GET", f"/08x.{FULL}.tracardi-flow")


def test_an_environment_whose_indices_are_not_there_says_so_once(
    client: Client, cluster: Cluster
) -> None:
    data = entered(cluster, tenant="nowhere", not_installed="on")
    client.post(reverse(ADD), data, secure=True)
    text = page(get(client, "promotion:environment", "shop"))
    assert "None of the 20 indices of tenant nowhere, version 0.8.1, staging, is there." in text
    assert "correct them in the set-up" in text
    answer = client.post(reverse("promotion:capture", args=["shop"]), secure=True, follow=True)
    text = page(answer)
    assert text.count("None of the 20 indices of tenant nowhere") == 1
    assert "Nothing was changed. If tenant or version are mistyped, correct them" in text
    assert "No index has the alias" not in text
