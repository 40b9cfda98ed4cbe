"""The look at production after a promotion: it reads alone, and tells what is not sound."""

import json
from collections.abc import Callable, Iterator

import pytest
from django.core.management import call_command
from django.urls import reverse

from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from devtools.standin.server import StandIn, serving
from environments.elastic import connect
from environments.models import Environment
from promotion.engine.errors import RuleBroken
from promotion.locking import unlock
from promotion.models import Promotion, SmokeCheck, StoredGeneration
from promotion.smoke import request_smoke_check, run_smoke_check
from promotion.tasks import smoke_check
from tests.factories import People, enter, put

pytestmark = pytest.mark.django_db


@pytest.fixture
def tracardi(adopted: Environment) -> Iterator[StandIn]:
    """What answers at production's address, and notes each visit that is sent to it."""
    made = StandIn(connect(adopted.cluster), adopted.naming)
    with serving(made) as url:
        adopted.api_url = url
        adopted.save(update_fields=["api_url"])
        yield made


def live(environment: Environment) -> Promotion:
    stored = StoredGeneration.live_in(environment)
    assert stored is not None
    return stored.promotion


def looked(people: People, environment: Environment) -> dict[str, tuple[bool | None, str]]:
    environment.refresh_from_db()
    smoke = run_smoke_check(request_smoke_check(people.admin, live(environment)))
    held = all(one["ok"] is not False for one in smoke.results)
    assert smoke.status == ("passed" if held else "failed")
    assert smoke.finished_at is not None
    return {one["what"]: (one["ok"], one["words"]) for one in smoke.results}


def test_what_is_sound_is_said_to_be_and_nothing_is_sent(
    people: People, adopted: Environment, tracardi: StandIn
) -> None:
    found = looked(people, adopted)
    assert [ok for ok, _ in found.values()] == [True, True, True]
    # Two names of each of the 20 resources, and the marker's.
    assert found["Names"][1] == "41 names lead to generation 1 alone."
    assert "/healthcheck answered in" in found["Tracardi"][1]
    assert tracardi.visits == []
    assert AuditEvent.objects.filter(action="smoke.ended").exists()


@pytest.mark.parametrize(
    ("fault", "words"),
    [("error", "answered HTTP 500"), ("reset", "in the middle of its answer"), ("redirect", "307")],
)
def test_a_tracardi_that_does_not_answer_is_told(
    people: People, adopted: Environment, tracardi: StandIn, fault: str, words: str
) -> None:
    tracardi.fault, tracardi.redirect_to = fault, "http://127.0.0.1:9/"
    ok, told = looked(people, adopted)["Tracardi"]
    assert not ok
    assert words in told


def test_without_an_address_tracardi_is_not_asked(people: People, adopted: Environment) -> None:
    ok, told = looked(people, adopted)["Tracardi"]
    assert ok is None
    assert told.startswith("Not asked")


def test_a_name_that_leads_elsewhere_and_an_edit_by_hand_are_told(
    people: People, adopted: Environment
) -> None:
    unlock(people.admin, adopted, "An edit by hand")
    put(adopted, "segment", "by-hand", json.dumps({"name": "By hand"}))
    assert looked(people, adopted)["Content"] == (
        False,
        "It is not what was promoted: 1 added by hand.",
    )
    stored = StoredGeneration.live_in(adopted)
    assert stored is not None
    index, alias = stored.generation.resources["rule"].index, adopted.naming.alias("rule")
    other = stored.generation.resources["flow"].index
    engine = connect(adopted.cluster)
    for action, where in (("add", other), ("remove", index)):
        body = {"actions": [{action: {"index": where, "alias": alias}}]}
        engine.request("POST", "/_aliases", body=body)
        ok, told = looked(people, adopted)["Names"]
        assert not ok
        assert alias in told
        assert other in told


def test_only_who_may_promote_looks_and_only_at_what_is_live(
    people: People,
    staging: Environment,
    adopted: Environment,
    ship: Callable[..., Promotion],
) -> None:
    first = live(adopted)
    with pytest.raises(NotAllowedError):
        request_smoke_check(people.qa, first)
    put(staging, "segment", "new", '{"name": "New"}')
    ship()
    with pytest.raises(RuleBroken, match="is not live any more"):
        request_smoke_check(people.admin, first)
    assert not SmokeCheck.objects.exists()


def test_an_environment_may_ask_for_it_after_each_promotion(
    people: People,
    staging: Environment,
    adopted: Environment,
    ship: Callable[..., Promotion],
    plain_static_files: None,
) -> None:
    put(staging, "segment", "one", '{"name": "One"}')
    ship()
    assert not SmokeCheck.objects.exists()
    adopted.smoke_after_promotion = True
    adopted.save()
    put(staging, "segment", "two", '{"name": "Two"}')
    promotion = ship()
    smoke = SmokeCheck.objects.get()
    assert (smoke.promotion, smoke.requested_by, smoke.status) == (promotion, None, "running")
    smoke_check.func(smoke.pk)
    client = enter(people.admin.user)
    page = client.get(reverse("promotion:promotion", args=[promotion.pk]), secure=True)
    text = page.content.decode()
    assert "41 names lead to generation 3 alone." in text
    assert "by the console, after the promotion" in text


def test_the_command_tells_the_same(
    people: People, adopted: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    user = people.admin.user
    assert user is not None
    call_command("smoke-check", adopted.slug, "--as", user.username)
    assert "ok  Names: 41 names lead to generation 1 alone." in capsys.readouterr().out
    adopted.api_url = "http://127.0.0.1:9"
    adopted.save()
    with pytest.raises(SystemExit) as failed:
        call_command("smoke-check", adopted.slug, "--as", user.username)
    assert failed.value.code == 1
    assert "BAD Tracardi: 127.0.0.1:9/healthcheck is out of reach" in capsys.readouterr().err
    for slug, code in (("nobody", 2), ("staging", 2)):
        with pytest.raises(SystemExit) as wrong:
            call_command("smoke-check", slug, "--as", user.username)
        assert wrong.value.code == code


def test_while_something_runs_nothing_is_said_of_the_content(
    people: People, adopted: Environment
) -> None:
    Promotion.objects.create(
        kind=Promotion.Kind.RELEASE, environment=adopted, requested_by=people.admin.user
    )
    ok, told = looked(people, adopted)["Content"]
    assert not ok
    assert told.startswith("It was not looked at: ")
    assert told.endswith("is running. Check it again.")


def test_it_leaves_write_blocks_as_they_are(people: People, adopted: Environment) -> None:
    stored = StoredGeneration.live_in(adopted)
    assert stored is not None
    index = stored.generation.resources["rule"].index
    engine = connect(adopted.cluster)
    body = {"index.blocks.write": False}
    engine.request("PUT", f"/{index}/_settings", body=body)
    assert looked(people, adopted)["Content"][0]
    held = engine.request("GET", f"/{index}/_settings", params={"flat_settings": "true"})
    assert held[index]["settings"].get("index.blocks.write", "false") == "false"


def test_marketing_gets_no_part_of_it(
    people: People, adopted: Environment, plain_static_files: None
) -> None:
    looked(people, adopted)
    client = enter(people.marketing.user)
    address = reverse("promotion:promotion", args=[live(adopted).pk])
    headers = {"hx-request": "true", "hx-target": "smoke"}
    answer = client.get(address, secure=True, headers=headers)
    assert answer.status_code == 200
    assert "names lead to" not in answer.content.decode()
