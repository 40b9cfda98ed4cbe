"""What every page needs to have something on it: a pipeline that lived, by the real services."""

import json

import pytest

from environments.health.looks import look_at_health
from environments.models import Environment
from promotion.adoption import adopt, run_adopt
from promotion.batch_models import Batch
from promotion.batches import Choice, run_batch, start_batch
from promotion.checklists import change_checklist
from promotion.comments import add_comment, settle_comment
from promotion.drift import check
from promotion.live import finish
from promotion.locking import unlock
from promotion.models import Build, Promotion, Suite, SuiteRun
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.services import capture
from promotion.suites import keep_test
from tests.factories import People, approved, put, served
from tests.promotion.test_workflows import done, patience, purchase, standin, suite

__all__ = ["batch", "edit", "go_live", "lived", "patience", "ran", "standin", "suite", "talked"]


def edit(environment: Environment, resource: str, name: str) -> None:
    """Give the first document of a resource another name, as somebody does in Tracardi."""
    doc_id, raw = sorted(served(environment, resource).items())[0]
    put(environment, resource, doc_id, json.dumps({**json.loads(raw), "name": name}))


def go_live(people: People, build: Build, production: Environment, comment: str = "") -> Promotion:
    """Promote a build as the administrator does, with all consents that it asks for."""
    ready = prepare(build, production)
    made = promote(
        people.admin,
        build,
        production,
        plan_digest=ready.plan_digest,
        consents=[finding["code"] for finding in ready.consents_due],
        comment=comment,
    )
    return finish(made)


@pytest.fixture
def lived(people: People, staging: Environment, production: Environment) -> People:
    """The people of a pipeline where one build went live, another waits, and drift is there."""
    capture(people.qa, staging)
    run_adopt(adopt(people.admin, production))
    edit(staging, "rule", "Renamed on staging")
    edit(staging, "flow", "Flow, renamed")
    build = approved(people, staging)
    go_live(people, build, production)
    edit(staging, "segment", "Renamed since")
    capture(people.qa, staging)
    unlock(people.admin, production, "An edit by hand")
    edit(production, "segment", "Edited by hand")
    check(production)
    look_at_health()
    return people


@pytest.fixture
def ran(lived: People, suite: Suite) -> SuiteRun:
    """A run of workflow tests of which one passed and one did not."""
    keep_test(lived.qa, suite, purchase("Wrong", segments=["nobody"]), version=2)
    suite.refresh_from_db()
    return done(lived, suite)


@pytest.fixture
def batch(lived: People, staging: Environment, production: Environment) -> Batch:
    """A batch of one target, which ended: production stands open to edits, and so refuses it."""
    build = Build.objects.get(environment=staging, number=2)
    made = start_batch(lived.admin, [Choice(build, production)], comment="All of them")
    return run_batch(made, 0)


@pytest.fixture
def talked(lived: People, staging: Environment) -> Build:
    """A build that people speak of, one thread open and one resolved, with a checklist to tick."""
    build = Build.objects.get(environment=staging, number=3)
    change_checklist(lived.admin, staging, "Looked at the flows\n?Told marketing", version=0)
    rule = min(served(staging, "rule"))
    asked = add_comment(lived.qa, build, "Why?", resource="rule", document=rule, title="A rule")
    add_comment(lived.qa, build, "Because.", parent=asked)
    settle_comment(lived.qa, add_comment(lived.qa, build, "Is it whole?"), resolved=True)
    return build
