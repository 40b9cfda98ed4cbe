"""The configuration browser: what Tracardi reads, decoded, and no secret in it."""

import json

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from environments.documents import encode_field
from environments.masking import MASK
from environments.models import Environment
from tests.environments.test_flowgraph import edge, node, version
from tests.factories import People, enter
from tests.promotion.conftest import Put, engine, people, production, put, staging

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["engine", "people", "production", "put", "staging"]


@pytest.fixture
def marketing(people: People, settings: Settings) -> Client:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    return enter(people.marketing.user)


def page(client: Client, name: str, *args: str, **query: str) -> tuple[int, str]:
    answer = client.get(reverse(f"environments:{name}", args=args), query, secure=True)
    return answer.status_code, answer.content.decode()


def test_marketing_reads_a_resource_without_its_secrets(
    marketing: Client, staging: Environment, put: Put
) -> None:
    put(
        "resource",
        "mail?refresh=true",
        '{"name": "Mail", "type": "smtp", "id": "mail",'
        ' "credentials": "eyJwYXNzd29yZCI6ICJvcGVuLXNlc2FtZSJ9", "tags": ["mail"]}',
    )
    status, text = page(marketing, "documents", staging.slug, "resource")
    assert status == 200
    assert "Mail" in text
    status, text = page(marketing, "document", staging.slug, "resource", "mail")
    assert status == 200
    assert "smtp" in text
    assert MASK in text
    assert "eyJwYXNzd29yZCI6" not in text
    assert "open-sesame" not in text


def test_a_list_is_searched_by_title_and_id(
    marketing: Client, staging: Environment, put: Put
) -> None:
    put("segment", "one?refresh=true", '{"name": "Regulars"}')
    put("segment", "two?refresh=true", '{"name": "Newcomers"}')
    for words in ("regul", "ONE"):
        _status, text = page(marketing, "documents", staging.slug, "segment", q=words)
        assert "Regulars" in text
        assert "Newcomers" not in text
    _status, text = page(marketing, "documents", staging.slug, "segment", q="nobody")
    assert "No document fits." in text


def test_an_id_with_slashes_and_unicode_is_found(
    marketing: Client, staging: Environment, put: Put
) -> None:
    put("segment", "a%2Fb%20%C3%BC?refresh=true", '{"name": "Odd"}')
    _status, text = page(marketing, "documents", staging.slug, "segment")
    assert "a/b%20%C3%BC" in text
    status, text = page(marketing, "document", staging.slug, "segment", "a/b ü")
    assert status == 200
    assert "Odd" in text


@pytest.mark.parametrize("resource", ["profile", "event", "user", "bridge", "nothing"])
def test_what_is_not_promoted_is_not_there(
    marketing: Client, staging: Environment, resource: str
) -> None:
    assert page(marketing, "documents", staging.slug, resource)[0] == 404
    assert page(marketing, "document", staging.slug, resource, "1")[0] == 404


def test_a_document_that_is_not_there_is_a_404(marketing: Client, staging: Environment) -> None:
    assert page(marketing, "document", staging.slug, "flow", "nobody")[0] == 404


@pytest.mark.parametrize("doc_id", ["9" * 5000, "é" * 257, ".", "..", "%2e%2e", "a\0b"])
def test_an_id_that_no_engine_holds_is_a_404_and_no_trouble_with_the_engine(
    marketing: Client, staging: Environment, doc_id: str
) -> None:
    assert page(marketing, "document", staging.slug, "segment", doc_id)[0] == 404


def test_a_flow_is_shown_as_its_picture_with_its_nodes_settings(
    marketing: Client, staging: Environment
) -> None:
    status, text = page(marketing, "document", staging.slug, "flow", "flow-crm-sync")
    assert status == 200
    assert text.count('class="tc-flow-link"') == 3
    assert "CRM REST API (res-crm-api)" in text
    assert MASK in text
    assert " style=" not in text
    assert "The draft differs" not in text
    status, text = page(marketing, "document", staging.slug, "flow", "flow-crm-sync", text="")
    assert status == 200
    assert "tc-flow-link" not in text
    assert "deploy_timestamp" in text


def test_what_a_draft_would_change_is_shown_beside_what_runs(
    marketing: Client, staging: Environment, put: Put
) -> None:
    runs = version(node("a", init={"condition": "x > 1"}), node("b"), edges=[edge("a", "b")])
    draft = version(node("a", init={"condition": "x > 2"}), node("c"), edges=[edge("a", "c")])
    flow = {"name": "A", "production": encode_field(runs), "draft": encode_field(draft)}
    put("flow", "changing?refresh=true", json.dumps(flow))
    status, text = page(marketing, "document", staging.slug, "flow", "changing")
    assert status == 200
    assert "The draft differs from what runs." in text
    assert "1 node added, 1 removed, 1 changed; 1 edge added, 1 removed." in text
    assert text.count('<svg class="tc-flow-picture') == 2
    assert "x &gt; 1" in text
    assert "x &gt; 2" in text


def test_the_way_of_an_event_is_shown_whole_and_around_a_document(
    marketing: Client, staging: Environment
) -> None:
    status, text = page(marketing, "way", staging.slug)
    assert status == 200
    for title in ("Web shop", "Purchase-Completed", "Purchase follow-up", "Push purchase"):
        assert title in text
    assert f"/environment/{staging.slug}/configuration/rule/rule-purchase" in text
    assert "both use the resource res-crm-api" in text
    status, text = page(marketing, "way", staging.slug, around="destination/dest-purchase")
    assert status == 200
    assert "Push purchase" in text
    assert "Segment -&gt; follow-up" not in text
    assert page(marketing, "way", staging.slug, around="rule/nobody")[0] == 404


def test_a_character_that_utf_8_does_not_have_breaks_no_page(
    marketing: Client, staging: Environment, put: Put
) -> None:
    put("segment", "half?refresh=true", '{"name": "half \\ud800", "eventType": []}')
    status, text = page(marketing, "document", staging.slug, "segment", "half")
    assert status == 200
    assert "half ?" in text
    assert page(marketing, "documents", staging.slug, "segment")[0] == 200
    assert page(marketing, "way", staging.slug)[0] == 200
