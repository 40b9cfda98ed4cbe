"""Each way in which a cluster cannot be used is told from the others, in words with a way out."""

import errno
import json
import socket
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from environments import trial
from environments.credentials import check_ca
from environments.faults import Fault, TrialError
from environments.models import Cluster
from environments.trial import Proof, try_out
from tests.security.conftest import Names, names, target
from tests.security.listening import Listener, listening

__all__ = ["names", "target"]
SECRET = "s3cret-7391"
PAGE = "internal-page-7391"
ABOUT: dict[str, Any] = {
    "cluster_name": PAGE,
    "cluster_uuid": "uuid-1",
    "version": {"number": "7.17.28"},
    "tagline": "You Know, for Search",
}
LET_IN = (200, b"{}")


def about(**changed: Any) -> bytes:
    return json.dumps({**ABOUT, **changed}).encode()


def fails(cluster: Cluster, pinned: str = "") -> TrialError:
    """Return what is said of a cluster, which says no secret and nothing that a server said."""
    with pytest.raises(TrialError) as caught:
        try_out(cluster, pinned)
    said = caught.value
    for text in (said.what, said.todo, str(said)):
        assert SECRET not in text
        assert PAGE not in text
        assert text.endswith(".")
    assert "Nothing was saved." in said.in_a_form
    return said


def basic(url: str, **more: str) -> Cluster:
    facts = {"authentication": "basic", "username": "console", "secret": SECRET, **more}
    return Cluster(name="C", url=url, **facts)


@pytest.fixture
def engine(target: Listener) -> Listener:
    """A server that answers as an engine does."""
    target.headers["X-Elastic-Product"] = "Elasticsearch"
    target.body = about()
    return target


# --- What is right -------------------------------------------------------------------------------


def test_an_engine_that_lets_the_console_look_is_taken(engine: Listener) -> None:
    found = try_out(basic(engine.url), "uuid-1")
    assert (found.uuid, str(found.engine)) == ("uuid-1", "Elasticsearch 7.17.28")
    assert engine.asked == ["/", "/_cluster/health", "/_cluster/state/version"]


def test_a_real_engine_is_taken(elasticsearch_url: str) -> None:
    found: Proof = try_out(Cluster(name="Real", url=elasticsearch_url))
    assert found.engine.is_supported
    assert fails(Cluster(name="Real", url=elasticsearch_url), "x").fault is Fault.OTHER_CLUSTER
    wrong = Cluster(name="Real", url=elasticsearch_url.replace("http:", "https:"))
    assert fails(wrong).fault is Fault.SPEAKS_HTTP


# --- No connection -------------------------------------------------------------------------------


def test_a_name_that_cannot_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_all: Any, **_more: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said = fails(Cluster(name="C", url="https://serach.example.com:9200"))
    assert said.fault is Fault.NAME_UNKNOWN
    assert "serach.example.com cannot be looked up" in said.what


def test_nothing_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        said = fails(Cluster(name="C", url=f"http://127.0.0.1:{port}"))
    assert said.fault is Fault.NOTHING_LISTENS
    assert f"127.0.0.1:{port}" in said.what


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_answer_in_time(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setattr(trial, "SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}"
        assert fails(Cluster(name="C", url=url)).fault is Fault.TIME_OUT


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_answers_a_byte_now_and_then_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(trial, "SECONDS", 0.4)
    monkeypatch.setattr(trial, "WHOLE_SECONDS", 0.6)
    over = threading.Event()
    # The beginning of an answer, or of a record of TLS that is as long as one may be.
    start = b"HTTP/1.1 200 OK\r\nx: " if scheme == "http" else b"\x16\x03\x03\x40\x00\x02"

    def drip(server: socket.socket) -> None:
        taken, _ = server.accept()
        with taken:
            taken.sendall(start)
            while not over.wait(0.05):
                try:
                    taken.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=drip, args=(server,))
        dripping.start()
        url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        try:
            assert fails(Cluster(name="C", url=url)).fault is Fault.TIME_OUT
        finally:
            over.set()
            dripping.join()


def test_no_way_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_all: Any, **_more: Any) -> Any:
        raise OSError(errno.EHOSTUNREACH, "No route to host")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    said = fails(Cluster(name="C", url="http://127.0.0.1:9200"))
    assert said.fault is Fault.NO_WAY


def test_an_address_that_is_not_allowed_is_not_connected_to(
    settings: Settings, target: Listener
) -> None:
    settings.ALLOWED_TARGETS = ["10.0.0.0/8"]
    said = fails(basic(target.url))
    assert said.fault is Fault.FORBIDDEN_TARGET
    assert "ALLOWED_TARGETS does not name" in said.what
    assert "Nothing was sent." in said.what
    assert target.asked == []


def test_a_connection_that_is_ended_without_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        def close_all() -> None:
            try:
                while True:
                    server.accept()[0].close()
            except OSError:
                return

        ender = threading.Thread(target=close_all)
        ender.start()
        assert fails(Cluster(name="C", url=url)).fault is Fault.BROKE_OFF
        assert fails(Cluster(name="C", url=url.replace("http:", "https:"))).fault in {
            Fault.TLS_OTHER,
            Fault.BROKE_OFF,
        }
        server.shutdown(socket.SHUT_RDWR)
        ender.join()


# --- TLS -----------------------------------------------------------------------------------------


class Authority:
    """An authority, whose certificates last from and to so many days from now."""

    def __init__(self, folder: Path, name: str = "Authority") -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._signed(self.subject, self.key, -9, 9, ca=True)
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def _signed(
        self, subject: x509.Name, key: Any, first: int, last: int, *, ca: bool, host: str = ""
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=first))
            .not_valid_after(now + timedelta(days=last))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if host:
            is_ip = host.replace(".", "").isdigit()
            called = x509.IPAddress(IPv4Address(host)) if is_ip else x509.DNSName(host)
            names = x509.SubjectAlternativeName([called])
            made = made.add_extension(names, critical=False)
        return made.sign(self.key, hashes.SHA256())

    def server(self, host: str = "tls.test", first: int = -1, last: int = 1) -> Path:
        """Return a file with a server's key and certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        made = self._signed(subject, key, first, last, ca=False, host=host)
        plain = serialization.NoEncryption()
        pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        file = self.folder / f"{host}{first}{last}.pem"
        file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, form, plain))
        return file


@pytest.fixture
def authority(tmp_path: Path, names: Names, settings: Settings) -> Authority:
    settings.ALLOWED_TARGETS = ["127.0.0.1"]
    names("tls.test", "127.0.0.1")
    return Authority(tmp_path)


@pytest.mark.parametrize(
    ("days", "host", "fault"),
    [
        ((-1, 1), "tls.test", None),
        ((-3, -2), "tls.test", Fault.TLS_EXPIRED),
        ((2, 3), "tls.test", Fault.TLS_NOT_YET),
        ((-1, 1), "other.test", Fault.TLS_NAME),
    ],
)
def test_a_certificate_is_of_its_time_and_of_its_name(
    authority: Authority, days: tuple[int, int], host: str, fault: Fault | None
) -> None:
    with listening(certificate=authority.server(host, *days)) as server:
        server.body = about()
        url = f"https://tls.test:{server.port}"
        cluster = basic(url, ca_certificate=authority.pem)
        if fault is None:
            assert try_out(cluster).uuid == "uuid-1"
            assert server.credentials[0].startswith("Basic ")
        else:
            assert fails(cluster).fault is fault
            # The password went nowhere.
            assert server.asked == []


def test_an_authority_that_nobody_knows_and_one_that_is_another(
    authority: Authority, tmp_path: Path
) -> None:
    with listening(certificate=authority.server()) as server:
        url = f"https://tls.test:{server.port}"
        said = fails(basic(url))
        assert (said.fault, said.field) == (Fault.TLS_AUTHORITY, "ca_certificate")
        assert "is none that this machine knows" in said.what
        other = Authority(tmp_path, "Other")
        assert "is not the one that was given" in fails(basic(url, ca_certificate=other.pem)).what
        assert server.asked == []


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.2", "tls.test"])
def test_an_address_of_numbers_is_in_the_certificate_or_is_not_taken(
    authority: Authority, name: str
) -> None:
    with listening(certificate=authority.server(name)) as server:
        server.body = about()
        cluster = basic(f"https://127.0.0.1:{server.port}", ca_certificate=authority.pem)
        if name == "127.0.0.1":
            assert try_out(cluster).uuid == "uuid-1"
        else:
            assert fails(cluster).fault is Fault.TLS_NAME
            assert server.asked == []


def test_a_server_without_tls_and_one_with_are_told(authority: Authority) -> None:
    with listening() as plain:
        url = plain.url.replace("http:", "https:")
        assert fails(basic(url)).fault is Fault.SPEAKS_HTTP
    with listening(certificate=authority.server()) as encrypted:
        said = fails(basic(f"http://tls.test:{encrypted.port}"))
        assert said.fault is Fault.SPEAKS_TLS
        assert "Write https://" in said.todo
        assert encrypted.asked == []


def test_what_is_no_certificate_of_an_authority(authority: Authority, target: Listener) -> None:
    check_ca("")
    check_ca(f"\n{authority.pem}\n{authority.pem}")
    key = authority.server().read_text()
    for text, words in (
        ("rubbish", "cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "cannot be read"),
        (authority.pem[:-60], "cannot be read"),
        (key, "private key"),
    ):
        said = fails(basic(target.url.replace("http:", "https:"), ca_certificate=text))
        assert (said.fault, said.field) == (Fault.BAD_CA, "ca_certificate")
        assert words in said.what
    assert target.asked == []


# --- Credentials ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "good"),
    [
        ("id:key", True),
        ("aWQ6a2V5", True),
        ("", False),
        ("id:", False),
        (":key", False),
        ("id: key", False),
        ("id:ke\u00fc", False),
        ("no-key-at-all", False),
        ("bm9jb2xvbg==", False),
        ("id:key\n", False),
    ],
)
def test_what_is_an_api_key(engine: Listener, key: str, good: bool) -> None:
    cluster = Cluster(name="C", url=engine.url, authentication="api-key", secret=key)
    if good:
        try_out(cluster)
        assert engine.credentials[0] == "ApiKey aWQ6a2V5"
    else:
        said = fails(cluster)
        assert (said.fault, said.field) == (Fault.BAD_KEY, "new_secret")
        assert engine.asked == []


@pytest.mark.parametrize(
    ("username", "secret", "field"),
    [("", SECRET, "username"), ("a:b", SECRET, "username"), ("console", "", "new_secret")],
)
def test_a_name_or_a_password_that_is_missing(
    engine: Listener, username: str, secret: str, field: str
) -> None:
    said = fails(basic(engine.url, username=username, secret=secret))
    assert said.field == field
    assert engine.asked == []


@pytest.mark.parametrize(
    ("authentication", "fault", "words"),
    [
        ("none", Fault.CREDENTIALS_MISSING, "no credentials were given"),
        ("basic", Fault.CREDENTIALS_WRONG, "user name or password"),
        ("api-key", Fault.CREDENTIALS_WRONG, "does not accept the API key"),
    ],
)
def test_credentials_that_are_refused(
    engine: Listener, authentication: str, fault: Fault, words: str
) -> None:
    engine.status = 401
    engine.body = f'{{"error": {{"type": "security_exception", "reason": "{PAGE}"}}}}'.encode()
    cluster = basic(engine.url, authentication=authentication)
    if authentication == "api-key":
        cluster.secret = "id:key"
    said = fails(cluster)
    assert said.fault is fault
    assert words in said.what


# As Elasticsearch 7.17 and OpenSearch 2 say it, by their own sources.
ELASTIC = (
    "action [cluster:monitor/health] is unauthorized for user [internal-page-7391] with roles [x], "
    "this action is granted by the cluster privileges [monitor,manage,all]"
)
OPEN = "no permissions for [cluster:monitor/health] and User [name=internal-page-7391, roles=[]]"


@pytest.mark.parametrize("path", ["/", "/_cluster/health", "/_cluster/state/version"])
@pytest.mark.parametrize("reason", [ELASTIC, OPEN])
def test_too_few_rights_name_the_one_that_lacks_and_the_role(
    engine: Listener, reason: str, path: str
) -> None:
    body = json.dumps({"error": {"type": "security_exception", "reason": reason}, "status": 403})
    engine.by_path[path] = (403, body.encode())
    said = fails(basic(engine.url))
    assert said.fault is Fault.RIGHTS
    assert "The right to cluster:monitor/health is missing" in said.what
    assert ("monitor, manage, all" in said.what) == (reason is ELASTIC)
    assert "manage.py engine-role" in said.todo


def test_a_refusal_that_is_not_an_engines(target: Listener) -> None:
    target.status, target.body = 403, f"<html>{PAGE}</html>".encode()
    assert fails(basic(target.url)).fault is Fault.REFUSED_BY_OTHER


# --- Something else ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind", "fault"),
    [
        (200, f"<html>{PAGE}</html>", "text/html", Fault.NOT_JSON),
        (200, f"<html>{PAGE}</html>", "application/json", Fault.NOT_JSON),
        (200, PAGE, "text/plain", Fault.OTHER_SERVER),
        (200, f'{{"name": "{PAGE}"}}', "application/json", Fault.OTHER_SERVER),
        (200, f'["{PAGE}"]', "application/json", Fault.OTHER_SERVER),
        (200, f'{{"cluster_uuid": ["{PAGE}"]}}', "application/json", Fault.OTHER_SERVER),
        (200, " " * 70_000, "application/json", Fault.OTHER_SERVER),
        (404, PAGE, "text/html", Fault.OTHER_SERVER),
        (400, PAGE, "text/html", Fault.OTHER_SERVER),
        (500, PAGE, "text/html", Fault.OTHER_SERVER),
        (302, PAGE, "text/html", Fault.LEADS_ELSEWHERE),
        (503, PAGE, "text/html", Fault.BUSY),
        (429, PAGE, "text/html", Fault.BUSY),
    ],
)
def test_a_server_that_is_no_engine(
    target: Listener, status: int, body: str, kind: str, fault: Fault
) -> None:
    target.status, target.body = status, body.encode()
    target.headers = {"content-type": kind, "location": "http://127.0.0.2/"}
    assert fails(basic(target.url)).fault is fault


def test_an_engine_that_was_never_tested(engine: Listener) -> None:
    engine.body = about(version={"number": "8.15.0\u202e"})
    said = fails(basic(engine.url))
    assert said.fault is Fault.ENGINE
    assert "Elasticsearch 8.15.0\\u202e" in said.what
    assert "Elasticsearch 7.10 to 7.17 and OpenSearch 2" in said.todo


def test_an_engine_without_its_cluster_and_another_cluster(engine: Listener) -> None:
    assert fails(basic(engine.url), "uuid-2").fault is Fault.OTHER_CLUSTER
    engine.body = about(cluster_uuid="_na_")
    assert fails(basic(engine.url)).fault is Fault.NOT_FORMED
