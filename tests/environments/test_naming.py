"""Every name in the files of a real Tracardi is derived right, and none is misjudged."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.catalogue import CATALOGUES, Catalogue, Policy, catalogue_for
from environments.naming import InvalidTenantError, NameKind, Naming, Side, default_tenant
from tests.data import load

TENANTS = {"0.8.1": "acme", "0.8.2": "acme82"}
VERSIONS = sorted(TENANTS)


def sides(version: str) -> list[Naming]:
    return [Naming(catalogue_for(version), TENANTS[version], side) for side in Side]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_real_index_belongs_to_its_side_and_names_its_alias(version: str) -> None:
    indices = load(f"{version}/aliases.json")
    assert len(indices) > 70
    for name, facts in indices.items():
        owners = [n for n in sides(version) if n.classify(name) is not None]
        assert len(owners) == (2 if name.startswith("static-") else 1), name
        found = owners[0].classify(name)
        assert found is not None
        assert found.resource is not None, name
        [alias] = facts["aliases"]
        assert owners[0].alias(found.resource.name) == alias
        expected = NameKind.PARTITION if found.resource.partitioned else NameKind.CONCRETE
        assert found.kind is expected, name
        if found.kind is NameKind.CONCRETE:
            assert owners[0].concrete(found.resource.name) == name
        else:
            suffix = name.split(f"{found.resource.storage}-", 1)[1]
            assert owners[0].partition(found.resource.name, suffix) == name


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_of_the_catalogue_has_a_real_index(version: str) -> None:
    indices = load(f"{version}/aliases.json")
    for naming in sides(version):
        seen = {
            found.resource.name
            for name in indices
            if (found := naming.classify(name)) is not None and found.resource is not None
        }
        assert seen == {resource.name for resource in naming.catalogue.resources}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_real_template_has_the_derived_name_pattern_and_alias(version: str) -> None:
    templates = {t["name"]: t for t in load(f"{version}/templates.json")}
    derived = {}
    for naming in sides(version):
        for resource in naming.catalogue.resources:
            if resource.partitioned:
                derived[naming.template(resource.name)] = (
                    [naming.template_pattern(resource.name)],
                    [naming.alias(resource.name)],
                )
    real = {n: (t["index_patterns"], list(t["aliases"])) for n, t in templates.items()}
    assert derived == real


def test_the_catalogue_agrees_with_what_tracardi_itself_copies() -> None:
    catalogue = catalogue_for("0.8.1")
    for row in load("0.8.1/catalogue.json"):
        resource = catalogue.by_storage(row["storage_name"])
        assert resource is not None, row
        assert resource.partitioned == row["monthly"]
        assert (resource.policy is Policy.SHARED) == row["static"]
        copied = row["promoted_by_tracardi"] and row["resource"] != "heartbeats"
        assert (resource.policy is Policy.PROMOTED) == copied, row
    assert len(catalogue.promoted) == 20


def test_the_tenant_of_an_installation_without_one_is_the_digest_of_its_version() -> None:
    assert default_tenant("08x") == "01506"


tenants = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,59}", fullmatch=True).filter(
    lambda t: not t.startswith(("prod-", "static-"))
)
catalogues = st.sampled_from(list(CATALOGUES.values()))
numbers = st.integers(1, 999_999)


@given(catalogues, tenants, st.sampled_from(Side), numbers)
def test_a_promoted_name_is_never_a_protected_one(
    catalogue: Catalogue, tenant: str, side: Side, number: int
) -> None:
    naming = Naming(catalogue, tenant, side)
    patterns = [naming.template_pattern(r.name) for r in catalogue.resources if r.partitioned]
    for resource in catalogue.promoted:
        names = {
            naming.concrete(resource.name): NameKind.CONCRETE,
            naming.alias(resource.name): NameKind.ALIAS,
            naming.generation_index(resource.name, number): NameKind.GENERATION,
        }
        for name, kind in names.items():
            found = naming.classify(name)
            assert found is not None
            assert (found.resource, found.kind) == (resource, kind)
            assert not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


@given(catalogues, tenants, tenants, st.sampled_from(Side), st.sampled_from(Side), numbers)
def test_names_of_two_sets_are_never_confused(
    catalogue: Catalogue, one: str, other: str, side: Side, other_side: Side, number: int
) -> None:
    mine, theirs = Naming(catalogue, one, side), Naming(catalogue, other, other_side)
    if mine.key == theirs.key:
        return
    for resource in catalogue.promoted:
        assert mine.classify(theirs.concrete(resource.name)) is None
        assert mine.classify(theirs.alias(resource.name)) is None
        assert mine.classify(theirs.generation_index(resource.name, number)) is None
    assert mine.marker_alias != theirs.marker_alias


@pytest.mark.parametrize(
    "tenant", ["", "Acme", "a.b", "prod-acme", "static-acme", "-acme", "a b", "ä", "a" * 61, "a*"]
)
def test_a_tenant_that_makes_names_ambiguous_is_refused(tenant: str) -> None:
    with pytest.raises(InvalidTenantError, match="not usable"):
        Naming(catalogue_for("0.8.1"), tenant, Side.STAGING)


@pytest.mark.parametrize("resource", ["event", "user", "bridge", "profile"])
def test_no_generation_is_ever_named_for_what_is_not_promoted(resource: str) -> None:
    with pytest.raises(ValueError, match="never written"):
        Naming(catalogue_for("0.8.1"), "acme", Side.PRODUCTION).generation_index(resource, 1)
