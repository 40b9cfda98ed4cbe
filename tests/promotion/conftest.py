"""A staging and a production set on the real engine, and what was done with them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from environments.elastic import Connection, connect
from environments.models import Environment
from promotion.adoption import adopt, run_adopt
from promotion.live import finish
from promotion.models import Promotion
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.writer import ClusterWriter
from tests import factories
from tests.backups import Backups
from tests.factories import People, approved, make_people, make_production, make_staging, remove

Put = Callable[[str, str, str], None]


@pytest.fixture
def staging(elasticsearch_url: str) -> Iterator[Environment]:
    """A staging set with the real documents, under a tenant of its own."""
    made = make_staging(elasticsearch_url)
    # A test may send the cluster's row elsewhere.
    engine = connect(made.cluster)
    yield made
    remove(made, engine)


@pytest.fixture
def engine(staging: Environment) -> Connection:
    return connect(staging.cluster)


@pytest.fixture
def put(staging: Environment) -> Put:
    """Write a document to staging without a refresh, as Tracardi does."""

    def write(resource: str, path_id: str, raw: str) -> None:
        factories.put(staging, resource, path_id, raw)

    return write


@pytest.fixture
def production(staging: Environment, engine: Connection) -> Iterator[Environment]:
    """What staging promotes to: plain indices with the same documents, and protected ones."""
    made = make_production(staging)
    yield made
    remove(made, engine)


@pytest.fixture
def people(production: Environment, staging: Environment) -> People:
    """One account of each role; QA and marketing are granted staging and production."""
    return make_people(staging, production)


@pytest.fixture
def adopted(people: People, production: Environment) -> Environment:
    run_adopt(adopt(people.admin, production))
    return production


Ship = Callable[[], Promotion]


@pytest.fixture
def ship(people: People, staging: Environment, adopted: Environment) -> Ship:
    """Capture, approve, prepare, promote and verify what staging holds."""

    def run() -> Promotion:
        build = approved(people, staging)
        ready = prepare(build, adopted)
        consents = [finding["code"] for finding in ready.consents_due]
        made = promote(
            people.admin, build, adopted, plan_digest=ready.plan_digest, consents=consents
        )
        return finish(made)

    return run


@pytest.fixture
def backups(tmp_path: Path) -> Backups:
    """Copies of the database, to be put back."""
    return Backups(tmp_path)


@pytest.fixture
def writer(production: Environment, engine: Connection) -> ClusterWriter:
    return ClusterWriter(engine)


@pytest.fixture
def quick(settings: Settings) -> None:
    """A lease time that a test can wait for."""
    settings.LEASE_SECONDS = 3
    settings.LEASE_RENEW_SECONDS = 0.5
