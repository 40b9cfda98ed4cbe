"""The configuration page: read by marketing, searched, and with when each document changed."""

import json
import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from environments import configuration
from environments.models import Cluster, Environment
from promotion.live import finish
from promotion.models import Promotion
from promotion.rollback import rollback
from promotion.services import capture
from tests.factories import People, enter, make_people
from tests.promotion.conftest import (
    Put,
    Ship,
    adopted,
    engine,
    people,
    production,
    put,
    ship,
    staging,
)

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["adopted", "engine", "people", "production", "put", "ship", "staging"]


@pytest.fixture
def marketing(staging: Environment, plain_static_files: None) -> Client:
    """Somebody of marketing, who is granted staging."""
    return enter(make_people(staging).marketing.user)


def answer(client: Client, environment: Environment, *document: str, **query: str) -> str:
    name = "document" if document else "configuration"
    url = reverse(f"environments:{name}", args=[environment.slug, *document])
    found = client.get(url, query, secure=True)
    assert found.status_code == 200
    return found.content.decode()


def plain(html: str) -> str:
    """Return the words of a page, as one line."""
    return re.sub(r"\s+([.,])", r"\1", re.sub(r"\s+", " ", strip_tags(html)))


def told(html: str) -> dict[str, str]:
    """Return the lines of the list by their titles."""
    lines = re.findall(r"<li[^>]*>\s*<p class=\"tc-told-top\"><strong>(.*?)</li>", html, re.DOTALL)
    return {strip_tags(line.partition("</strong>")[0]): plain(line) for line in lines}


def test_marketing_reads_what_is_configured_and_each_name_leads_on(
    marketing: Client, staging: Environment
) -> None:
    html = answer(marketing, staging, kind="rule")
    assert (
        "When Purchase-Completed comes from Web shop, and the visitor agreed to Marketing, "
        "run Purchase follow-up." in told(html)["Purchase -&gt; follow-up"]
    )
    link = reverse("environments:document", args=[staging.slug, "event-source", "src-web-shop"])
    assert f'<a href="{link}">Web shop</a>' in html
    everything = told(answer(marketing, staging, page="2"))
    assert everything
    assert not {"Events by type", "LTV", "Bucket"} & everything.keys()


def test_documents_are_found_by_the_words_of_their_sentences_and_by_their_state(
    marketing: Client, staging: Environment
) -> None:
    html = answer(marketing, staging, q="ADDS visitor spender")
    assert list(told(html)) == ["Purchase follow-up"]
    assert 'value="ADDS visitor spender"' in html
    assert "Nothing fits." in plain(answer(marketing, staging, q="adds visitor nobody"))
    found = told(answer(marketing, staging, state="off"))
    assert list(found) == ["Page view -&gt; CRM sync", "Mobile user"]
    assert all("Switched off." in line for line in found.values())


def test_an_environment_where_nothing_is_configured_says_so(
    elasticsearch_url: str, plain_static_files: None
) -> None:
    cluster = Cluster.objects.create(name="Test", url=elasticsearch_url)
    empty = Environment.objects.create(
        name="Empty",
        slug="empty",
        cluster=cluster,
        version="0.8.1",
        tenant="nobody",
        kind="staging",
    )
    html = answer(enter(make_people(empty).marketing.user), empty)
    assert "Nothing is configured here yet." in html


def test_more_documents_than_are_read_are_said_to_be(
    marketing: Client, staging: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "MOST", 2)
    html = answer(marketing, staging, kind="rule")
    assert "Rules: the first 2 of 3 are shown and searched." in html
    assert "which is not there" not in html
    # Of a document that is not among them the page still tells all.
    for doc_id in ("rule-page", "rule-purchase", "rule-segment"):
        assert "No document describes it" not in answer(marketing, staging, "rule", doc_id)


def test_a_change_is_told_with_the_promotion_that_brought_it(
    people: People,
    plain_static_files: None,
    ship: Ship,
    production: Environment,
    put: Put,
) -> None:
    marketing = enter(people.marketing.user)
    adoption = Promotion.objects.get(kind=Promotion.Kind.ADOPT)
    put("segment", "seg-loyal?refresh=true", json.dumps({"name": "Faithful", "id": "seg-loyal"}))
    made = ship()
    html = answer(marketing, production, kind="segment")
    link = f'<a href="{reverse("promotion:promotion", args=[made.pk])}">Promotion {made.pk}</a>'
    assert html.count(link) == 1
    found = told(html)
    assert f"by Promotion {made.pk}" in found["Faithful"]
    assert f"Not changed since Adoption {adoption.pk}" in found["Big spender"]
    recent = answer(marketing, production, changed="recently")
    assert list(told(recent)) == ["Faithful"]
    assert f"by Promotion {made.pk}" in plain(answer(marketing, production, "segment", "seg-loyal"))
    back = rollback(people.admin, production, marker=made.generations.get().marker)
    found = told(answer(marketing, production, kind="segment"))
    # While it may still be swapped back it is none that went live.
    assert "Last changed" in found["Loyal"]
    assert "Rollback" not in found["Loyal"]
    finish(back)
    found = told(answer(marketing, production, kind="segment"))
    assert f"by Rollback {back.pk}" in found["Loyal"]


def test_of_staging_only_who_sees_builds_learns_when_a_document_changed(
    staging: Environment, put: Put, plain_static_files: None
) -> None:
    people = make_people(staging)
    capture(people.qa, staging)
    put("segment", "seg-loyal?refresh=true", json.dumps({"name": "Faithful", "id": "seg-loyal"}))
    capture(people.qa, staging)
    seen = told(answer(enter(people.qa.user), staging, kind="segment"))
    assert "seen in build 2" in seen["Faithful"]
    marketing = enter(people.marketing.user)
    page = answer(marketing, staging, kind="segment")
    assert "build" not in plain(page).casefold()
    assert "is told here to QA and administrators alone" in plain(page)
    assert "nobody recorded" not in page
    # Where changes cannot be told, nothing is narrowed by them.
    assert 'name="changed"' not in page
    assert told(answer(marketing, staging, kind="segment", changed="recently")) == told(page)


def test_where_nobody_recorded_changes_that_is_said_and_none_are_asked_for(
    staging: Environment, plain_static_files: None
) -> None:
    people = make_people(staging)
    page = answer(enter(people.qa.user), staging, kind="segment")
    assert "nobody recorded here: that begins with the first build." in plain(page)
    assert 'name="changed"' not in page
    capture(people.qa, staging)
    page = answer(enter(people.qa.user), staging, kind="segment")
    assert "nobody recorded" not in page
    assert 'name="changed"' in page


def test_a_document_is_told_before_it_is_shown(marketing: Client, staging: Environment) -> None:
    html = answer(marketing, staging, "resource", "res-crm-api")
    text = plain(html)
    assert "A connection to another system, by remote-api." in text
    for user in ("CRM sync (flow)", "Push purchase (destination)"):
        assert user in text
    assert re.search(r"<details[^>]*><summary>Show the document</summary>", html)
    assert text.index("Used by") < text.index("Show the document")
    html = answer(marketing, staging, "flow", "flow-purchase")
    text = plain(html)
    assert "It has 5 steps, and adds the visitor to Big spender." in text
    assert text.index("It has 5 steps") < text.index("The same in words")
