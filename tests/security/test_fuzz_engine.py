"""Rubbish in addresses whose answer a real engine gives: below 500, and nothing changed in it."""

from typing import Final

import pytest
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.elastic import Connection
from environments.models import Environment
from promotion.services import capture
from promotion.suites import make_suite
from tests.factories import People, enter
from tests.promotion.conftest import staging
from tests.security.rubbish import TEXT, encoded
from tests.security.tally import FUZZED
from tests.security.test_fuzz import CALM, SHORT
from tests.security.test_get_changes_nothing import database, engine_state

__all__ = ["staging"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("plain_static_files")]
# An address with one place for rubbish.
PATHS: Final = (
    "/environments/staging/dashboard/?range={}",
    "/environments/staging/dashboard/?range=custom&from={}&to={}&whole",
    "/environments/staging/dashboard/?source={}&type={}&segment={}&channel={}&whole",
    "/environments/staging/dashboard/around/?at={}&days={}",
    "/environment/staging/configuration/{}/",
    "/environment/staging/configuration/flow/?q={}&page={}",
    "/environment/staging/configuration/flow/{}",
    "/environment/staging/configuration/segment/{}?text",
    "/environment/staging/way/?around=flow/{}",
    "/environment/staging/way/?around={}",
    "/compare/?before=staging:now&after={}",
    "/compare/?before=staging:1&after=staging:now&resource={}&q={}&kind={}&page={}",
    "/compare/document/?before=staging:1&after=staging:now&resource=flow&id={}&was={}",
    "/compare/way/?before=staging:now&after={}",
    "/suites/SUITE/tests/new/?session={}",
    "/suites/SUITE/tests/new/?copy={}",
    "/history/staging/flow/?id={}&version={}&before={}",
    "/builds/staging/1/document/flow/?id={}",
    "/builds/staging/1/comment/?resource=flow&id={}&before={}&place={}",
)


@pytest.fixture
def suite(people: People, staging: Environment) -> int:
    capture(people.qa, staging)
    return make_suite(people.qa, staging, "Shop").pk


def ask_all(
    suite: int, people: People, engine: Connection, request: pytest.FixtureRequest, how: settings
) -> None:
    client, asked = enter(people.qa.user), 0
    rows, held = database(), engine_state(engine)

    @settings(how, suppress_health_check=CALM)
    @given(st.sampled_from(PATHS), TEXT)
    def one(path: str, text: str) -> None:
        nonlocal asked
        address = path.replace("SUITE", str(suite)).replace("{}", encoded(text))
        answer = client.get(address, secure=True)
        assert answer.status_code < 500, (address, answer.content.decode()[-3000:])
        asked += 1

    one()
    assert database() == rows
    assert engine_state(engine) == held
    request.node.user_properties.append((FUZZED, asked))
    assert client.get(reverse("promotion:suites"), secure=True).status_code == 200


def test_an_engine_is_asked_with_rubbish_and_answers(
    suite: int, people: People, engine: Connection, request: pytest.FixtureRequest
) -> None:
    ask_all(suite, people, engine, request, settings(SHORT, max_examples=100))


@pytest.mark.long
def test_an_engine_is_asked_with_much_rubbish_and_answers(
    suite: int, people: People, engine: Connection, request: pytest.FixtureRequest
) -> None:
    ask_all(suite, people, engine, request, settings(max_examples=1500, database=None))
