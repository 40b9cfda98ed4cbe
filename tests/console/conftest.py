"""Sets on the real engine, for pages that show what is in them; and a shop without an engine."""

import pytest

from accounts.models import User
from accounts.roles import Role
from environments.models import Environment
from tests.console.shops import make_shop, person
from tests.promotion.conftest import engine, people, production, staging

__all__ = ["engine", "people", "production", "staging"]


@pytest.fixture
def shop() -> Environment:
    return make_shop()


@pytest.fixture
def qa(shop: Environment) -> User:
    return person(Role.QA, shop)
