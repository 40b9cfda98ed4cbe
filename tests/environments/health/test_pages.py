"""Health as pages and as a command: every state in words, for each role what is its own."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from accounts.audit import Actor
from environments.health.looks import PAUSE
from environments.models import OLD_LOOK, Cluster, Environment, HealthLook, HealthState
from tests.environments.health.conftest import MONTH, Pipeline
from tests.factories import People, enter, make_index, make_people
from tests.security.listening import listening

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]


def page(actor: Actor, environment: Environment, query: str = "") -> str:
    address = reverse("environments:health", args=[environment.slug])
    answer = enter(actor.user).get(f"{address}{query}", secure=True)
    assert answer.status_code == 200
    return answer.content.decode()


def read(actor: Actor, name: str, *args: object) -> str:
    answer = enter(actor.user).get(reverse(name, args=args), secure=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_sound_environment_shows_its_figures_to_each_role_and_the_cluster_to_one(
    people: People, pipeline: Pipeline
) -> None:
    pipeline.look()
    shown = pipeline.production
    administrator, marketing = page(people.admin, shown), page(people.marketing, shown)
    kept = HealthLook.objects.latest("pk")
    for text in (administrator, marketing):
        assert "<strong>OK.</strong> Nothing to look at in Production." in text
        assert kept.engine in text
        assert f"its health: {kept.status}" in text
        assert "The same as a table" in text
        # A line with words for each figure and for each of the 20 resources.
        assert text.count('aria-label="Documents: ') == 1
        assert 'aria-label="Flows: 4 all the time."' in text
        assert "100.0&nbsp;%" in text
    assert administrator.count('class="tc-spark"') == 9 + 20
    assert marketing.count('class="tc-spark"') == 7 + 20
    assert "Disks of the cluster" in administrator
    assert "Shards" in administrator
    assert "Disks of the cluster" not in marketing
    assert "Shards" not in marketing
    assert "Look now" in page(people.qa, shown)
    assert "Look now" not in marketing
    assert "There is no such range. These are the last 24 hours." in page(
        people.qa, shown, "?range=century"
    )
    assert "The lines are the last 12 months." in page(people.qa, shown, "?range=1y")


def test_what_is_to_be_looked_at_is_said_with_its_remedy_and_hides_nothing(
    people: People, pipeline: Pipeline
) -> None:
    engine, shown = pipeline.engine, pipeline.production
    odd = f"{shown.naming.concrete('rule')}-\u202eh"
    make_index(engine, odd, {"settings": {"number_of_replicas": 0}})
    transient = {"transient": {"cluster.max_shards_per_node": 1}}
    try:
        engine.request("PUT", "/_cluster/settings", body=transient)
        pipeline.look()
    finally:
        transient["transient"]["cluster.max_shards_per_node"] = None  # type: ignore[assignment]
        engine.request("PUT", "/_cluster/settings", body=transient)
    text = page(people.admin, shown)
    assert "<strong>2 things to look at</strong> in Production." in text
    assert "\u202e" not in text
    assert "tracardi-rule-\\u202eh" in text
    assert "Check the environment&#x27;s version, or remove what nothing needs." in text
    assert "raise cluster.max_shards_per_node" in text
    for actor in (people.qa, people.marketing):
        text = page(actor, shown)
        assert "<strong>2 things to look at</strong>" in text
        assert "tracardi-rule-" in text
        assert "max_shards_per_node" not in text
        assert "1 thing about the cluster is for the administrator to look at." in text
    # The other side has the cluster's alone.
    assert "Staging: 1 thing to look at" in read(people.qa, "admin:index")


def test_what_else_a_name_leads_to_is_told_to_the_administrator_alone(
    people: People, pipeline: Pipeline
) -> None:
    engine, shown = pipeline.engine, pipeline.production
    own = shown.naming.concrete
    others = [f"somebody.{uuid.uuid4().hex[:8]}.{word}" for word in ("one", "two", "three")]
    rule, flow, segment = (shown.naming.alias(name) for name in ("rule", "flow", "segment"))
    for other, names in zip(others, ([rule], [flow], [own("segment")]), strict=True):
        aliases: dict[str, object] = {name: {} for name in names if name != own("segment")}
        make_index(engine, other, {"settings": {"number_of_replicas": 0}, "aliases": aliases})
    moved = shown.naming.generation_index("segment", 9)
    make_index(engine, moved, {"settings": {"number_of_replicas": 0}})
    actions: list[dict[str, dict[str, str]]] = [
        {"remove": {"index": own("flow"), "alias": flow}},
        {"remove_index": {"index": own("segment")}},
        {"add": {"index": moved, "alias": segment}},
        {"add": {"index": others[2], "alias": own("segment")}},
    ]
    try:
        engine.request("POST", "/_aliases", body={"actions": actions})
        pipeline.look()
        told = page(people.admin, shown)
        assert [other for other in others if other not in told] == []
        for actor in (people.qa, people.marketing):
            told = page(actor, shown)
            assert [other for other in others if other in told] == []
            assert f"{rule} to 2 indices ({own('rule')} and an index that is not its own)" in told
            assert f"{flow} to an index that is not its own" in told
            assert f"{own('segment')} to an index that is not its own" in told
    finally:
        engine.request("DELETE", f"/{','.join(others)}")


def test_nobody_looked_nobody_looks_and_nobody_answers_are_told_apart(
    empty: Pipeline, elasticsearch_url: str
) -> None:
    people, shown = make_people(empty.staging, empty.production), empty.production
    text = page(people.qa, shown)
    assert "Unknown: nobody looked yet." in text
    assert "See that it runs." in text
    assert "No figure is known yet: nobody looked. Look now, or start the worker." in text
    assert "Production: unknown: nobody looked yet" in read(people.qa, "admin:index")

    Cluster.objects.update(url="http://127.0.0.1:9")
    empty.look()
    text = page(people.qa, shown)
    assert "<strong>Unreachable.</strong> Cluster Test cannot be reached" in text
    assert "It was never reached: there are no figures yet." in text
    assert "No figure is known yet. They are kept from the first look" in text

    Cluster.objects.update(url=elasticsearch_url)
    empty.look()
    Cluster.objects.update(url="http://127.0.0.1:9")
    before = timezone.now() - timedelta(minutes=3)
    HealthState.objects.update(looked_at=before)
    HealthLook.objects.filter(is_reachable=True).update(at=before)
    empty.look()
    text = page(people.qa, shown)
    assert "<strong>Unreachable.</strong>" in text
    assert "What is below is as of" in text
    assert "3\xa0minutes ago" in text
    # What was known stays, with what was to look at then.
    assert "The cluster has no index of Production." in text
    assert "Production: unreachable, last seen 3\xa0minutes ago" in read(people.qa, "admin:index")

    HealthState.objects.update(tried_at=timezone.now() - OLD_LOOK - timedelta(minutes=2))
    text = page(people.qa, shown)
    assert "<strong>Unknown: nobody looks.</strong> The last look was 12\xa0minutes ago." in text
    assert "See that the worker runs." in text
    own = read(people.qa, "promotion:environment", shown.slug)
    assert "Production: unknown: nobody looks, last 12\xa0minutes ago" in own


def test_a_look_is_asked_for_by_a_click_and_not_twice_at_once(empty: Pipeline) -> None:
    people = make_people(empty.staging, empty.production)
    address = reverse("environments:look", args=[empty.staging.slug])
    client = enter(people.qa.user)
    assert client.get(address, secure=True).status_code == 405
    text = client.post(address, secure=True, follow=True).content.decode()
    assert "Staging was looked at." in text
    assert "<strong>1 thing to look at</strong> in Staging." in text
    text = client.post(address, secure=True, follow=True).content.decode()
    assert "Staging was looked at less than 10 seconds ago" in text
    assert HealthLook.objects.count() == 1
    refused = enter(people.marketing.user).post(address, secure=True)
    assert refused.status_code == 403


def test_home_asks_no_cluster_about_health_and_names_what_may_be_seen_alone(
    empty: Pipeline,
) -> None:
    people = make_people(empty.staging)
    empty.look()
    with listening() as cluster:
        Cluster.objects.update(url=cluster.url)
        text = read(people.qa, "admin:index")
        assert [path for path in cluster.asked if "_cluster/health" in path or "_cat" in path] == []
    assert "Staging: 1 thing to look at" in text
    # Production was not granted.
    assert "Production: 1 thing" not in text
    assert "Production: 1 thing to look at" in read(people.admin, "admin:index")


def test_the_environments_page_counts_documents_as_people_do(
    people: People, pipeline: Pipeline
) -> None:
    text = read(people.qa, "promotion:environment", pipeline.staging.slug)
    row = text[text.index("Entity lists</a>") :]
    assert row[: row.index("</tr>")].count('<td class="tc-num">1</td>') == 1


def test_an_environment_whose_documents_nobody_can_count_is_shown_and_not_taken_for_fresh(
    people: People, pipeline: Pipeline
) -> None:
    limit: dict[str, dict[str, int | None]] = {"transient": {"search.max_buckets": 1}}
    try:
        # The engine then refuses to count by index.
        pipeline.engine.request("PUT", "/_cluster/settings", body=limit)
        text = read(people.admin, "promotion:environment", pipeline.staging.slug)
    finally:
        limit["transient"]["search.max_buckets"] = None
        pipeline.engine.request("PUT", "/_cluster/settings", body=limit)
    row = text[text.index("Entity lists</a>") :]
    assert row[: row.index("</tr>")].count('<td class="tc-num">—</td>') == 1
    assert "Nothing is configured in it yet." not in text


def test_a_dashboard_whose_sessions_nobody_can_count_has_a_dash_for_them(
    people: People, pipeline: Pipeline
) -> None:
    naming = pipeline.production.naming
    index = naming.partition("session", MONTH)
    pipeline.engine.request("DELETE", f"/{index}")
    # Times are no times in it.
    time = {"properties": {"insert": {"type": "ip"}}}
    mapping = {"properties": {"metadata": {"properties": {"time": time}}}}
    aliases: dict[str, object] = {naming.alias("session"): {}}
    make_index(pipeline.engine, index, {"mappings": mapping, "aliases": aliases})
    address = reverse("environments:dashboard", args=[pipeline.production.slug])
    text = enter(people.qa.user).get(f"{address}?whole", secure=True).content.decode()
    assert "Sessions could not be counted" in text
    row = text[text.index(">Sessions</dt>") :]
    assert row[: row.index("</dd>")].endswith(">—")


# --- The command --------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any] | str, str]:
    code = 0
    try:
        call_command("health", *words)
    except SystemExit as end:
        code = int(str(end.code))
    out, err = capsys.readouterr()
    return code, json.loads(out) if "--json" in words else out, err


def test_the_command_looks_and_says_how_it_is(
    people: People, pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    slug, admin = pipeline.production.slug, ("--as", "administrator")
    code, text, _ = run(capsys, slug, *admin)
    assert (code, text) == (0, "Production: OK.\n")
    gone = pipeline.production.naming.concrete("rule")
    pipeline.engine.request("DELETE", f"/{gone}")
    # A moment later; until then, what was found.
    assert run(capsys, slug, *admin)[0] == 0
    HealthState.objects.update(begun_at=timezone.now() - PAUSE)
    code, _, text = run(capsys, slug, *admin)
    assert code == 1
    assert "Production: 1 thing to look at." in text
    assert f"ERROR   1 index of Production is missing: {gone}. Restart its Tracardi" in text
    code, facts, _ = run(capsys, slug, "--kept", "--json", *admin)
    assert not isinstance(facts, str)
    assert (code, facts["state"], facts["status"]) == (1, "look", "failed")
    assert [one["code"] for one in facts["findings"]] == ["indices.missing"]
    assert facts["figures"]["resources"]["flow"][0] == 4


def test_the_command_ends_with_what_kept_it(
    empty: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    make_people(empty.staging)
    slug = empty.staging.slug
    code, _, text = run(capsys, slug, "--kept", "--as", "marketing")
    assert (code, text) == (1, "Staging: unknown: nobody looked yet.\n")
    assert run(capsys, slug, "--as", "marketing")[0] == 3
    assert not HealthLook.objects.exists()
    assert run(capsys, "nowhere", "--as", "qa")[0] == 2
    assert run(capsys, empty.production.slug, "--as", "qa")[0] == 2
    Cluster.objects.update(url="http://127.0.0.1:9")
    code, _, text = run(capsys, slug, "--as", "qa")
    assert code == 1
    assert "Staging: unreachable.\nCluster Test cannot be reached" in text
