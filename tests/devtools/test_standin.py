"""The stand-in for Tracardi, and the demo's suite that runs through it."""

import http.client
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pytest_django import Settings

from accounts.audit import command_actor
from accounts.models import User
from devtools.demo.improvement import WORDS, improve
from devtools.demo.removal import remove_demo
from devtools.demo.setup import SUITE, Demo, set_up
from devtools.demo.state import State
from devtools.standin.page import Change
from devtools.standin.server import StandIn, serving
from environments.elastic import connect
from promotion.models import Suite
from promotion.services import capture
from promotion.suite_running import run_suite
from promotion.suite_runs import request_run
from tests.greens import greens

__all__ = ["greens"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("greens")]


def quiet(_words: str) -> None:
    return


@pytest.fixture
def demo(tmp_path: Path, elasticsearch_url: str) -> Iterator[Demo]:
    state = State(tmp_path / "demo")
    tenant = f"demo-{uuid.uuid4().hex[:8]}"
    yield set_up(state, elasticsearch_url, own_node=False, say=quiet, tenant=tenant)
    marker = state.marker()
    assert marker is not None
    remove_demo(marker, elasticsearch_url)


def ask(url: str, method: str, path: str) -> tuple[int, str]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_shops_suite_waits_for_a_change_of_staging(demo: Demo, settings: Settings) -> None:
    # The stand-in reads what staging holds at each visit.
    settings.WORKFLOW_CACHE_SECONDS = 0.0
    staging, qa = demo.staging, command_actor(User.objects.get(username="qa"))
    connection, naming = connect(staging.cluster), staging.naming
    standin = StandIn(connection, naming, change=Change(WORDS, lambda: improve(connection, naming)))
    suite = Suite.objects.get(environment=staging, name=SUITE)
    with serving(standin) as url:
        staging.api_url = url
        staging.save(update_fields=["api_url"])
        suite.refresh_from_db()

        def failing() -> list[str]:
            build = capture(qa, staging)
            run = run_suite(request_run(qa, Suite.objects.get(pk=suite.pk), here=True))
            assert run.content == build.content
            return [one.test.name for one in run.results.exclude(status="passed")]

        assert failing() == [
            "A basket of 30 euros that is left behind is reminded",
            "A web order of 120 euros makes a big spender too",
        ]
        status, page = ask(url, "GET", "/")
        assert status == 200
        assert "This is no Tracardi." in page
        assert "Two workflow tests of the demo wait for that." in page
        # Only a POST changes anything.
        assert ask(url, "GET", "/change-staging")[0] == 404
        assert ask(url, "POST", "/change-staging")[0] == 303
        assert "Staging is changed." in ask(url, "GET", "/?made")[1]
        assert failing() == []
    # Made once, the suite stays as people change it.
    assert Suite.objects.filter(environment=staging).count() == 1


def test_it_says_that_it_is_none_and_knows_nothing_else(demo: Demo) -> None:
    standin = StandIn(connect(demo.staging.cluster), demo.staging.naming)
    with serving(standin) as url:
        assert ask(url, "GET", "/healthcheck")[0] == 200
        assert ask(url, "GET", "/docs")[0] == 404
        assert ask(url, "POST", "/change-staging")[0] == 404
        assert "<form" not in ask(url, "GET", "/")[1]
