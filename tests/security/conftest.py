"""A production set on the real engine, and its people."""

from tests.promotion.conftest import engine, people, production

__all__ = ["engine", "people", "production"]
