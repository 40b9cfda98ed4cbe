"""The names of a real installation, as it reported them, are as they should be."""

from datetime import UTC, datetime

import pytest

from environments.catalogue import catalogue_for
from environments.health.facts import IndexFacts, SetFacts
from environments.health.judging import judge_set
from environments.naming import Naming, Side
from tests.data import load

TENANTS = {"0.8.1": "acme", "0.8.2": "acme82"}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("version", TENANTS)
def test_a_real_installation_has_nothing_to_look_at(version: str, side: Side) -> None:
    indices = {
        name: IndexFacts(name, frozenset(held["aliases"]), True, "green", "m", "a", 1)
        for name, held in load(f"{version}/aliases.json").items()
    }
    naming = Naming(catalogue_for(version), TENANTS[version], side)
    found = judge_set("Shop", naming, SetFacts(indices), datetime(2026, 11, 26, tzinfo=UTC))
    assert found == []
