"""A cluster's stored password goes nowhere but to the cluster that it was given for."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from environments.models import Cluster
from tests.accounts.conftest import Cast, cast
from tests.factories import FACTORS, enter, prove
from tests.security.listening import Listener

__all__ = ["cast"]
pytestmark = pytest.mark.django_db
SECRET = "engine-password"


@pytest.fixture
def cluster(cast: Cast, target: Listener) -> Cluster:
    """A cluster with a password, whose server answers as an engine does."""
    facts: dict[str, Any] = {
        "cluster_name": "c",
        "cluster_uuid": "u",
        "version": {"number": "7.17.28"},
        "tagline": "You Know, for Search",
    }
    target.body = json.dumps(facts).encode()
    target.headers["X-Elastic-Product"] = "Elasticsearch"
    return Cluster.objects.create(
        name="Shop",
        url=target.url,
        authentication="basic",
        username="console",
        secret=SECRET,
        uuid="u",
    )


def send(client: Client, cluster: Cluster, **changed: str) -> Any:
    data = {
        "name": cluster.name,
        "url": cluster.url,
        "authentication": "basic",
        "username": cluster.username,
        "ca_certificate": "",
        "new_secret": "",
        **changed,
    }
    url = reverse("admin:environments_cluster_change", args=[cluster.pk])
    return client.post(url, data, secure=True)


def test_another_name_is_saved_with_the_stored_password(
    cast: Cast, cluster: Cluster, target: Listener
) -> None:
    assert send(enter(cast.admin), cluster, name="Other").status_code == 302
    assert len(set(target.credentials)) == 1
    cluster.refresh_from_db()
    assert (cluster.name, cluster.secret) == ("Other", SECRET)


@pytest.mark.parametrize("what", ["address", "scheme", "username", "certificate"])
def test_no_other_server_is_sent_the_stored_password(
    cast: Cast, cluster: Cluster, target: Listener, what: str
) -> None:
    changed = {
        "address": {"url": target.url.replace("127.0.0.1", "localhost")},
        "scheme": {"url": target.url.replace("http:", "https:")},
        "username": {"username": "other"},
        "certificate": {"ca_certificate": "-----BEGIN CERTIFICATE-----"},
    }[what]
    answer = send(enter(cast.admin), cluster, **changed)
    assert "Type the password or API key again" in answer.content.decode()
    assert target.asked == []
    cluster.refresh_from_db()
    assert cluster.url == target.url


def test_with_the_password_typed_anew_it_may_lead_elsewhere(
    cast: Cast, cluster: Cluster, target: Listener
) -> None:
    there = target.url.replace("127.0.0.1", "localhost")
    assert send(enter(cast.admin), cluster, url=there, new_secret="another").status_code == 302
    cluster.refresh_from_db()
    assert (cluster.url, cluster.secret) == (there, "another")


def test_a_set_up_without_a_fresh_proof_is_neither_shown_nor_tried(
    cast: Cast, cluster: Cluster, target: Listener
) -> None:
    client = enter(cast.admin)
    prove(client, cast.admin, FACTORS, ago=3600)
    for name, args in (
        ("admin:environments_cluster_change", [cluster.pk]),
        ("admin:environments_cluster_add", []),
        ("admin:environments_environment_add", []),
    ):
        page = client.get(reverse(name, args=args), secure=True)
        assert page.headers["Location"].startswith(reverse("account_reauthenticate"))
    answer = send(client, cluster, new_secret="another")
    assert answer.headers["Location"].startswith(reverse("account_reauthenticate"))
    assert target.asked == []
    cluster.refresh_from_db()
    assert cluster.secret == SECRET
    event = AuditEvent.objects.latest("number")
    assert (event.action, event.outcome) == ("cluster.changed", "refused")
