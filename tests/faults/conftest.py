"""A world that outlives a test: what one crash left, the next one meets."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from pytest_django.plugin import DjangoDbBlocker

from promotion.engine.errors import PromotionError
from tests.faults.world import World


class Worlds:
    """Makes a world where there is none, or where a test left a broken one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._world: World | None = None

    def get(self) -> World:
        if self._world is None:
            self._world = World(self._url)
        return self._world

    def end(self) -> None:
        """Remove the world, and empty the database."""
        if self._world is not None:
            self._world.close()
            self._world = None
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture
def _django_db_helper() -> None:
    """Leave the database alone between tests, in place of pytest-django's own: `world` lives on."""


@pytest.fixture(scope="module")
def engine_url(elasticsearch_url: str) -> str:
    """Where the world's cluster is."""
    return elasticsearch_url


@pytest.fixture(scope="module")
def worlds(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, engine_url: str
) -> Iterator[Worlds]:
    """Worlds that are committed to the database of the tests."""
    with django_db_blocker.unblock():
        made = Worlds(engine_url)
        yield made
        made.end()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    """Both sets, as the test before left them."""
    made = worlds.get()
    yield made
    try:
        made.check()
    except (AssertionError, PromotionError):
        # The next test is to fail for a reason of its own.
        worlds.end()
        raise
