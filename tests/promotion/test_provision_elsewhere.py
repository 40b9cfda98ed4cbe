"""Making a set in a cluster that is really another one, of another version or kind of engine."""

import pytest

from devtools.elasticsearch.node import Engine, start
from promotion.engine.errors import PreflightFailed
from promotion.provisioning import plan, provision
from tests.factories import make_people
from tests.promotion import sets
from tests.promotion.test_provision import check_alike, codes

pytestmark = [pytest.mark.django_db, pytest.mark.long]


def test_a_set_goes_to_another_cluster_if_its_engine_takes_it_and_else_nothing_is_made() -> None:
    newer = start(in_memory=True, brief=True, engine=Engine.ELASTICSEARCH_7_17)
    older = start(in_memory=True, brief=True, engine=Engine.ELASTICSEARCH_7_10)
    other = start(in_memory=True, brief=True, engine=Engine.OPENSEARCH_2_19)
    with newer as there:
        with older as here, sets.installed(here.url, "staging", documents=False) as tenant:
            like = sets.new_environment(sets.new_cluster(here.url), "staging", tenant)
            target = sets.new_environment(sets.new_cluster(there.url), "production", tenant)
            people = make_people(like, target)
            provision(people.admin, target, like, digest=plan(target, like).digest)
            check_alike(like, target)
        # Its mappings of events say `flattened`, which an OpenSearch does not know.
        with (
            other as strange,
            sets.installed(there.url, "staging", documents=False) as tenant,
        ):
            like = sets.new_environment(sets.new_cluster(there.url), "staging", tenant)
            target = sets.new_environment(sets.new_cluster(strange.url), "production", tenant)
            found = plan(target, like)
            assert codes(found) == {"engine-refuses"}
            assert any("flattened" in finding.message for finding in found.findings)
            with pytest.raises(PreflightFailed, match="Nothing was made"):
                provision(people.admin, target, like, digest=found.digest)
            assert sets.names_in(target) == set()
