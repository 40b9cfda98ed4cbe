"""Fixtures for all tests."""

import os
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from devtools.elasticsearch.node import start


@pytest.fixture(scope="session")
def elasticsearch_url() -> Iterator[str]:
    """The address of a real engine: TEST_ELASTICSEARCH_URL, or a node started for this run."""
    given = os.environ.get("TEST_ELASTICSEARCH_URL")
    if given:
        yield given
        return
    with start(in_memory=True) as node:
        yield node.url


@pytest.fixture(autouse=True)
def fast_passwords(settings: Settings) -> None:
    """Hash passwords cheaply: most tests make accounts, and none is about the hash itself."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
