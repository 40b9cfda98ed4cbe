"""Which rights a user lacks is asked of Elasticsearch, and told by name."""

import json
from typing import Any

import pytest

from environments.catalogue import catalogue_for
from environments.engine_role import role
from environments.engines import ELASTICSEARCH, OPENSEARCH, Engine
from environments.models import Cluster
from environments.naming import Naming, Side
from environments.rights import lacking_rights
from tests.security.conftest import target
from tests.security.listening import Listener

__all__ = ["target"]
PRODUCTION = Naming(catalogue_for("0.8.1"), "acme", Side.PRODUCTION)
ELASTIC = Engine(ELASTICSEARCH, "7.17.28")
PATH = "/_security/user/_has_privileges"


def user(url: str) -> Cluster:
    return Cluster(
        name="C", url=url, authentication="basic", username="console", secret="s3cret-7391"
    )


def answer(without: set[tuple[str, str]]) -> bytes:
    """Return what Elasticsearch 7.17 answers where all is granted but some rights on some names."""
    wanted = role([PRODUCTION], "elasticsearch")

    def held(name: str, rights: list[str]) -> dict[str, bool]:
        return {right: (name, right) not in without for right in rights}

    index: dict[str, dict[str, bool]] = {}
    for row in wanted["indices"]:
        for name in row["names"]:
            index.setdefault(name, {}).update(held(name, row["privileges"]))
    found: dict[str, Any] = {
        "username": "console",
        "has_all_requested": not without,
        "cluster": held("", wanted["cluster"]),
        "index": index,
        "application": {},
    }
    return json.dumps(found).encode()


def test_where_all_is_granted_nothing_is_said(target: Listener) -> None:
    target.by_path[PATH] = (200, answer(set()))
    assert lacking_rights(user(target.url), ELASTIC, [PRODUCTION]) == ""
    assert target.asked == [PATH]


def test_what_lacks_is_told_by_right_and_name(target: Listener) -> None:
    flow, rule = PRODUCTION.concrete("flow"), PRODUCTION.concrete("rule")
    lacks = {("", "manage_index_templates"), (flow, "manage"), (rule, "manage"), (rule, "read")}
    target.by_path[PATH] = (200, answer(lacks))
    words = lacking_rights(user(target.url), ELASTIC, [PRODUCTION])
    assert "manage_index_templates in the cluster;" in words
    assert f"manage on {flow} and 1 more" in words
    assert f"read on {rule};" in words or f"read on {rule}." in words
    assert "manage.py engine-role" in words


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b"{}"),
        (500, b"page"),
        (403, b"{}"),
        (200, b"[]"),
        (200, b'{"cluster": [], "index": 1}'),
    ],
)
def test_where_nobody_answers_that_nothing_is_said(
    target: Listener, status: int, body: bytes
) -> None:
    target.by_path[PATH] = (status, body)
    assert lacking_rights(user(target.url), ELASTIC, [PRODUCTION]) == ""
    assert target.asked == [PATH]


def test_what_knows_no_such_question_is_not_asked(target: Listener) -> None:
    assert lacking_rights(user(target.url), Engine(OPENSEARCH, "2.19.1"), [PRODUCTION]) == ""
    open_to_all = Cluster(name="C", url=target.url)
    assert lacking_rights(open_to_all, ELASTIC, [PRODUCTION]) == ""
    assert target.asked == []


def test_a_real_engine_without_security_says_nothing(elasticsearch_url: str) -> None:
    assert lacking_rights(user(elasticsearch_url), ELASTIC, [PRODUCTION]) == ""
