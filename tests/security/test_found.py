"""What rubbish once ended in an error of the server, each by itself, on whichever database."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.audit import command_actor
from environments.models import Environment
from promotion.checklists import change_checklist
from tests.security.world import ADMINISTRATOR, CONTENT, HERE, World, ask

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
HUGE = "9" * 5000
SIDE = f"{HERE}-staging"
STAGING = [SIDE]
BUILD = [SIDE, 1]


@pytest.mark.parametrize(
    ("name", "thing", "query", "status"),
    [
        # Beyond what int() takes of a text.
        ("promotion:compare", "-", f"before={SIDE}:{HUGE}&after={SIDE}:1", 400),
        ("promotion:compare", "-", f"before={SIDE}:g{HUGE}&after={SIDE}:1", 400),
        ("promotion:comment", "build", f"resource=flow&id=x&before={SIDE}:{HUGE}", 404),
        # Days beside which there is none.
        ("audit", "-", "until=9999-12-31", 200),
        ("audit", "-", "since=0001-01-01&until=0001-01-01", 200),
        ("export-audit", "csv", "until=9999-12-31", 200),
        ("promotion:live-at", "production", "at=9999-12-31T23:59:59-23:59", 200),
        ("promotion:live-at", "production", "at=0001-01-01T00:00:00%2B23:59", 200),
        # What PostgreSQL keeps in no text.
        ("promotion:history", "flows", "id=a%00b", 200),
        ("promotion:document", "document", "id=a%00b", 404),
        ("promotion:builds", "-", "q=a%00b", 200),
        ("promotion:comment", "build", "resource=flow&id=f1&place=a%00b", 404),
        ("promotion:comment", "build", f"reply={'9' * 18}", 404),
        ("promotion:suite-run", "run", f"against={'9' * 17}", 200),
        ("admin:environments_cluster_changelist", "-", "id__exact=" + "9" * 30, 200),
        ("admin:environments_cluster_changelist", "-", "q=a%00b", 200),
        ("admin:environments_cluster_changelist", "-", f"p={HUGE}", 200),
        ("accounts:people", "-", "q=a%00b", 200),
        ("accounts:people", "-", f"page={HUGE}", 200),
        ("admin:environments_environment_changelist", "-", "cluster__id__exact=" + "9" * 30, 200),
    ],
)
def test_an_address_with_rubbish_is_answered(
    name: str, thing: str, query: str, status: int, world: World
) -> None:
    address = reverse(name, args=world.things[thing])
    answer = ask(world.browser(ADMINISTRATOR), "GET", f"{address}?{query}")
    assert answer.status == status
    assert not answer.written


@pytest.mark.parametrize(
    ("name", "thing", "query", "data"),
    [
        ("accounts:invite", "-", "", {"environments": ["9" * 30]}),
        ("accounts:set-rights", "person", "", {"environments": ["9" * 30, HUGE, "-1", "\0"]}),
        ("accounts:handover", "-", "", {"person": "9" * 30}),
        ("admin:environments_environment_add", "-", "", {}),
        ("admin:environments_environment_add", "-", "", {"cluster": "9" * 30, "kind": "x"}),
        ("promotion:comment", "build", "?resource=flow&id=f1&place=a%00b", {"text": "Why?"}),
        ("promotion:comment", "build", "", {"text": "a\0b"}),
        ("promotion:unlock", "production", "", {"reason": "a\0b", "minutes": "60"}),
        ("promotion:rename-suite", "suite", "", {"name": "a\0b"}),
        ("promotion:require-suite", "suite", "", {"requirement": "\0"}),
        ("promotion:new-suite", "-", "", {"environment": SIDE, "name": "a\0b"}),
        ("promotion:review", "build", "", {"content": "\0", "verdict": "approved"}),
        ("promotion:keep-drift", "production", "", {"content": "\0"}),
        ("promotion:run-suite", "suite", "", {"only": ["\0", HUGE]}),
        ("promotion:compose", "build", "", {"state": "\0", "page": HUGE}),
        ("promotion:drop-test", "test", "", {"version": HUGE}),
        ("promotion:checklist", "staging", "", {"version": "9" * 30, "lines": "x"}),
        ("promotion:new-batch", "-", "", {f"{HERE}-production-include": "\0", "parallel": HUGE}),
    ],
)
def test_a_form_with_rubbish_is_answered(
    name: str, thing: str, query: str, data: dict[str, Any], world: World
) -> None:
    address = reverse(name, args=world.things[thing])
    assert ask(world.browser(ADMINISTRATOR), "POST", address + query, data).status < 500


@pytest.mark.parametrize("value", ['"\\u0000"', '"\\ud800"', "9" * 5000, "1e400", "[" * 3000])
@pytest.mark.parametrize("kind", ["properties", "file"])
def test_a_workflow_test_with_what_no_database_keeps_is_refused_or_kept(
    value: str, kind: str, world: World
) -> None:
    client = world.browser("qa")
    if kind == "file":
        text = (
            "name: T\nsource: s\nevents:\n- type: e\n  properties:\n    a: "
            + value
            + "\nexpect:\n  no-errors: true\n"
        )
        address = reverse("promotion:import-tests", args=world.things["suite"])
        data: dict[str, Any] = {"version": 1, "tests": SimpleUploadedFile("t.yaml", text.encode())}
    else:
        address = reverse("promotion:new-test", args=world.things["suite"])
        data = {
            "version": "1",
            "name": "T",
            "source": "s",
            "profile": "new",
            "event-TOTAL_FORMS": "1",
            "event-0-type": "e",
            "event-0-properties": '{"a": ' + value + "}",
            "expect-TOTAL_FORMS": "1",
            "expect-0-kind": "no-errors",
        }
    assert ask(client, "POST", address, data).status in {302, 400}


def test_a_ticked_place_that_is_no_number_is_an_error_of_the_form(world: World) -> None:
    admin = world.people[ADMINISTRATOR]
    assert admin is not None
    staging = Environment.objects.get(slug=SIDE)
    change_checklist(command_actor(admin), staging, "Look\nLook again", version=0)
    address = reverse("promotion:review", args=world.things["build"])
    for ticked in (HUGE, "\u0661", "-1", "9" * 30, "\0"):
        data = {
            "content": CONTENT,
            "verdict": "approved",
            "checklist": "1",
            "ticked": ["0", ticked],
        }
        assert ask(world.browser("qa"), "POST", address, data).status == 400
