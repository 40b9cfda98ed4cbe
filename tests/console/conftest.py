"""A staging and a production set on the real engine, for pages that show what is in them."""

from tests.promotion.conftest import engine, people, production, staging

__all__ = ["engine", "people", "production", "staging"]
