"""What the home page says of staging: was it written to since its last build?"""

import pytest
from pytest_django import Settings

from environments.elastic import connect
from environments.models import Environment
from promotion.changes import changes_since
from promotion.services import capture
from promotion.writer import ClusterWriter
from tests.factories import People
from tests.promotion.conftest import Put

pytestmark = pytest.mark.django_db


def test_what_was_written_to_since_the_build_is_named(
    people: People, staging: Environment, put: Put
) -> None:
    assert changes_since([(staging, None)])[staging.pk].words == "Never captured"
    build = capture(people.qa, staging)
    same = changes_since([(staging, build)])[staging.pk]
    assert (same.changed, same.words) == (False, "As in build 1")
    put("segment", "new", '{"name": "New"}')
    put("rule", "new", '{"name": "New"}')
    moved = changes_since([(staging, build)])[staging.pk]
    assert moved.changed
    assert set(moved.words.removeprefix("Since build 1: ").split(", ")) == {"Rules", "Segments"}


def test_several_environments_are_asked_about_at_once(
    people: People, staging: Environment, production: Environment, put: Put
) -> None:
    pairs = [(staging, capture(people.qa, staging)), (production, capture(people.qa, production))]
    put("segment", "new", '{"name": "New"}')
    found = changes_since(pairs)
    assert [found[environment.pk].changed for environment, _ in pairs] == [True, False]


def test_staging_that_is_gone_or_out_of_reach_is_not_known(
    people: People, staging: Environment, settings: Settings
) -> None:
    build = capture(people.qa, staging)
    # A page does not wait for as long as a promotion: this would not end today.
    settings.RETRY_SECONDS = 100_000.0
    ClusterWriter(connect(staging.cluster)).delete(
        [part.index for part in build.resources().values()]
    )
    assert changes_since([(staging, build)])[staging.pk].changed is None
    staging.cluster.url = "http://127.0.0.1:9"
    away = changes_since([(staging, build)])[staging.pk]
    assert away.changed is None
    assert "nothing answers" in away.words
