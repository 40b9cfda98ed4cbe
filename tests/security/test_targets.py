"""Where the console connects: what ALLOWED_TARGETS allows, in a form and when connecting."""

import gzip
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.audit import system_actor
from accounts.roles import Role
from accounts.services import create_user
from environments.addresses import BadAddressError, host_and_port
from environments.admin import ClusterForm
from environments.collector import Collector, CollectorError
from environments.elastic import (
    AnswerTooLargeError,
    Connection,
    ForbiddenTarget,
    Refused,
    Unreachable,
)
from environments.models import Cluster, Environment
from environments.targets import NEVER, ForbiddenTargetError, check_url, open_socket, rules
from promotion.cluster import ClusterReader
from promotion.engine.errors import AccessDenied
from tests.factories import enter
from tests.security.listening import Listener, listening

Names = Callable[..., None]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Let a name lead to addresses, as a DNS server of somebody else may; ask the rest as ever."""
    known: dict[str, tuple[str, ...]] = {}
    ask = socket.getaddrinfo

    def answer(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        found = [ask(ip, port, *rest, **more) for ip in known.get(str(host), (host,))]
        return [one for some in found for one in some]

    monkeypatch.setattr(socket, "getaddrinfo", answer)

    def tell(name: str, *ips: str) -> None:
        known[name] = ips

    return tell


@pytest.fixture
def target() -> Iterator[Listener]:
    with listening() as made:
        yield made


# --- What an address may look like ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://0x7f.1:9200", "usual form"),
        ("http://2130706433/", "usual form"),
        ("http://127.1/", "usual form"),
        ("http://0177.0.0.1/", "usual form"),
        ("http://127.0.0.0x1/", "usual form"),
        ("http://\uff11\uff12\uff17.0.0.1/", "usual form"),
        ("http://127\u30020\u30020\u30021/", "usual form"),
        ("http://[::1/", "cannot be read"),
        ("http://good.example@169.254.169.254/", "user name or a password"),
        ("http://elastic:s3cret@good.example/", "user name or a password"),
        ("http://good.example\\@bad.example/", "backslash"),
        ("http://good.example\t/", "control character"),
        ("http://good.example/x?y", "a [?] or a #"),
        ("http://good.example/delete#", "a [?] or a #"),
        ("file:///etc/passwd", "neither http"),
        ("gopher://good.example/", "neither http"),
        ("//good.example/", "neither http"),
        ("http://good.example:99999", "no port that there is"),
        ("http://", "names no host"),
        ("http://a..example/", "no name of a host"),
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused(url: str, why: str) -> None:
    with pytest.raises(BadAddressError, match=why) as caught:
        host_and_port(url)
    assert "s3cret" not in str(caught.value)


def test_one_host_has_one_spelling() -> None:
    assert host_and_port("HTTPS://Search.Example.COM./x") == ("search.example.com", 443)
    assert host_and_port("http://[::FFFF:10.0.0.1]:9200") == ("10.0.0.1", 9200)
    assert host_and_port("http://bücher.example") == ("xn--bcher-kva.example", 80)


# --- What the list allows ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "url", "allowed"),
    [
        ("", "http://10.0.0.1:9200", True),
        ("", "http://192.0.2.1", True),
        ("", "http://127.0.0.1:9200", False),
        ("", "http://[::1]:9200", False),
        ("localhost", "http://127.0.0.1:9200", True),
        ("localhost", "http://[::1]:9200", True),
        ("localhost", "http://10.0.0.1:9200", False),
        ("*,localhost", "http://10.0.0.1:9200", True),
        ("*", "http://127.0.0.1:9200", False),
        ("*:9200", "http://10.0.0.1:9200", True),
        ("*:9200", "http://10.0.0.1:22", False),
        ("10.0.0.0/8", "http://10.200.0.1", True),
        ("10.0.0.0/8", "http://11.0.0.1", False),
        ("10.0.0.0/8:9200", "http://10.0.0.1:9200", True),
        ("10.0.0.0/8:9200", "http://10.0.0.1:9201", False),
        ("10.0.0.1", "http://[::ffff:10.0.0.1]", True),
        ("fd12::/16", "http://[fd12::5]:9200", True),
        ("[fd12::/16]:9200", "http://[fd12::5]:9200", True),
        ("[fd12::/16]:9200", "http://[fd12::5]:80", False),
        ("one.test", "http://one.test", True),
        ("one.test:443", "http://one.test", False),
        ("one.test:443", "https://ONE.test.", True),
        ("*.test", "http://one.test", True),
        ("*.test", "http://test", False),
        ("ne.test", "http://one.test", False),
        # By its address, whatever it is called.
        ("10.9.8.0/24", "http://one.test", True),
        ("10.9.7.0/24", "http://one.test", False),
    ],
)
def test_the_list_allows_what_it_names(
    settings: Settings, names: Names, entries: str, url: str, allowed: bool
) -> None:
    names("one.test", "10.9.8.7")
    names("test", "10.9.8.7")
    settings.ALLOWED_TARGETS = [one for one in entries.split(",") if one]
    if allowed:
        check_url(url)
    else:
        with pytest.raises(ForbiddenTargetError, match="ALLOWED_TARGETS"):
            check_url(url)


@pytest.mark.parametrize(
    "entry", ["10.0.0.0/99", "10.0.0.1/8", "one.test:0", "one.test:x", "[::1", "127.1", "a b", ":1"]
)
def test_a_list_that_cannot_be_read_stops_the_start(settings: Settings, entry: str) -> None:
    settings.ALLOWED_TARGETS = [entry]
    with pytest.raises(ImproperlyConfigured, match="ALLOWED_TARGETS holds"):
        rules()


NEVER_ONES = st.one_of(
    st.sampled_from(NEVER).flatmap(
        lambda network: st.integers(
            int(network.network_address), int(network.broadcast_address)
        ).map(type(network.network_address))
    )
)


@given(ip=NEVER_ONES)
def test_no_list_allows_metadata_or_link_local_in_any_dress(
    ip: IPv4Address | IPv6Address,
) -> None:
    dressed = [ip]
    if isinstance(ip, IPv4Address):
        for start in ("::ffff:0:0", "64:ff9b::", "::"):
            dressed.append(IPv6Address(int(IPv6Address(start)) + int(ip)))
        dressed.append(IPv6Address((0x2002 << 112) + (int(ip) << 80)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "django.conf.settings.ALLOWED_TARGETS", ["*", "localhost", "0.0.0.0/0", "::/0"]
        )
        for one in dressed:
            shown = f"[{one}]" if isinstance(one, IPv6Address) else str(one)
            with pytest.raises(ForbiddenTargetError):
                check_url(f"http://{shown}:9200")
            with pytest.raises(ForbiddenTargetError):
                open_socket(str(one), 9200, 1)


def test_each_address_behind_a_name_must_be_allowed(settings: Settings, names: Names) -> None:
    settings.ALLOWED_TARGETS = ["two.test"]
    names("two.test", "10.0.0.1", "169.254.169.254")
    with pytest.raises(ForbiddenTargetError, match=r"two\.test:80 \(169\.254\.169\.254\)"):
        check_url("http://two.test")
    names("two.test", "10.0.0.1", "127.0.0.1")
    with pytest.raises(ForbiddenTargetError, match="own machine"):
        check_url("http://two.test")
    names("two.test", "10.0.0.1", "10.0.0.2")
    check_url("http://two.test")


def test_a_name_that_cannot_be_looked_up_passes_where_the_list_may_allow_it(
    settings: Settings,
) -> None:
    url = "http://no-such-host.invalid"
    settings.ALLOWED_TARGETS = []
    check_url(url)
    settings.ALLOWED_TARGETS = ["*.invalid"]
    check_url(url)
    settings.ALLOWED_TARGETS = ["10.0.0.0/8"]
    with pytest.raises(ForbiddenTargetError, match="cannot be looked up"):
        check_url(url)


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


# --- In the forms --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_form_of_a_cluster_says_why_and_saves_nothing(
    settings: Settings, target: Listener, plain_static_files: None
) -> None:
    admin = create_user(
        system_actor(), username="a", role=Role.ADMINISTRATOR, password="a long enough phrase 7"
    )
    settings.ALLOWED_TARGETS = ["10.0.0.0/8"]
    for url, why in (
        (target.url, "is the console&#x27;s own machine, which ALLOWED_TARGETS does not name."),
        ("http://169.254.169.254/latest", "where the console never connects."),
        ("http://192.0.2.1:9200", "192.0.2.1:9200 is not named in ALLOWED_TARGETS."),
        ("http://0x7f.1:9200", "neither a name of a host nor an IP address"),
    ):
        page = enter(admin).post(
            reverse("admin:environments_cluster_add"),
            {"name": "New", "url": url, "authentication": "none", "new_secret": "s3cret-7391"},
            secure=True,
        )
        text = page.content.decode()
        assert page.status_code == 200, url
        assert why in text or "Enter a valid URL" in text, url
        assert "s3cret-7391" not in text
    assert not Cluster.objects.exists()
    assert target.asked == []


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["staging", "production"])
def test_the_form_of_an_environment_says_why(settings: Settings, kind: str) -> None:
    cluster = Cluster.objects.create(name="C", url="http://10.0.0.1:9200")
    one = Environment(
        name="E", slug="e", cluster=cluster, version="0.8.1", tenant="acme", kind=kind
    )
    settings.ALLOWED_TARGETS = ["10.0.0.0/8"]
    one.api_url = "http://169.254.169.254/latest/meta-data"
    with pytest.raises(ValidationError, match=r"never connects\. Nothing was saved\. Give the"):
        one.full_clean()
    one.api_url = "http://10.0.0.2:8686"
    one.full_clean()
