"""One document as an earlier build has it, restored into a composed build, on the real engine."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from accounts.audit import command_actor, system_actor
from accounts.authorising import NotAllowedError
from accounts.roles import Role
from accounts.services import create_user, grant
from environments.documents import encode_field
from environments.elastic import Connection
from environments.models import Environment
from promotion.composing import compose_build, draft
from promotion.models import Build
from promotion.services import capture
from tests.factories import People, served
from tests.promotion.conftest import Put
from tests.promotion.test_compose import everything, go_live
from tests.promotion.test_compose_pages import pages
from tests.promotion.test_review import run

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
SEGMENT, RULE = ("segment", "seg-loyal"), ("rule", "rule-new")


def history(client: Client, environment: Environment) -> str:
    """Return the page of the segment's versions."""
    path = reverse("promotion:history", args=[environment.slug, "segment"])
    return client.get(path, {"id": "seg-loyal"}, secure=True).content.decode()


@pytest.fixture
def baseline(adopted: Environment) -> Build:
    """What production served when it was adopted."""
    return Build.objects.get(environment=adopted, kind=Build.Kind.BASELINE)


def write_rule(put: Put, flow: str) -> None:
    """Write a rule of staging, and the flow that it runs, with a resource's name in it."""
    graph = {"nodes": [{"data": {"spec": {"init": {"source": {"id": "res-new", "name": "N"}}}}}]}
    held = {"id": flow, "name": flow, "production": encode_field({"flowGraph": graph})}
    put("flow", flow, json.dumps(held))
    rule = {"id": "rule-new", "name": "R", "enabled": True, "flow": {"id": flow, "name": flow}}
    put("rule", "rule-new", json.dumps(rule))
    keys = encode_field({"production": {"password": "p"}, "test": {"password": "t"}})
    put("resource", "res-new", json.dumps({"id": "res-new", "name": flow, "credentials": keys}))


def remove(engine: Connection, staging: Environment, resource: str, doc_id: str) -> None:
    engine.request("DELETE", f"/{staging.naming.concrete(resource)}/_doc/{doc_id}")


def test_one_document_comes_back_to_the_byte_and_the_rest_stays(
    people: People, adopted: Environment, staging: Environment, baseline: Build, put: Put
) -> None:
    put("segment", "seg-loyal", '{"name":  "Loyal!", "machine_name": "loyal"}')
    put("segment", "seg-more", '{"name": "More"}')
    before = everything(adopted)
    go_live(people, capture(people.qa, staging), adopted)
    between = everything(adopted)
    assert between != before
    made = compose_build(people.qa, baseline, draft(baseline).restore(SEGMENT))
    assert (made.environment, made.composed_from) == (staging, baseline)
    assert made.choice is not None
    assert (made.choice["chosen"], made.choice["added"]) == ([list(SEGMENT)], [])
    go_live(people, made, adopted)
    expected = {name: dict(found) for name, found in between.items()}
    expected["segment"]["seg-loyal"] = before["segment"]["seg-loyal"]
    assert everything(adopted) == expected


def test_what_it_lacks_comes_along_and_what_changed_since_stays(
    people: People, adopted: Environment, staging: Environment, put: Put, engine: Connection
) -> None:
    write_rule(put, "flow-old")
    early = capture(people.qa, staging)
    go_live(people, early, adopted)
    old = everything(adopted)
    write_rule(put, "flow-later")
    remove(engine, staging, "flow", "flow-old")
    go_live(people, capture(people.qa, staging), adopted)
    between = everything(adopted)
    choice = draft(early).restore(RULE)
    made = compose_build(people.qa, early, choice)
    # Its flow is gone, and comes back; the flow's resource is there, and stays as it is now.
    assert made.choice is not None
    assert [one["key"] for one in made.choice["added"]] == [["flow", "flow-old"]]
    go_live(people, made, adopted)
    expected = {name: dict(found) for name, found in between.items()}
    expected["rule"]["rule-new"] = old["rule"]["rule-new"]
    expected["flow"]["flow-old"] = old["flow"]["flow-old"]
    assert everything(adopted) == expected
    # A composed build is as good a source as any: back to what it took back.
    again = capture(people.qa, staging)
    go_live(people, again, adopted)
    assert draft(made).restore(RULE).documents == {RULE}


def test_what_was_removed_once_is_removed_again(
    people: People, adopted: Environment, staging: Environment, baseline: Build, put: Put
) -> None:
    put("segment", "seg-more", '{"name": "More"}')
    go_live(people, capture(people.qa, staging), adopted)
    choice = draft(baseline).restore(("segment", "seg-more"))
    go_live(people, compose_build(people.qa, baseline, choice), adopted)
    assert "seg-more" not in served(adopted, "segment")


def test_a_button_of_the_history_leads_to_the_build(
    people: People, adopted: Environment, staging: Environment, baseline: Build, put: Put
) -> None:
    put("segment", "seg-loyal", '{"name": "Loyal!"}')
    go_live(people, capture(people.qa, staging), adopted)
    page = pages(people.qa.user, baseline)
    text = history(page.client, adopted)
    # What is live is not restored; the older one is.
    assert text.count("Restore…") == 1
    link = text.partition("Restore…")[0].rpartition('href="')[2].partition('"')[0]
    assert link == f"{page.path}?restore=segment&amp;id=seg-loyal"
    asked = "?restore=segment&id=seg-loyal"
    assert "Chosen: 1" in page.open(asked).text
    assert page.send(step="compose").status == 302
    made = Build.objects.get(kind=Build.Kind.COMPOSED)
    assert made.environment == staging
    built = page.client.get(reverse("promotion:build", args=["staging", made.number]), secure=True)
    assert f"Composed of {baseline}" in built.content.decode()
    go_live(people, made, adopted)
    # Now that it is live there is nothing left to restore, and the page says so.
    assert f"Production serves it as {baseline} has it." in page.open(asked).text
    assert history(page.client, adopted).count("Restore…") == 1


def test_it_is_offered_and_given_only_to_who_may_capture_staging_and_see_production(
    people: People, adopted: Environment, staging: Environment, baseline: Build, put: Put
) -> None:
    put("segment", "seg-loyal", '{"name": "Loyal!"}')
    go_live(people, capture(people.qa, staging), adopted)
    password = "a long enough phrase 7"
    half = create_user(system_actor(), username="half", role=Role.QA, password=password)
    grant(system_actor(), half, staging)
    text = history(pages(half, baseline).client, staging)
    assert "Loyal!" in text
    assert "Restore…" not in text
    with pytest.raises(NotAllowedError, match="may not see builds in Production"):
        compose_build(command_actor(half), baseline, draft(baseline).restore(SEGMENT))
    other = create_user(system_actor(), username="other", role=Role.QA, password=password)
    grant(system_actor(), other, adopted)
    with pytest.raises(NotAllowedError, match="may not capture a build in Staging"):
        compose_build(command_actor(other), baseline, draft(baseline).restore(SEGMENT))
    assert pages(other, baseline).open("?restore=segment&id=seg-loyal").status == 403


def test_the_command_restores_what_was_live(
    people: People, adopted: Environment, staging: Environment, baseline: Build, put: Put
) -> None:
    put("segment", "seg-loyal", '{"name": "Loyal!"}')
    go_live(people, capture(people.qa, staging), adopted)
    name = f"production:{baseline.number}"
    code, answer = run("compose", name, "--document", "segment/seg-loyal", "--as", "qa")
    assert (code, answer["build"], answer["chosen"]) == (0, "staging:2", ["segment/seg-loyal"])
