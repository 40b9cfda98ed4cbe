"""Fixtures for all tests."""

import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from django.core.management.commands import flush
from django.db import connections
from pytest_django import Settings

from accounts import triggers
from devtools.elasticsearch.node import Engine, start

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs an engine: those tests run on each that the console supports."""
    for item in items:
        if "elasticsearch_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def elasticsearch_url() -> Iterator[str]:
    """The address of a real engine: TEST_ELASTICSEARCH_URL, or a node started for this run.

    TEST_ENGINE chooses which is started, such as `opensearch-2.19`.
    """
    given = os.environ.get("TEST_ELASTICSEARCH_URL")
    if given:
        yield given
        return
    engine = Engine(os.environ.get("TEST_ENGINE") or Engine.ELASTICSEARCH_7_17)
    with start(in_memory=True, brief=True, engine=engine) as node:
        yield node.url


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_modify_db_settings_parallel_suffix: None,
) -> None:
    """Keep SQLite's test database in a file, as a real console does: processes share it."""
    database = connections["default"].settings_dict
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(autouse=True, scope="session")
def emptied_after_tests() -> Iterator[None]:
    """Let Django empty the audit trail after a test, which nobody else may."""
    empty = flush.Command.handle

    def handle(self: flush.Command, **options: Any) -> None:
        connection = connections[options["database"]]
        triggers.drop(connection)
        empty(self, **options)
        triggers.create(connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush.Command, "handle", handle)
        yield


@pytest.fixture(autouse=True)
def fast_passwords(settings: Settings) -> None:
    """Hash passwords cheaply: most tests make accounts, and none is about the hash itself."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def plain_static_files(settings: Settings) -> None:
    """Name static files as they lie: nothing is collected in tests."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
