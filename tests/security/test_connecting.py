"""Where the console connects, judged again each time, and what it reads there."""

import gzip
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from environments.admin import ClusterForm
from environments.collector import Collector, CollectorError
from environments.elastic import (
    AnswerTooLargeError,
    Connection,
    ForbiddenTarget,
    Refused,
    Unreachable,
)
from environments.models import Cluster
from environments.targets import check_url
from promotion.cluster import ClusterReader
from promotion.engine.errors import AccessDenied
from tests.security.conftest import Names
from tests.security.listening import Listener, listening

# --- When connecting -----------------------------------------------------------------------------


def test_a_name_that_leads_elsewhere_after_the_form_is_not_followed(
    settings: Settings, names: Names, target: Listener
) -> None:
    settings.ALLOWED_TARGETS = ["127.0.0.1"]
    names("moving.test", "127.0.0.1")
    url = f"http://moving.test:{target.port}"
    check_url(url)
    with listening("127.0.0.2", target.port) as other:
        names("moving.test", "127.0.0.2")
        with pytest.raises(ForbiddenTarget, match="nothing was sent") as caught:
            Connection(Cluster(name="Moving", url=url)).request("GET", "/")
        assert "127.0.0.2" in str(caught.value)
        with pytest.raises(CollectorError, match="Nothing was sent"):
            Collector(url, 2).health()
        with pytest.raises(CollectorError, match="Nothing was sent"):
            Collector(url, 2).track({"events": []})
        # What a promotion does with it: nothing is tried again.
        with pytest.raises(AccessDenied, match="Moving was not connected to"):
            ClusterReader(Connection(Cluster(name="Moving", url=url))).uuid()
    assert other.asked == target.asked == []


def test_the_address_that_was_judged_is_the_one_that_is_taken(
    settings: Settings, target: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A DNS server may answer the second question otherwise than the first."""
    settings.ALLOWED_TARGETS = ["127.0.0.1"]
    ask, answers = socket.getaddrinfo, iter(["127.0.0.1", "127.0.0.2"])

    def rebound(host: Any, *rest: Any, **more: Any) -> Any:
        return ask(next(answers) if host == "rebound.test" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    with listening("127.0.0.2", target.port) as other:
        url = f"http://rebound.test:{target.port}"
        Connection(Cluster(name="Rebound", url=url)).request("GET", "/")
    assert (target.asked, other.asked) == (["/"], [])


def certificate(name: str, folder: Path) -> Path:
    """Make a certificate for a name, signed by itself, and return the file with it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / f"{name}.pem"
    file.write_bytes(
        made.public_bytes(encoding)
        + key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    )
    return file


@pytest.mark.parametrize("name", ["tls.test", "other.test"])
def test_the_certificate_must_be_of_the_name_and_not_of_the_address(
    settings: Settings, names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    settings.ALLOWED_TARGETS = ["127.0.0.1"]
    names("tls.test", "127.0.0.1")
    file = certificate(name, tmp_path)
    with listening(certificate=file) as target:
        target.body = b'{"task": []}'
        url = f"https://tls.test:{target.port}"
        trusted = file.read_text().partition("-----BEGIN PRIVATE")[0]
        engine = Connection(Cluster(name="Tls", url=url, ca_certificate=trusted))
        # Where the operating system's authorities would stand.
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        if name == "tls.test":
            assert engine.request("GET", "/") == {"task": []}
            assert Collector(url, 5).track({"events": []}) == {"task": []}
        else:
            with pytest.raises(Unreachable, match="TLS certificate is not accepted"):
                engine.request("GET", "/")
            with pytest.raises(CollectorError, match="no valid certificate"):
                Collector(url, 5).track({"events": []})
            assert target.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_answer_leads_elsewhere(target: Listener, status: int) -> None:
    with listening() as other:
        target.status, target.headers = status, {"location": f"{other.url}/secret"}
        with pytest.raises(Refused) as caught:
            Connection(Cluster(name="Leading", url=target.url)).request("GET", "/")
        assert caught.value.status == status
        with pytest.raises(CollectorError, match="leads elsewhere"):
            Collector(target.url, 2).track({"events": []})
    assert other.asked == []


def test_a_stored_address_with_a_query_is_not_asked(target: Listener) -> None:
    with pytest.raises(CollectorError, match="Nothing was sent"):
        Collector(f"{target.url}/admin/delete?x=", 2).track({"events": []})
    assert target.asked == []


# --- What is read of an answer -------------------------------------------------------------------


@pytest.mark.parametrize("endless", [False, True])
def test_an_answer_longer_than_its_bound_is_not_read(target: Listener, endless: bool) -> None:
    target.body, target.endless = b" " * 5000, endless
    connection = Connection(Cluster(name="Long", url=target.url), 4096)
    for ask in (connection.request, connection.verbatim):
        with pytest.raises(AnswerTooLargeError, match="Cluster Long"):
            ask("GET", "/")


def test_an_answer_of_the_bound_is_read_with_and_without_its_length(target: Listener) -> None:
    target.body = b'"' + b"x" * 4094 + b'"'
    connection = Connection(Cluster(name="Fits", url=target.url), 4096)
    assert connection.verbatim("GET", "/") == target.body.decode()
    assert connection.verbatim("GET", "/") == target.body.decode()


def test_a_compressed_answer_is_not_unpacked(target: Listener) -> None:
    target.headers = {"content-encoding": "gzip", "content-type": "application/json"}
    target.body = gzip.compress(b" " * 10_000_000)
    with pytest.raises(Unreachable):
        Connection(Cluster(name="Bomb", url=target.url), 65536).request("GET", "/")


PAGE = "internal-page-7391"


@pytest.mark.parametrize(
    "body",
    [
        f"<html>{PAGE}</html>",
        f'{{"error": "{PAGE}"}}',
        f'{{"error": {{"reason": "{PAGE}"}}}}',
        f'{{"error": {{"type": "A Page", "reason": "{PAGE}"}}}}',
        f'{{"error": {{"root_cause": "{PAGE}"}}}}',
        f'{{"result": "{PAGE}"}}',
        f'["{PAGE}"]',
    ],
)
def test_the_words_of_what_is_no_engine_are_not_shown(
    db: None, target: Listener, body: str
) -> None:
    target.status, target.body = 404, body.encode()
    with pytest.raises(Refused, match="HTTP 404") as caught:
        Connection(Cluster(name="Page", url=target.url)).request("GET", "/")
    assert PAGE not in str(caught.value) + caught.value.detail
    form = ClusterForm({"name": "Page", "url": target.url, "authentication": "none"})
    assert not form.is_valid()
    assert PAGE not in str(form.errors)


@pytest.mark.parametrize("status", [200, 404])
def test_a_new_cluster_is_told_nothing_of_what_it_is_not(
    db: None, target: Listener, status: int
) -> None:
    """Not even what looks like an engine's error: it may be another service's."""
    target.status = status
    target.body = f'{{"error": {{"type": "x", "reason": "{PAGE}"}}, "version": "{PAGE}"}}'.encode()
    form = ClusterForm({"name": "Page", "url": target.url, "authentication": "none"})
    assert not form.is_valid()
    assert PAGE not in str(form.errors)
    assert "Nothing was saved. Correct the address." in " ".join(str(form.errors).split())
