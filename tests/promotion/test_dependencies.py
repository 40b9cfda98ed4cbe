"""References of a build: what stands against an approval and a promotion, and how it is kept."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from django.urls import reverse

from accounts.audit import system_actor
from accounts.models import AuditEvent
from environments.elastic import Connection
from environments.models import Environment
from promotion import kept_links
from promotion.dependencies import configuration_of, findings_of
from promotion.document_views import document_url
from promotion.engine.errors import PreflightFailed, RuleBroken
from promotion.kept_links import compute
from promotion.live import finish
from promotion.models import Blob, Build, Review, StoredLinks
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.services import capture, review
from promotion.store import DatabaseContent
from tests.data import configuration
from tests.factories import People, enter, make_index
from tests.factories import put as write
from tests.promotion.conftest import Put, Ship
from tests.promotion.test_review import run

pytestmark = pytest.mark.django_db
APPROVED, REJECTED = Review.Verdict.APPROVED, Review.Verdict.REJECTED
MISSING = "missing-reference:flow/gone"
DISABLED = "disabled-reference:event-source/src-web-shop"


def real(storage: str, doc_id: str) -> dict[str, Any]:
    source: dict[str, Any] = json.loads(dict(configuration(storage))[doc_id])
    return source


def rule_without_flow() -> str:
    gone = {"id": "gone", "name": "Left behind"}
    return json.dumps({**real("tracardi-rule", "rule-purchase"), "flow": gone})


def disabled_source() -> str:
    return json.dumps({**real("tracardi-source", "src-web-shop"), "enabled": False})


def codes(build: Build) -> list[tuple[str, str]]:
    return [(found.severity.value, found.code) for found in findings_of(build)]


def test_a_rule_whose_flow_is_missing_is_not_approved_and_may_be_rejected(
    people: People, adopted: Environment, staging: Environment, put: Put
) -> None:
    put("rule", "rule-purchase", rule_without_flow())
    build = capture(people.qa, staging)
    with pytest.raises(RuleBroken, match="Flow “Left behind” is missing, and rule “Purchase"):
        review(people.qa, build, APPROVED, content=build.content, acknowledged=[MISSING])
    assert not Review.objects.exists()
    made = review(people.qa, build, REJECTED, content=build.content, comment="A flow is missing.")
    assert made.acknowledged == []


def test_a_warning_is_acknowledged_by_name_and_kept_with_the_review(
    people: People, adopted: Environment, staging: Environment, put: Put
) -> None:
    put("event-source", "src-web-shop", disabled_source())
    build = capture(people.qa, staging)
    with pytest.raises(RuleBroken, match="Acknowledge this by name first: Event source “Web shop”"):
        review(people.qa, build, APPROVED, content=build.content, acknowledged=["another"])
    due = [code for severity, code in codes(build) if severity == "warning"]
    assert DISABLED in due
    made = review(people.qa, build, APPROVED, content=build.content, acknowledged=due)
    assert [finding["code"] for finding in made.acknowledged] == due
    event = AuditEvent.objects.get(action="build.approved", outcome="done")
    assert event.detail["acknowledged"] == [finding["message"] for finding in made.acknowledged]


def test_a_build_that_was_approved_before_is_refused_where_it_would_go_live(
    people: People, adopted: Environment, staging: Environment, put: Put
) -> None:
    put("rule", "rule-purchase", rule_without_flow())
    build = capture(people.qa, staging)
    assert people.qa.user is not None
    Review.objects.create(
        build=build,
        environment=staging,
        content=build.content,
        verdict=APPROVED,
        reviewed_by=people.qa.user,
    )
    with pytest.raises(PreflightFailed, match="Left behind") as caught:
        prepare(build, adopted)
    assert MISSING in [finding.code for finding in caught.value.findings]


def test_what_production_has_in_the_same_way_stands_in_no_promotions_way(
    people: People,
    production: Environment,
    staging: Environment,
    put: Put,
    request: pytest.FixtureRequest,
) -> None:
    for environment in (staging, production):
        write(environment, "rule", "rule-purchase", rule_without_flow())
    adopted = request.getfixturevalue("adopted")
    put("segment", "seg-new", '{"name": "New", "enabled": true, "machine_name": "new"}')
    build = capture(people.qa, staging)
    assert codes(build) == [("warning", f"{MISSING}:live")]
    [found] = findings_of(build)
    assert "Production has it in the same way already." in found.message
    review(people.qa, build, APPROVED, content=build.content, acknowledged=[found.code])
    ready = prepare(build, adopted)
    made = promote(people.admin, build, adopted, plan_digest=ready.plan_digest)
    assert finish(made).status == "succeeded"


@pytest.fixture
def bridges(production: Environment, engine: Connection) -> Iterator[str]:
    """The index of bridges that both sides share, with those of the real event sources."""
    naming = production.naming
    index = naming.concrete("bridge")
    make_index(engine, index, {"aliases": {naming.alias("bridge"): {}}})
    known = {
        real("tracardi-source", i)["bridge"]["id"] for i, _ in configuration("tracardi-source")
    }
    for one in known:
        engine.request("PUT", f"/{index}/_doc/{one}", params={"refresh": "true"}, body={})
    yield index
    engine.request("DELETE", f"/{index}")


@pytest.mark.usefixtures("bridges")
def test_a_source_whose_bridge_is_not_installed_is_an_error(
    people: People, adopted: Environment, staging: Environment, put: Put
) -> None:
    source = real("tracardi-source", "src-web-shop")
    assert codes(capture(people.qa, staging)) == []
    put("event-source", "src-kafka", json.dumps({**source, "bridge": {"id": "k", "name": "Kafka"}}))
    assert codes(capture(people.qa, staging)) == [("error", "unknown-bridge:bridge/k")]


def test_where_no_bridges_can_be_asked_for_nothing_is_said_of_them(
    people: People, adopted: Environment, staging: Environment, put: Put
) -> None:
    source = real("tracardi-source", "src-web-shop")
    put("event-source", "src-kafka", json.dumps({**source, "bridge": {"id": "k", "name": "Kafka"}}))
    assert codes(capture(people.qa, staging)) == []


# --- How links are kept --------------------------------------------------------------------------


@pytest.fixture
def forget() -> Callable[[], None]:
    """Forget what is in memory, as another process has never known it."""
    return kept_links._recent.clear


def of_blobs(build: Build, resource: str) -> object:
    content = DatabaseContent()
    tree = content.tree(build.resources()[resource].tree.digest)
    return compute(tree, content.sources(tree))


def test_what_a_capture_keeps_of_references_equals_what_the_documents_hold(
    staging: Environment, put: Put, forget: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = capture(system_actor(), staging)
    put("rule", "rule-new", rule_without_flow())
    second = capture(system_actor(), staging)
    # In parts, as a large one.
    monkeypatch.setattr(kept_links, "LARGE", 2)
    write(staging, "rule", "rule-page", rule_without_flow())
    third = capture(system_actor(), staging)
    forget()
    for build in (first, second, third):
        for resource in ("rule", "flow", "resource", "segment", "content"):
            digest = build.resources()[resource].tree.digest
            assert StoredLinks.objects.filter(tree=digest).exists()
            assert DatabaseContent().links(digest) == of_blobs(build, resource)


def test_references_of_an_older_build_are_found_without_a_write_and_kept_by_the_next_capture(
    staging: Environment, forget: Callable[[], None]
) -> None:
    build = capture(system_actor(), staging)
    StoredLinks.objects.all().delete()
    forget()
    assert configuration_of(build).used_by(("flow", "flow-purchase"))
    assert not StoredLinks.objects.exists()
    capture(system_actor(), staging)
    assert StoredLinks.objects.count() == len({p.tree.digest for p in build.resources().values()})


def test_what_is_kept_of_references_is_encrypted(staging: Environment) -> None:
    capture(system_actor(), staging)
    kept = b"".join(bytes(row.body) for row in StoredLinks.objects.all())
    assert kept
    assert b"flow-purchase" not in kept


# --- Pages ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("plain_static_files", "adopted")
def test_the_page_of_a_document_shows_what_it_uses_and_is_used_by_with_secrets_masked(
    people: People, staging: Environment, put: Put
) -> None:
    put("flow", quote("a/b?c=ü", safe=""), json.dumps(real("tracardi-flow", "flow-crm-sync")))
    build, look = capture(people.qa, staging), enter(people.qa.user)
    blobs = Blob.objects.count()

    def page(resource: str, doc_id: str, more: str = "") -> str:
        answer = look.get(document_url(build, (resource, doc_id)) + more, secure=True)
        assert answer.status_code == 200
        return answer.content.decode()

    text = page("flow", "a/b?c=ü")
    assert "CRM REST API" in text
    assert "in a draft or backup alone" not in text
    assert "••••••" in page("resource", "res-crm-api")
    assert "CRM sync" in page("resource", "res-crm-api")
    assert "Purchase -&gt; follow-up" in page("flow", "flow-purchase")
    # A flow is drawn, and its text is behind a link; of others the way of an event is.
    assert 'class="tc-flow-picture' in text
    assert "&quot;flowGraph&quot;" not in text
    assert "&quot;flowGraph&quot;" in page("flow", "a/b?c=ü", "&text")
    rule = page("rule", "rule-purchase")
    assert "The way of an event around it" in rule
    assert 'class="tc-flow-picture' in rule
    assert "The way of an event around it" not in page("resource", "res-crm-api")
    for query in ("", "?id=nothing"):
        path = reverse("promotion:document", args=[staging.slug, build.number, "flow"])
        assert look.get(f"{path}{query}", secure=True).status_code == 404
    path = reverse("promotion:document", args=[staging.slug, build.number, "event"])
    assert look.get(f"{path}?id=x", secure=True).status_code == 404
    assert Blob.objects.count() == blobs


@pytest.mark.usefixtures("plain_static_files", "adopted")
def test_the_page_of_a_build_asks_for_each_warning_and_says_what_was_acknowledged(
    people: People, staging: Environment, put: Put
) -> None:
    put("event-source", "src-web-shop", disabled_source())
    build, look = capture(people.qa, staging), enter(people.qa.user)
    path = reverse("promotion:build", args=[staging.slug, build.number])
    text = look.get(path, secure=True).content.decode()
    assert "Event source “Web shop” is disabled" in text
    boxes = [part.split('"')[0] for part in text.split('name="acknowledged" value="')[1:]]
    data = {"content": build.content, "verdict": "approved", "comment": "Kept words"}
    answer = look.post(f"{path}review/", data, secure=True)
    assert answer.status_code == 400
    assert "Acknowledge each of these" in answer.content.decode()
    assert "Kept words" in answer.content.decode()
    stale = {**data, "acknowledged": [*boxes, "0" * 16]}
    answer = look.post(f"{path}review/", stale, secure=True)
    assert "not what you were shown" in answer.content.decode()
    assert not Review.objects.exists()
    look.post(f"{path}review/", {**data, "acknowledged": boxes}, secure=True)
    text = look.get(path, secure=True).content.decode()
    assert "Acknowledged by name" in text


@pytest.mark.usefixtures("plain_static_files", "adopted")
def test_where_an_error_stands_against_it_approve_is_disabled_with_its_reason(
    people: People, staging: Environment, put: Put
) -> None:
    put("rule", "rule-purchase", rule_without_flow())
    build = capture(people.qa, staging)
    path = reverse("promotion:build", args=[staging.slug, build.number])
    text = enter(people.qa.user).get(path, secure=True).content.decode()
    assert 'type="submit" disabled>Approve</button>' in text
    assert "An error above stands against an approval." in text


def test_the_command_names_the_codes_and_takes_them(
    people: People, adopted: Environment, staging: Environment, put: Put
) -> None:
    put("event-source", "src-web-shop", disabled_source())
    capture(people.qa, staging)
    code, answer = run("review", "staging:1", "--approve", "--as", "qa")
    assert (code, answer["status"]) == (3, "refused")
    due = [f["code"] for f in answer["findings"] if f["severity"] == "warning"]
    words = [word for one in due for word in ("--acknowledge", one)]
    code, answer = run("review", "staging:1", "--approve", *words, "--as", "qa")
    assert (code, answer["verdict"]) == (0, "approved")
    assert [one["code"] for one in answer["acknowledged"]] == due


def test_an_unchanged_promotion_still_goes_through(ship: Ship, put: Put) -> None:
    put("segment", "seg-loyal", '{"name": "Loyal!", "enabled": true, "machine_name": "loyal"}')
    assert ship().status == "succeeded"
