"""The configuration browser: what Tracardi reads, decoded, and no secret in it."""

import pytest
from django.conf import settings as console
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from environments.masking import MASK
from environments.models import Environment
from tests.factories import People
from tests.promotion.conftest import Put, engine, people, production, put, staging

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["engine", "people", "production", "put", "staging"]


@pytest.fixture
def marketing(people: People, settings: Settings) -> Client:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    client = Client(headers={"x-forwarded-proto": "https"})
    assert people.marketing.user is not None
    client.force_login(people.marketing.user, backend=console.AUTHENTICATION_BACKENDS[0])
    return client


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
