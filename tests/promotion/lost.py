"""What the tests of a lost database share."""

import json
from io import StringIO
from typing import Any

from django.core.management import call_command

from environments.models import Cluster, Environment
from promotion.engine.receipt import problems
from promotion.live import finish
from promotion.lost import check
from promotion.models import Promotion, StoredGeneration
from promotion.planning import writer_for
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.receipts import is_signed, issued
from promotion.reconciling import reconcile, run_reconcile
from promotion.rollback import rollback
from tests.factories import (
    People,
    approved,
    put,
    served,
)


def live_in(environment: Environment) -> StoredGeneration:
    live = StoredGeneration.live_in(environment)
    assert live is not None
    return live


def reconciled(people: People, environment: Environment, *, clean: bool = False) -> Promotion:
    begun = reconcile(people.admin, environment, clean=clean)
    assert begun is not None
    ended = run_reconcile(begun)
    ended.refresh_from_db()
    assert ended.status == "succeeded", ended.message
    return ended


def back(people: People, environment: Environment) -> Promotion:
    return finish(rollback(people.admin, environment, marker=live_in(environment).marker))


def check_agreement(people: People, environment: Environment) -> None:
    """The database and the cluster say the same, and a second reconcile has nothing to do."""
    writer = writer_for(environment)
    assert check(writer, environment) is None
    assert reconcile(people.admin, environment) is None
    assert writer.lease(environment.naming.key)[0].holder == ""
    facts = writer.marker(environment.naming.marker_alias)
    assert (facts or {}).get("marker", "") == StoredGeneration.live_marker(environment)
    assert not Promotion.objects.filter(status__in=Promotion.ACTIVE).exclude(kind="prepare")
    for ended in Promotion.objects.exclude(kind="prepare"):
        receipt = issued(ended)
        assert receipt is not None
        assert problems(receipt, is_signed) == []


def check_main_job(people: People, staging: Environment, production: Environment) -> None:
    """It can be promoted and rolled back, as ever."""
    before = served(production, "segment")
    put(staging, "segment", "after", '{"name": "After"}')
    build = approved(people, staging)
    ready = prepare(build, production)
    consents = [finding["code"] for finding in ready.consents_due]
    made = promote(
        people.admin, build, production, plan_digest=ready.plan_digest, consents=consents
    )
    assert finish(made).status == "succeeded"
    assert "after" in served(production, "segment")
    assert back(people, production).status == "succeeded"
    assert served(production, "segment") == before


def set_up(production: Environment, staging: Environment) -> tuple[Environment, Environment]:
    """Enter the cluster and both environments anew, as the administrator does."""
    cluster = Cluster.objects.create(name="Test", url=staging.cluster.url)
    facts = {"cluster": cluster, "version": "0.8.1", "tenant": staging.tenant}
    made = Environment.objects.create(
        name="Production", slug="production", kind="production", **facts
    )
    fed = Environment.objects.create(
        name="Staging", slug="staging", kind="staging", promotes_to=made, **facts
    )
    return made, fed


def run(*words: str) -> tuple[int, dict[str, Any]]:
    """Run a command with --json and return its exit code and what it printed."""
    out, code = StringIO(), 0
    try:
        call_command(*words, "--json", stdout=out)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, json.loads(out.getvalue())
