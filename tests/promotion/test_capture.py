"""Capturing a real configuration from a real engine."""

import json
from collections.abc import Callable

import pytest
from django.test import override_settings

from accounts.audit import command_actor, system_actor
from accounts.authorising import NotAllowedError
from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.services import create_user, grant
from environments.catalogue import catalogue_for
from environments.elastic import Connection, connect
from environments.models import Environment
from promotion.engine.errors import OutcomeUnknown, PreflightFailed, UnreadableDocument
from promotion.models import Blob, Build, StoredTree
from promotion.services import capture
from promotion.store import DatabaseContent
from tests.data import configuration

pytestmark = pytest.mark.django_db
Put = Callable[[str, str, str], None]


def stored(build: Build, resource: str) -> dict[str, bytes]:
    content = DatabaseContent()
    tree = content.tree(build.resources()[resource].tree.digest)
    return {entry.id: content.source(entry.oid) for entry in tree.entries}


def read_by(build: Build) -> list[str]:
    event = AuditEvent.objects.get(object_type="build", object_id=str(build.pk))
    read: list[str] = event.detail["read"]
    return read


def test_the_real_documents_are_kept_byte_for_byte(staging: Environment) -> None:
    build = capture(system_actor(), staging)
    for resource in catalogue_for("0.8.1").promoted:
        assert stored(build, resource.name) == dict(configuration(resource.storage))


def test_what_is_kept_is_encrypted(staging: Environment) -> None:
    capture(system_actor(), staging)
    bodies = [b.body for b in Blob.objects.all()] + [t.body for t in StoredTree.objects.all()]
    kept = b"".join(bytes(body) for body in bodies)
    assert b"tracardi" not in kept
    assert b"Web shop" not in kept


def test_an_unchanged_environment_is_not_read_again(staging: Environment) -> None:
    first = capture(system_actor(), staging)
    second = capture(system_actor(), staging)
    assert len(read_by(first)) == 20
    assert read_by(second) == []
    assert (second.number, second.same_as) == (2, first)


def test_one_changed_document_reads_one_index_and_shares_the_rest(
    staging: Environment, put: Put
) -> None:
    first = capture(system_actor(), staging)
    blobs = Blob.objects.count()
    put("segment", "seg-loyal", '{"name": "Loyal!", "enabled": true}')
    second = capture(system_actor(), staging)
    assert read_by(second) == ["segment"]
    assert Blob.objects.count() == blobs + 1
    assert second.same_as is None
    assert second.content != first.content


def test_a_write_that_no_search_shows_yet_is_captured(staging: Environment, put: Put) -> None:
    index = staging.naming.concrete("segment")
    connect(staging.cluster).request(
        "PUT", f"/{index}/_settings", body={"index.refresh_interval": "-1"}
    )
    put("segment", "seg-new", '{"name": "New"}')
    assert "seg-new" in stored(capture(system_actor(), staging), "segment")


def test_large_integers_and_unusual_ids_are_captured_right(staging: Environment, put: Put) -> None:
    raw = '{"properties": {"big": 123456789012345678901234567890, "f": 1.0}}'
    put("content", "a%2Fb%20%C3%A4%20%F0%9F%9A%80", raw)
    assert stored(capture(system_actor(), staging), "content")["a/b ä 🚀"] == raw.encode()


def test_noise_alone_makes_a_build_with_the_same_content(staging: Environment, put: Put) -> None:
    first = capture(system_actor(), staging)
    source = json.loads(dict(configuration("tracardi-rule"))["rule-page"])
    source["metadata"]["time"]["insert"] = "2030-01-01T00:00:00"
    put("rule", "rule-page", json.dumps(source))
    second = capture(system_actor(), staging)
    assert second.same_as == first
    assert second.exact != first.exact


@override_settings(MAX_DOCUMENT_BYTES=100_000)
def test_a_document_over_the_limit_is_refused_and_nothing_is_kept(
    staging: Environment, put: Put
) -> None:
    put("content", "huge", json.dumps({"text": "x" * 100_000}))
    with pytest.raises(UnreadableDocument, match="'huge' of resource content"):
        capture(system_actor(), staging)
    assert not Build.objects.exists()
    assert AuditEvent.objects.get(action="build.capture").outcome == "failed"


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ({"remove": {"index": "{flow}", "alias": "{alias}"}}, "alias-missing"),
        ({"add": {"index": "{rule}", "alias": "{alias}"}}, "alias-ambiguous"),
    ],
)
def test_a_wrong_alias_is_a_finding(
    staging: Environment, engine: Connection, action: dict[str, dict[str, str]], code: str
) -> None:
    naming = staging.naming
    names = {
        "{flow}": naming.concrete("flow"),
        "{rule}": naming.concrete("rule"),
        "{alias}": naming.alias("flow"),
    }
    [(kind, body)] = action.items()
    filled = {kind: {key: names[value] for key, value in body.items()}}
    engine.request("POST", "/_aliases", body={"actions": [filled]})
    with pytest.raises(PreflightFailed) as caught:
        capture(system_actor(), staging)
    assert [finding.code for finding in caught.value.findings] == [code]
    assert not Build.objects.exists()


def test_an_unreachable_cluster_is_an_error_in_words(staging: Environment) -> None:
    staging.cluster.url = "http://127.0.0.1:1"
    with pytest.raises(OutcomeUnknown, match="cannot be reached"):
        capture(system_actor(), staging)
    assert not Build.objects.exists()


def test_only_who_may_captures_and_a_refusal_is_recorded(staging: Environment) -> None:
    system, password = system_actor(), "a long enough one 81"
    qa = create_user(system, username="qa", role=Role.QA, password=password)
    viewer = create_user(system, username="mia", role=Role.MARKETING, password=password)
    grant(system, qa, staging)
    grant(system, viewer, staging)
    with pytest.raises(NotAllowedError, match="may not capture"):
        capture(command_actor(viewer), staging)
    refused = AuditEvent.objects.get(outcome="refused")
    assert (refused.actor, refused.action, refused.channel) == (viewer, "build.capture", "cli")
    assert capture(command_actor(qa), staging).captured_by == qa
