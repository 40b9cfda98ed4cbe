"""What ALLOWED_TARGETS allows, and how an address may be written: judged in the form."""

import time
from ipaddress import IPv4Address, IPv6Address

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.audit import system_actor
from accounts.roles import Role
from accounts.services import create_user
from environments.addresses import BadAddressError, host_and_port
from environments.models import Cluster, Environment
from environments.targets import NEVER, ForbiddenTargetError, check_url, open_socket, rules
from tests.factories import enter
from tests.security.conftest import Names
from tests.security.listening import Listener, dropping

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
        # 0.0.0.1 in that dress is this machine, which the list below names.
        dressed = [one for one in dressed if one != IPv6Address("::1")]
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


def test_the_addresses_of_a_name_share_the_seconds_of_a_connection(names: Names) -> None:
    silent = [f"127.0.1.{number}" for number in range(1, 6)]
    names("many.test", *silent)
    with dropping(*silent) as port:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            open_socket("many.test", port, 0.5)
        # At each of them it would be 2.5.
        assert time.monotonic() - started < 2


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
