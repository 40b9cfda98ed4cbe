"""What a reader sees while promotions run: whole states, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from environments.elastic import connect
from environments.models import Environment
from promotion.adoption import adopt, run_adopt
from promotion.live import finish
from promotion.models import Review
from promotion.preparing import prepare
from promotion.promotions import promote
from promotion.services import capture, review
from promotion.writer import ClusterWriter
from tests.factories import People
from tests.promotion.conftest import Put

pytestmark = pytest.mark.django_db(transaction=True)
PROMOTIONS, READS = 20, 2000
RESOURCES = ("segment", "rule", "event-source")


def test_a_reader_sees_only_whole_states_while_adoption_and_twenty_promotions_run(
    people: People, staging: Environment, production: Environment, put: Put
) -> None:
    naming = production.naming
    names = [naming.alias(resource.name) for resource in naming.catalogue.promoted]
    aliases = ",".join(names)
    # The reader's first read is what it compares with.
    ClusterWriter(connect(production.cluster)).refresh(names)
    reader = subprocess.Popen(  # noqa: S603
        [
            sys.executable,
            str(Path(__file__).with_name("reader.py")),
            f"{production.cluster.url}/{aliases}/_search",
            str(READS),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    try:
        assert reader.stdout.readline() == "ready\n"
        run_adopt(adopt(people.admin, production))
        for number in range(PROMOTIONS):
            for resource in RESOURCES:
                put(resource, "revision", json.dumps({"name": f"r{number}"}))
            build = capture(people.qa, staging)
            review(people.qa, build, Review.Verdict.APPROVED, content=build.content)
            ready = prepare(build, production)
            made = promote(people.admin, build, production, plan_digest=ready.plan_digest)
            finish(made)
        out, _ = reader.communicate(timeout=300)
    finally:
        reader.kill()
    found = json.loads(out)
    assert found["bad"] == []
    assert found["reads"] >= READS
    # It was there for the changes: before, and most of the revisions.
    assert found["states"] > PROMOTIONS // 2
