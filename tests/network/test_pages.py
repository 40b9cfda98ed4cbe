"""The network checks in the browser's words, for the administrator alone, and as a command."""

import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from environments.models import NetworkRun, ProbeConsent
from environments.network.running import Which, check_networks, forbid_probe
from tests.factories import enter
from tests.network.conftest import API, PUBLIC, STAGING, Pair
from tests.network.servers import Tracardi

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]


def page(client: Client, pair: Pair) -> str:
    answer = client.get(reverse("environments:network", args=[pair.production.slug]), secure=True)
    assert answer.status_code == 200
    return answer.content.decode()


def post(client: Client, name: str, *args: object, **data: object) -> str:
    url = reverse(f"environments:{name}", args=args)
    answer = client.post(url, data, secure=True, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_address_is_allowed_checked_and_forbidden(silent: Pair) -> None:
    client = enter(silent.people.admin.user)
    one = silent.serve(STAGING, Tracardi())
    silent.enter(staging=one.url)
    forbid_probe(silent.people.admin, silent.staging, Which.API)
    text = page(client, silent)
    assert "Nothing was checked yet" in text
    assert one.url in text
    assert "not allowed" in text
    text = post(client, "set-probe", silent.staging.slug, "api", url=one.url, allow="yes")
    assert "may be probed" in text
    assert "by administrator" in text
    text = post(client, "run-network", silent.production.slug)
    assert "A check waits for the worker" in text
    assert "Check now" not in text
    check_networks()
    text = page(client, silent)
    assert "It says PRODUCTION=no." in text
    assert "Not all of it is told" in text
    assert "The public address refuses everything else" in text
    assert len(one.asked) == 1
    post(client, "set-probe", silent.staging.slug, "api", url=one.url, allow="no")
    assert not ProbeConsent.objects.exists()


def test_a_page_that_shows_an_old_address_allows_nothing(silent: Pair) -> None:
    client = enter(silent.people.admin.user)
    silent.enter(staging="http://127.0.0.11:8686")
    ProbeConsent.objects.all().delete()
    old = "http://127.0.0.11:1"
    text = post(client, "set-probe", silent.staging.slug, "api", url=old, allow="yes")
    assert "The address is another one by now. Nothing was changed." in text
    text = post(client, "set-probe", silent.staging.slug, "public", allow="yes")
    assert "Nothing was changed" in text
    assert not ProbeConsent.objects.exists()


def test_the_table_shows_what_each_path_answered_and_what_is_new(good: Pair) -> None:
    client = enter(good.people.admin.user)
    good.check()
    assert "nothing wrong was found" in page(client, good)
    good.at[PUBLIC].instead["/docs"] = 200
    good.check()
    text = page(client, good)
    assert "1 address that must be closed is open" in text
    assert "answered HTTP 200" in text
    assert "<strong>New</strong>" in text
    home = client.get(reverse("admin:index"), secure=True).content.decode()
    assert "Network of Shop" in home
    assert "1 error, 0 warnings" in home
    good.at[PUBLIC].instead = {}
    good.check()
    text = page(client, good)
    assert "Mended since the check before:" in text
    assert "/docs must be closed and is open" in text
    assert "Network of Shop" not in client.get(reverse("admin:index"), secure=True).content.decode()


def test_a_check_that_is_old_or_died_or_goes_on_says_so(silent: Pair, settings: Settings) -> None:
    client = enter(silent.people.admin.user)
    silent.check()
    settings.NETWORK_CHECK_SECONDS = 0.000_001
    assert "That is a while ago" in page(client, silent)
    made = NetworkRun.objects.create(environment=silent.production, status="errored")
    assert "its worker stopped in the middle" in page(client, silent)
    made.delete()
    NetworkRun.objects.create(environment=silent.production, status="running")
    text = page(client, silent)
    assert "A check goes on since" in text
    assert "What is below is from before." in text
    url = reverse("environments:network", args=[silent.production.slug])
    part = client.get(url, secure=True, headers={"hx-request": "true"}).content.decode()
    assert part.lstrip().startswith('<section id="network"')


def test_others_see_and_do_nothing_of_it(silent: Pair) -> None:
    silent.enter(staging="http://127.0.0.11:8686")
    for actor in (silent.people.qa, silent.people.marketing):
        client = enter(actor.user)
        for method, name, args in (
            ("get", "network", [silent.production.slug]),
            ("post", "run-network", [silent.production.slug]),
            ("post", "set-probe", [silent.staging.slug, "api"]),
        ):
            url = reverse(f"environments:{name}", args=args)
            assert getattr(client, method)(url, secure=True).status_code == 403
    assert not NetworkRun.objects.exists()


def test_the_page_is_productions(silent: Pair) -> None:
    client = enter(silent.people.admin.user)
    for slug, status in ((silent.staging.slug, 404), ("nobody", 404)):
        url = reverse("environments:network", args=[slug])
        assert client.get(url, secure=True).status_code == status


# --- The command ---------------------------------------------------------------------------------


def command(capsys: pytest.CaptureFixture[str], slug: str) -> tuple[int, dict[str, Any]]:
    code: int | str | None = 0
    try:
        call_command("check-network", slug, username="administrator", json=True)
    except SystemExit as error:
        code = error.code
    assert isinstance(code, int)
    return code, json.loads(capsys.readouterr().out)


def test_the_command_ends_as_the_check_does(
    good: Pair, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    code, found = command(capsys, good.production.slug)
    assert (code, found["status"], found["errors"]) == (0, "done", 0)
    good.at[API].production = False
    code, found = command(capsys, good.production.slug)
    assert (code, found["status"]) == (1, "found")
    assert [one["code"] for one in found["new"]] == ["network.production-is-staging"]
    code, found = command(capsys, good.staging.slug)
    assert (code, found["status"]) == (2, "bad-input")
    settings.NETWORK_PAUSE_SECONDS = 60.0
    code, found = command(capsys, good.production.slug)
    assert (code, found["status"]) == (3, "refused")


def test_the_command_tells_people_line_by_line(
    silent: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    silent.enter(staging="http://127.0.0.11:9")
    with pytest.raises(SystemExit, match="1"):
        call_command("check-network", silent.production.slug, username="administrator")
    text = capsys.readouterr().err
    assert "not asked   The public address refuses everything else." in text
    assert text.rstrip().endswith("Nothing wrong was found, and not all could be told.")
