"""A production set on the real engine and its people; and the world that the matrix is asked of."""

from collections.abc import Iterator

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.promotion.conftest import engine, people, production
from tests.security.world import World, made_world

__all__ = ["engine", "people", "production"]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """One world for a whole file: each test takes back what it did."""
    with django_db_blocker.unblock(), made_world() as made:
        yield made
